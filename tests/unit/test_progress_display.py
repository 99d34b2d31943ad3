"""`snakemake --logger bam`: found by Snakemake, and showing the time that is left."""

import io
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console
from rich.progress import TimeRemainingColumn

from snakemake_logger_plugin_bam import LogHandler

ROOT = Path(__file__).parents[2]


def test_the_display_has_the_time_that_is_left_as_its_last_column():
    settings = SimpleNamespace(
        stdout=False, dryrun=False, printshellcmds=False, show_failed_logs=False, verbose=False, quiet=None
    )
    handler = LogHandler(settings, settings)
    *_, last = handler.progress.columns
    assert isinstance(last, TimeRemainingColumn)
    now = [0.0]
    handler.progress.get_time = lambda: now[0]
    task = handler.progress.add_task("stage 2", total=10, active=0)
    for second in (0.0, 30.0, 60.0):
        now[0] = second
        handler.progress.update(task, completed=2 + second / 30)
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(handler.progress.get_renderable())
    assert "03:00" in console.export_text()  # six jobs left at one in 30 s


def test_snakemake_finds_it(tmp_path):
    (tmp_path / "Snakefile").write_text("rule all:\n    output: 'done'\n    shell: 'touch done'\n")
    done = subprocess.run(
        ["snakemake", "--cores", "1", "--logger", "bam"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "done").exists()
