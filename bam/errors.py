"""Mistakes that a user can make and mend: one line each, exit status 2."""


class BamError(Exception):
    """What was seen, where, what was expected, and what to do, in one line."""

    exit_status = 2

    def __str__(self) -> str:
        """Return the message as one line, whatever names from outside it quotes."""
        return super().__str__().replace("\r", "\\r").replace("\n", "\\n")


class ConfigError(BamError):
    """A study config or a command line that cannot be carried out as written."""


class DataError(BamError):
    """A file that is missing, corrupt, or not what its description promises."""


class RunError(BamError):
    """A step that cannot go on: an unwritable folder, every run failed, and the like."""


class InterruptedRunError(BamError):
    """A training that a signal stopped, with its state saved: the same command goes on from there.

    75 is what `sysexits.h` calls a temporary failure; SLURM can be told to requeue on it (RequeueExit).
    """

    exit_status = 75
