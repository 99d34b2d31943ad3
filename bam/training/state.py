"""Weights and optimiser state as safetensors."""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bam.errors import DataError
from bam.files import atomic_path


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors atomically, sorted by name, so equal tensors give equal bytes."""
    contiguous = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    with atomic_path(path) as temporary:
        save_file(contiguous, temporary)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read tensors; DataError if the file is missing or corrupt."""
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: is missing") from error
    except SafetensorError as error:
        raise DataError(f"{path}: is corrupt ({error}); delete it to have it made again") from error


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's per-parameter state under ``optimizer/<parameter>/<name>``."""
    return {
        f"optimizer/{name}/{key}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state[parameter].items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put `optimizer_tensors` back."""
    for name, parameter in model.named_parameters():
        prefix = f"optimizer/{name}/"
        # AdamW keeps its step count on the CPU; moving state to the parameter's device is exact.
        optimizer.state[parameter] = {
            key.removeprefix(prefix): value.to(parameter.device)
            for key, value in tensors.items()
            if key.startswith(prefix)
        }
