"""Whether a study's results can be written, asked before anything trains."""

import os
from collections.abc import Iterable
from pathlib import Path

from bam.errors import RunError


def check_no_file(results: Path) -> None:
    """Refuse a file in the place of a results folder, or of one above it, with a RunError that names it."""
    place = next(path for path in (results, *results.parents) if path.exists())
    if not place.is_dir():
        raise RunError(f"{place}: is a file, where a folder for results is to be; move it away")


def check_writable(results: Path, wanted: Iterable[str] | None = None) -> None:
    """Refuse a results folder that cannot be written to, unless all that is wanted there exists.

    Snakemake would name each file in turn, or end in a traceback where a folder is missing.

    Raises
    ------
    RunError
        Naming the folder, or the one above that it is to be made in, or a link on the way that leads nowhere.
    """
    place = results
    while not place.exists() and place != place.parent:
        if place.is_symlink():
            raise RunError(
                f"{place}: is a link to {place.readlink()}, which is not there; make that folder, or mount its disk, "
                "or remove the link"
            )
        place = place.parent
    if os.access(place, os.W_OK) and place.is_dir():
        return
    if wanted is not None and all(Path(name).exists() for name in wanted):
        return
    raise RunError(
        f"{place}: cannot be written to; make the folder writable, "
        "or put a link to a folder on another disk in its place; what is finished is kept"
    )
