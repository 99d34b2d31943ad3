"""Whether prepared data are all there."""

from pathlib import Path

from bam.data.prepared import MANIFEST, read_manifest
from bam.errors import DataError
from bam.layout import SPLIT_FILES


def missing_files(folder: Path) -> list[str]:
    """Return which files of prepared data are not there: those of every data set, and what else a manifest names.

    A manifest that cannot be read names nothing; who reads it will say so.
    """
    try:
        named = read_manifest(folder).files if (folder / MANIFEST).exists() else {}
    except DataError:
        named = {}
    return [name for name in dict.fromkeys((*SPLIT_FILES, *named)) if not (folder / name).exists()]
