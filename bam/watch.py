"""Say again and again how far a study is, until it has come to an end."""

import time
from collections.abc import Callable

from bam.errors import RunError
from bam.status import Look


def watch(look: Callable[[], Look], interval_s: float, say: Callable[[str], None]) -> None:
    """Say how far a study is every so often, under a line with the time; return when all is done.

    Ctrl-C ends it too; the study itself goes on.

    Parameters
    ----------
    look
        Looks at the study.
    interval_s
        Seconds between two looks.
    say
        Is given each text.

    Raises
    ------
    RunError
        If something has failed, nothing else is left to do, and nothing has changed since the look before: after a
        failure, Snakemake may be about to start a job again, or be busy with what does not depend on it.
    """
    before = None
    try:
        while True:
            now = look()
            say(f"--- {time.strftime('%H:%M:%S')}, every {interval_s:g} s until the study ends, or Ctrl-C\n{now.text}")
            if now.is_done:
                say("all trainings, selections and evaluations are there")
                return
            if now.has_failed and not now.goes_on and now == before:
                raise RunError("status: what is left cannot go on: see the logs above, then start the study again")
            before = now
            time.sleep(interval_s)
    except KeyboardInterrupt:
        say("\nno longer watched; the study itself goes on")
