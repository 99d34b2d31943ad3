"""What `bam cost` prints: trainings as in the table, and the jobs that train nothing as Snakemake measured them."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from bam.cost import cost
from bam.job_costs import Jobs, job_rows
from bam.layout import Layout
from bam.plan import Plan
from tests.unit.test_tables import plan_of, write_runs


def benchmark(path: Path, seconds: str, mib: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\tmax_vms\n{seconds}\t0:00:01\t{mib}\t999\n")


@pytest.fixture
def measured(tmp_path: Path) -> tuple[Plan, Layout]:
    plan, layout = plan_of(), Layout(tmp_path / "data", tmp_path / "results" / "tiny_study")
    write_runs(plan, layout)
    data = next(iter(plan.datasets.values()))
    logs, own = tmp_path / "logs", layout.results / "logs"
    benchmark(logs / "prepare" / f"{data.data_id}.benchmark.tsv", "2.5", "300.25")
    benchmark(logs / "prepare" / "of_another_study-12345678.benchmark.tsv", "9", "9000")
    select = own / "select" / "main"
    for sees, mib in (("labels", "50.5"), ("groups", "70.5")):
        benchmark(select / f"toy.bam.{sees}.benchmark.tsv", "1.0", mib)
    benchmark(select / "toy.erm.labels.benchmark.tsv", "0.5", "NA")  # over before it was looked at
    benchmark(select / "toy.erm.groups.benchmark.tsv", "0.5", "0.1")  # no more than the shell was seen
    benchmark(select / "toy.jtt.labels.benchmark.tsv", "9", "9000")  # a method that the study has no more
    cut = own / "select" / "mu-5" / "toy.bam.labels.benchmark.tsv"
    cut.parent.mkdir()
    cut.write_text("")
    benchmark(own / "evaluate" / "main" / "toy.bam.labels.benchmark.tsv", "1.5", "61")
    benchmark(own / "table" / "main.benchmark.tsv", "2.0", "150")
    (own / "table" / "main.log").write_text("")
    return plan, layout


def test_jobs_that_train_nothing_have_their_seconds_and_peak_memory(measured):
    assert list(job_rows(*measured)) == [
        Jobs("prepare", 1, 2.5, 300.25),
        Jobs("select", 4, 3.0, 70.5),
        Jobs("evaluate", 1, 1.5, 61.0),
        Jobs("table", 1, 2.0, 150.0),
    ]


def test_the_printed_table_has_trainings_and_jobs(measured):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(cost(*measured))
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in console.export_text().splitlines()]
    rows = {tuple(line[:3]): line[3:] for line in lines if line}
    assert rows["toy", "bam", "stage1"] == ["3", "6.0", "3.0", "1.5", "3.0"]
    assert rows["", "", "select"] == ["4", "3.0", "", "", "70.5"]
