"""Named tensors as safetensors files."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from bam.errors import DataError
from bam.files import atomic_path


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors atomically, sorted by name, so equal tensors give equal bytes.

    Raises
    ------
    RunError
        If the folder cannot be written to, or the disk is full.
    """
    contiguous = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    with atomic_path(path) as temporary:
        try:
            save_file(contiguous, temporary, metadata=metadata)
        except SafetensorError as error:  # how its writer words a full disk
            raise OSError(str(error)) from error


def checksum(tensors: Mapping[str, Tensor], text: str) -> str:
    """Return the SHA-256 of some text and of names, types, shapes and bytes of tensors, in hex."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"\0{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def load_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of `save_tensors`; DataError if the file is missing or corrupt."""
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (OSError, ValueError, SafetensorError) as error:
        raise DataError(f"{path}: is corrupt ({error}); delete it to have it made again") from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read tensors; DataError if the file is missing or corrupt."""
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: is missing") from error
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, RuntimeError, MemoryError) as error:
        raise DataError(f"{path}: is corrupt ({error}); delete it to have it made again") from error
