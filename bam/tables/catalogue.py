"""The tables by name."""

from collections.abc import Callable

from bam.layout import Layout
from bam.plan import Plan
from bam.tables.accuracies import groups_table, main_table, sweeps_table
from bam.tables.auxiliary import auxiliary_table
from bam.tables.content import Table
from bam.tables.correlations import correlations_table
from bam.tables.cost import cost_table
from bam.tables.differences import comparisons_table, regret_table
from bam.tables.epochs import epochs_table
from bam.tables.error_sets import error_sets_table
from bam.tables.fidelity import fidelity_table
from bam.tables.rules import rules_table
from bam.tables.selected import selected_table
from bam.tables.sweep_error_sets import sweep_error_sets_table
from bam.tables.sweep_regret import sweep_regret_table

TABLES: dict[str, Callable[[Plan, Layout], Table]] = {
    "main": main_table,
    "groups": groups_table,
    "selected": selected_table,
    "comparisons": comparisons_table,
    "regret": regret_table,
    "rules": rules_table,
    "error_sets": error_sets_table,
    "sweeps": sweeps_table,
    "sweep_regret": sweep_regret_table,
    "sweep_error_sets": sweep_error_sets_table,
    "fidelity": fidelity_table,
    "epochs": epochs_table,
    "correlations": correlations_table,
    "auxiliary": auxiliary_table,
    "cost": cost_table,
}
