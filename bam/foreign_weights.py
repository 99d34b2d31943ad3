"""Weights that others saved with `torch.save`, read once, as tensors and nothing else."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._weights_only_unpickler import UnpicklingError  # type: ignore[attr-defined]

from bam.errors import DataError

NESTED = ("state_dict", "model", "model_state_dict")
PARALLEL = "module."


def read_foreign(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a .pth, .pt or .bin file by name.

    A pickle can run any code; `weights_only` allows none but tensors, numbers and plain containers.

    Raises
    ------
    DataError
        If the file holds anything else, or cannot be read.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise DataError(
            f"{path}: is refused: it is a pickle of more than tensors, which could run code on this machine, or it is "
            "damaged; expected a state dict as torch.save writes it, or a .safetensors file"
        ) from error
    except Exception as error:  # damaged pickles raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: cannot be read as a PyTorch file ({reason})") from error
    return _tensors(content, path)


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the state dict, taken out of the containers that training scripts put it in."""
    for key in NESTED:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path}: holds no state dict, but {type(content).__name__}")
    wrong = [str(name) for name, tensor in content.items() if not isinstance(tensor, Tensor)]
    if wrong:
        raise DataError(f"{path}: {wrong[0]!r} is no tensor; expected a state dict, names with tensors")
    if all(str(name).startswith(PARALLEL) for name in content):
        content = {name.removeprefix(PARALLEL): tensor for name, tensor in content.items()}
    return {str(name): tensor.detach().clone() for name, tensor in content.items()}
