"""`snakemake --logger bam`: the rich plugin's display, with the time that is left for each rule's jobs.

Snakemake finds logger plugins by their package name, so this one lies outside `bam`.
"""

from rich.progress import TimeRemainingColumn
from snakemake_logger_plugin_rich import LogHandler as RichHandler


class LogHandler(RichHandler):
    """The rich handler with one more column, estimated from the jobs of the same rule that are done."""

    def __post_init__(self) -> None:
        """Add the column to the finished display."""
        super().__post_init__()
        self.progress.columns = (*self.progress.columns, TimeRemainingColumn(compact=True))
