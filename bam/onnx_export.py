"""An exported model as ONNX: with its normalisation, for runtimes that know no Python."""

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bam.errors import ConfigError, RunError
from bam.exported import ExportedModel
from bam.files import atomic_path
from bam.randomness import numpy_generator

FILE = "model.onnx"
TOLERANCE = 1e-4
OPSET = 18
N_CHECKED = 5  # another batch size than the one that is traced


class FromPixels(nn.Module):
    """A network behind its normalisation: uint8 images (n, channels, height, width) -> logits (n, C)."""

    scale: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.network = network
        spread = torch.tensor([value if value > 0 else 1.0 for value in std], dtype=torch.float64)
        self.register_buffer("scale", (1 / (255 * spread)).float().view(-1, 1, 1))
        self.register_buffer("shift", (-torch.tensor(mean, dtype=torch.float64) / spread).float().view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.network(images.float() * self.scale + self.shift)
        return logits


def layout(model: ExportedModel) -> str:
    """Say what the ONNX model takes and gives, for the model card."""
    shape = ", ".join(map(str, model.input_shape))
    if not model.is_text:
        takes = f"`images`, uint8 of shape (n, {shape}), RGB if there are three channels, not normalised"
    elif model.description["has_segments"]:
        takes = f"`tokens`, int64 of shape (n, 2, {shape}): token ids, then 0 or 1 for first and second text"
    else:
        takes = f"`tokens`, int64 of shape (n, {shape}): token ids, padded with {model.description['pad_id']}"
    return f"{takes}; `logits`, float32 of shape (n, {len(model.class_names)})"


def write_onnx(model: ExportedModel, folder: Path) -> None:
    """Write `model.onnx` and compare its logits with the network's, on a batch of another size.

    Raises
    ------
    ConfigError
        If onnx, onnxscript or onnxruntime is not installed, or the network is not in float32.
    RunError
        If the network cannot be exported, or its logits differ by more than 1e-4.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  (what torch's exporter asks for)
    except ImportError as error:
        raise ConfigError(f"--onnx: needs {error.name}; install the extra: pip install 'bam-study[onnx]'") from error
    if model.description["precision"] != "float32":
        raise ConfigError(f"--onnx: the model predicts in {model.description['precision']}; only float32 is exported")
    about = model.description
    is_text = model.is_text
    traced = model.network if is_text else FromPixels(model.network, about["mean"], about["std"])
    traced.eval()
    name = "tokens" if is_text else "images"
    with atomic_path(folder / FILE) as temporary:
        _trace(traced, _example(model, 2), name, temporary)
        checked = _example(model, N_CHECKED)
        session = onnxruntime.InferenceSession(temporary.read_bytes(), providers=["CPUExecutionProvider"])
        (seen,) = session.run(["logits"], {name: checked.numpy()})
        with torch.inference_mode():
            expected = traced(checked).numpy()
        difference = float(np.abs(np.asarray(seen) - expected).max())
        if not difference <= TOLERANCE:
            raise RunError(
                f"{folder / FILE}: its logits differ by {difference:.2g} from the network's; nothing is kept"
            )


def _trace(network: nn.Module, example: Tensor, name: str, out: Path) -> None:
    batch = torch.export.Dim("n", min=1)
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                network,
                (example,),
                str(out),
                input_names=[name],
                output_names=["logits"],
                opset_version=OPSET,
                dynamo=True,
                dynamic_shapes=({0: batch},),
                external_data=False,
                verbose=False,
            )
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            reason = str(error).strip().splitlines()[0]
            raise RunError(f"--onnx: this network cannot be exported ({reason})") from error


def _example(model: ExportedModel, n: int) -> Tensor:
    """Return inputs that are made up: pixels, or ids of the vocabulary's first half."""
    generator = numpy_generator(0, "onnx", n)
    if not model.is_text:
        return torch.from_numpy(generator.integers(0, 256, (n, *model.input_shape)).astype(np.uint8))
    table: Any = model.network
    ids = generator.integers(0, table.n_ids, (n, *model.input_shape))
    ids[:, -2:] = model.description["pad_id"]
    if not model.description["has_segments"]:
        return torch.from_numpy(ids)
    segments = np.zeros_like(ids)
    segments[:, ids.shape[1] // 2 :] = 1
    return torch.from_numpy(np.stack([ids, segments], axis=1))
