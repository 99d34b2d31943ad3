"""Named tensors as safetensors files."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

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
