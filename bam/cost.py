"""What every step of a study has cost here: seconds and peak memory of trainings, and of all other jobs.

The table `cost` has the trainings alone, whose timings are published with their predictions, so that it can be made
again from these. What the other jobs took is known only where Snakemake ran them.
"""

from rich.table import Table

from bam.job_costs import job_rows
from bam.layout import Layout
from bam.plan import Plan
from bam.tables.cost import cost_table
from bam.tables.words import number

NOTE = (
    "Jobs without a method are those that Snakemake ran here; it looks at their memory each half second for 15 s, then "
    "each half minute, so a peak may be missed, and one of a job under a second is not shown."
)


def cost(plan: Plan, layout: Layout) -> Table:
    """Return a table for the terminal: runs, seconds and peak memory of each step.

    Raises
    ------
    DataError
        If a timing is damaged.
    """
    found = Table(
        *("data set", "method", "step", "runs", "wall, s", "training, s", "prediction, s", "peak, MiB"),
        title=f"cost of study {plan.study.name}: sums of seconds, largest peak memory",
        caption=NOTE,
    )
    seconds = ("wall_s", "training_s", "evaluation_s")
    for row in cost_table(plan, layout).frame.to_dict("records"):
        measures = [number(row[name]) for name in (*seconds, "peak_memory_mib")]
        found.add_row(*(str(row[name]) for name in ("dataset", "method", "step", "n_runs")), *measures)
    found.add_section()
    for job in job_rows(plan, layout):
        found.add_row("", "", job.step, str(job.n_runs), number(job.wall_s), "", "", number(job.peak_mib))
    return found
