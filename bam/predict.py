"""Predict with an exported model; no part of a study is needed."""

import csv
import io
from pathlib import Path

import numpy as np
import torch

from bam.errors import DataError
from bam.export import MODEL_SCHEMA
from bam.files import read_json, sha256_file, write_text
from bam.training.build import set_up_torch
from bam.training.inputs import ImageInputs
from bam.training.network import Form, network
from bam.training.prediction import predict_logits
from bam.training.state import load_tensors


def predict_file(model: Path, inputs: Path, out: Path, device: str) -> None:
    """Write one CSV row an input: index, predicted class, and the probability of each class.

    Parameters
    ----------
    model
        Folder that `bam export` wrote.
    inputs
        .npy file of uint8 images of shape (n, channels, height, width).

    Raises
    ------
    DataError
        If either is missing or not as described.
    """
    description = read_json(model / "model.json")
    if not isinstance(description, dict) or description.get("schema") != MODEL_SCHEMA:
        raise DataError(f"{model / 'model.json'}: does not describe a model that `bam export` wrote")
    lacking = [key for key in ("model", "input_shape", "mean", "std", "class_names") if key not in description]
    if lacking:
        raise DataError(f"{model / 'model.json'}: lacks {', '.join(lacking)}; export the model again")
    images = _read(inputs, tuple(description["input_shape"]))
    where = set_up_torch(torch.get_num_threads(), device)
    names = description["class_names"]
    form = Form("image", tuple(description["input_shape"]), len(names))
    built = network(description["model"], form)
    weights = model / "model.safetensors"
    if weights.exists() and sha256_file(weights) != description.get("weights_sha256", sha256_file(weights)):
        raise DataError(f"{weights}: is not the file that model.json describes; export the model again")
    built.load_state_dict(load_tensors(weights))
    built.to(where)
    logits = predict_logits(built, ImageInputs(images, description["mean"], description["std"], where))
    probabilities = torch.from_numpy(logits).double().softmax(dim=1).numpy()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["index", "predicted", *(f"probability:{name}" for name in names)])
    for index, row in enumerate(probabilities.tolist()):
        writer.writerow([index, names[int(np.argmax(row))], *row])
    write_text(out, text.getvalue())


def _read(path: Path, input_shape: tuple[int, ...]) -> np.ndarray:
    try:
        images = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as a .npy file ({error})") from error
    if not isinstance(images, np.ndarray):
        raise DataError(f"{path}: is an archive of arrays, expected one array as a .npy file")
    if images.dtype != np.uint8 or images.shape[1:] != input_shape:
        raise DataError(
            f"{path}: expected uint8 images of shape (n, {', '.join(map(str, input_shape))}), "
            f"got {images.dtype} {images.shape}"
        )
    return np.asarray(images)
