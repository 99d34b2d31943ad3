"""Files of a repository on the Hugging Face hub, at one commit; mirrors are asked first."""

import logging
import shutil
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from bam.data.download import Downloads, Patience, discard
from bam.data.local import MIRROR_VARIABLE, locate, mirrored
from bam.data.sources import Source, UrlSource
from bam.data.unpack import RefusedError
from bam.errors import DataError

logger = logging.getLogger(__name__)


def download(name: str, revision: str, patterns: Sequence[str], folder: Path) -> None:
    """Put the files of a repository whose names fit into `folder`.

    A mirror of `BAM_MIRROR` that has `<mirror>/<name>/<file>` is taken for the whole: the commit of
    what it holds is its own affair, and the SHA-256 of each file is recorded.

    Raises
    ------
    DataError
        If neither a mirror nor the hub has them, or the hub cannot be reached.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if _from_mirror(name, patterns, folder):
        return
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        snapshot_download(name, revision=revision, allow_patterns=list(patterns), local_dir=folder)
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise DataError(f"{name}@{revision}: the hub has no such repository or commit, or it is not public") from error
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{name}@{revision}: cannot be downloaded ({reason}). Without a network, copy the repository's files to "
            f"<folder>/{name}/ and set {MIRROR_VARIABLE}=<folder>, or name a local folder as the checkpoint"
        ) from error


def _from_mirror(name: str, patterns: Sequence[str], folder: Path) -> bool:
    """Copy what the mirrors have; return whether any weights came of it."""
    n_weights = 0
    downloads = Downloads(Patience())
    for pattern in patterns:
        if any(letter in pattern for letter in "*?["):
            continue
        for source in mirrored(name, pattern):
            target = folder / pattern
            if source.unpack is None and not target.exists():
                _copy(source, target, downloads)
        n_weights += (folder / pattern).exists() and any(fnmatch(pattern, p) for p in ("*.safetensors", "*.bin"))
    return n_weights > 0


def _copy(source: Source, target: Path, downloads: Downloads) -> None:
    if isinstance(source, UrlSource):
        part = target.with_name(f"{target.name}.part")
        try:
            downloads.get(source.url, part)
        except RefusedError as error:
            logger.info("%s %s", source.url, error)
        else:
            part.replace(target)
            discard(part)
    elif (path := locate(source)) is not None:
        shutil.copyfile(path, target)
