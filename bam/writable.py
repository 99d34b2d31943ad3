"""Whether a study's results can be written, asked before Snakemake plans a job."""

import os
from collections.abc import Iterable
from pathlib import Path

from bam.errors import RunError


def check_writable(results: Path, wanted: Iterable[str]) -> None:
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
    if all(Path(name).exists() for name in wanted):
        return
    raise RunError(
        f"{place}: cannot be written to; make the folder writable, "
        "or put a link to a folder on another disk in its place; what is finished is kept"
    )
