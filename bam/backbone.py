"""Pretrained weights in a network with a fresh head.

The head is found by its shape: what has another one when the network is built for one class more.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator

from bam.catalogue import suggestion
from bam.errors import ConfigError, DataError
from bam.model_settings import WEIGHTS

if TYPE_CHECKING:
    from torch import Tensor, nn

MAX_NAMED = 3
# `none` says the same as null, which in a config that extends another would remove the key.
WeightsName = Annotated[str | None, BeforeValidator(lambda value: None if value == "none" else value)]


def check_known(architecture: str, known: Sequence[str], library: str) -> None:
    """Raise a ConfigError if a library has no classifier of this name."""
    if architecture not in known:
        near = suggestion(architecture, known)
        raise ConfigError(f"model.architecture: {library} has no classifier {architecture!r}{near}")


def image_network(
    make: Callable[[int], "nn.Module"], input_shape: tuple[int, ...], n_classes: int, pretrained: Path | None
) -> "nn.Module":
    """Return `make(n_classes)` with the pretrained weights in all but its head.

    Parameters
    ----------
    make
        Number of classes -> network; draws the fresh weights from torch's global generator.
    pretrained
        Folder that `bam pretrained` wrote, or None.

    Raises
    ------
    ConfigError
        If the network does not take such images, or returns more than logits.
    DataError
        If the weights are not those of this network.
    """
    import torch

    larger = on_meta(lambda: make(n_classes + 1))
    _check_output(larger, input_shape, n_classes + 1)
    network = make(n_classes)
    if pretrained is not None:
        other = larger.state_dict()
        head = [name for name, tensor in network.state_dict().items() if tensor.shape != other[name].shape]
        load_body(network, _read(pretrained / WEIGHTS), head, pretrained)
    return network.to(memory_format=torch.channels_last)


def load_body(network: "nn.Module", state: Mapping[str, "Tensor"], head: list[str], where: Path) -> None:
    """Load a state into a network, leaving its head as it is.

    Raises
    ------
    DataError
        If an entry is missing, unknown or of another shape.
    """
    own = network.state_dict()
    wanted = {name for name in own if name not in head}
    # Networks saved before PyTorch 0.4.1 have no counters; they matter only to a momentum of None.
    lost = [name for name in sorted(wanted - set(state)) if not name.endswith("num_batches_tracked")]
    unknown = sorted(set(state) - set(own))
    misshapen = [name for name in sorted(wanted & set(state)) if state[name].shape != own[name].shape]
    for what, names in (("lack", lost), ("have unknown", unknown), ("have another shape of", misshapen)):
        if names:
            more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
            raise DataError(
                f"{where}: the weights are not those of this architecture: they {what} {', '.join(names[:MAX_NAMED])}"
                f"{more}; check model.architecture against model.pretrained"
            )
    network.load_state_dict({name: state[name] for name in wanted & set(state)}, strict=False)


def _read(path: Path) -> Mapping[str, "Tensor"]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read ({error}); delete its folder to have it made again") from error


def on_meta(make: Callable[[], "nn.Module"]) -> "nn.Module":
    """Build shapes without values, on torch's device without memory; the generator is left where it was.

    A network that computes its widths by tensors, such as torchvision's RegNets, has no values to read there: it is
    built with its weights, which are then dropped.
    """
    import torch

    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                return make()
        except NotImplementedError:
            with torch.device("cpu"):
                return make().to("meta")


def _check_output(network: "nn.Module", input_shape: tuple[int, ...], n_classes: int) -> None:
    """Let shapes run through the network in training mode."""
    import torch

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            logits: Any = network.train()(torch.empty(2, *input_shape, device="meta"))
        except (RuntimeError, ValueError, AssertionError, TypeError, NotImplementedError) as error:
            shape = " x ".join(map(str, input_shape))
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ConfigError(f"model.architecture: does not take images of {shape}: {reason}") from error
    if not isinstance(logits, torch.Tensor) or logits.shape != (2, n_classes):
        raise ConfigError("model.architecture: returns more than logits in training; choose another, e.g. from timm")
