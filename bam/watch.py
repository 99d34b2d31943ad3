"""Say again and again how far a study is, until it has come to an end."""

import time
from collections.abc import Callable

from bam.errors import RunError
from bam.status import Look

# Between two jobs, Snakemake may be busy for some seconds, and may start again what has failed.
QUIET_S = 60.0


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
        If something has failed, nothing else is left to do, and nothing has changed for QUIET_S: after a failure,
        Snakemake may be about to start a job again, or be busy with what does not depend on it.
    """
    before, changed_s = None, time.monotonic()
    try:
        while True:
            now = look()
            say(f"--- {time.strftime('%H:%M:%S')}, every {interval_s:g} s until the study ends, or Ctrl-C\n{now.text}")
            if now.is_done:
                say("all trainings, selections and evaluations are there")
                return
            if now != before:
                before, changed_s = now, time.monotonic()
            if now.has_failed and not now.goes_on and time.monotonic() - changed_s >= QUIET_S:
                raise RunError("status: what is left cannot go on: see the logs above, then start the study again")
            time.sleep(interval_s)
    except KeyboardInterrupt:
        say("\nno longer watched; the study itself goes on")
