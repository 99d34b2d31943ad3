"""The `bam` command: parses, calls one function, and turns mistakes into one line and status 2."""

import atexit
import errno
import gc
import io
import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from typer.main import get_command

from bam import __version__
from bam.cli import people, pipeline, publishing
from bam.errors import BamError, RunError

# Imports make objects by the hundred thousand and hardly any cycles. At Python's 700 new objects it would search them
# all for cycles, which takes a good part of the seconds in which a job imports torch (docs/log.md).
COLLECT_AFTER = 50_000
REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR)

app = typer.Typer(
    name="bam",
    help="BAM: bias amplification for group robustness without group labels.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
pipeline.register(app)
people.register(app)
publishing.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Print the version."),
) -> None:
    """Take the options that stand before the verb."""


@contextmanager
def _one_line_where_a_folder_cannot_be_written() -> Iterator[None]:
    """Turn what the file system refuses, wherever it does, into one line that names the file."""
    try:
        yield
    except OSError as error:
        if error.errno not in REFUSALS or error.filename is None:
            raise
        raise RunError(
            f"{error.filename}: cannot be written ({error.strerror}); free the disk or make the folder writable, "
            "then run the same command again: what is finished is kept"
        ) from error


def _run() -> None:
    """Run the command line; raises SystemExit, and what else is a bug of ours."""
    try:
        with _one_line_where_a_folder_cannot_be_written():
            get_command(app)()
    except BamError as error:
        if "--debug" in sys.argv:
            traceback.print_exc()
        print(f"bam: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


def _leave(end: SystemExit) -> None:
    """End the process without taking its modules apart one by one, for which torch's need a good part of a second.

    What is to happen at exit happens first. With a thread that still runs, a profiler or debugger, a text for a status,
    or output that cannot be written, the process ends as any other.

    Raises
    ------
    SystemExit
        `end` itself, in those cases.
    """
    status = 0 if end.code is None else end.code
    is_watched = sys.getprofile() is not None or sys.gettrace() is not None
    if threading.active_count() > 1 or is_watched or not isinstance(status, int):
        raise end
    atexit._run_exitfuncs()  # what Python calls here; nothing public does
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:  # None where the process began without it
                stream.flush()
    except OSError:
        raise end from None
    os._exit(status)


def main() -> None:
    """Run the command line; exit 0 on success, 2 for a user's mistake, 75 after a signal, 1 for a bug of ours."""
    gc.set_threshold(COLLECT_AFTER)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a locale without µ or ± shows ? and goes on
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    # matplotlib would write its cache below a home folder that cluster nodes may not have.
    os.environ.setdefault("MPLBACKEND", "agg")
    try:
        _run()
    except SystemExit as end:
        _leave(end)
