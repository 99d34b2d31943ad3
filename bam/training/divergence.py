"""A training that has left the numbers."""

from bam.errors import RunError


class DivergedError(RunError):
    """A loss, a weight or a logit is NaN or infinite."""
