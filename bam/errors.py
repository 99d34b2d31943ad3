"""Mistakes that a user can make and mend: one line each, exit status 2."""


class BamError(Exception):
    """What was seen, where, what was expected, and what to do, in one line."""


class ConfigError(BamError):
    """A study config or a command line that cannot be carried out as written."""


class DataError(BamError):
    """A file that is missing, corrupt, or not what its description promises."""


class RunError(BamError):
    """A step that cannot go on: an unwritable folder, every run failed, and the like."""
