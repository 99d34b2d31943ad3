"""What a study of 2,000 runs costs before anything runs: time in proportion, commands of the same length."""

import time
from collections.abc import Callable

from bam.analysis_graph import AnalysisGraph
from bam.data.sources import read_sources
from bam.graph import SOURCES, Graph
from bam.selection import sight_of
from bam.steps import table as table_step
from tests import toy

SHELL_LIMIT = 128 * 1024  # bytes of one argument of a process on Linux


def content(n_settings: int) -> dict:
    """Return a study with 10 seeds, n_settings of ERM and n_settings of BAM: 20 n_settings final trainings."""
    rates = [round(1e-4 * (k + 1), 6) for k in range(n_settings)]
    return toy.study_content(
        seeds=list(range(10)),
        methods__erm__optimizer={**toy.SGD, "learning_rate": rates},
        methods__bam__stage2__upweight_factor=list(range(2, 2 + n_settings // 2)),
    )


def ask_everything(n_settings: int) -> tuple[Graph, AnalysisGraph]:
    """Ask of a study's graph all that Snakemake asks for in a dry run."""
    graph = Graph(content(n_settings), "study")
    analysis = AnalysisGraph(graph.plan, graph.layout)
    for name in (*graph.plan.stage1, *graph.plan.trainings):
        graph.trainings.inputs(name)
        graph.trainings.spec(name)
        graph.trainings.options(name, "cpu")
    for arm in graph.plan.arms:
        for dataset, method, rule in arm.choices():
            choice = (arm.name, dataset, method, sight_of(rule))
            analysis.select_inputs(*choice)
            analysis.evaluate_inputs(*choice)
            analysis.covers(*choice[:3])
    for name in table_step.names(graph.plan):
        analysis.table_inputs(name)
    return graph, analysis


def seconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def test_2000_runs_are_planned_in_proportion_to_500():
    read_sources(SOURCES)
    ask_everything(10)  # imports and digests of code, once for all
    few = min(seconds(lambda: ask_everything(25)) for _ in range(2))
    many = seconds(lambda: ask_everything(100))
    print(f"500 runs {few:.2f} s, 2,000 runs {many:.2f} s")
    assert len(ask_everything(100)[0].plan.trainings) == 2000
    assert many / few < 12


def test_no_command_grows_with_the_grid():
    lengths = {}
    for n_settings in (25, 100):
        graph, analysis = ask_everything(n_settings)
        parts = [graph.study.json()]
        for arm in graph.plan.arms:
            for dataset, method, rule in arm.choices():
                choice = (arm.name, dataset, method, sight_of(rule))
                parts += [analysis.part(*choice), analysis.select_options(*choice), analysis.evaluate_options(*choice)]
        parts += [graph.trainings.spec(name) for name in (*graph.plan.stage1, *graph.plan.trainings)]
        lengths[n_settings] = max(len(part.encode()) for part in parts)
    # Only the config's own lists are longer: a few bytes for each value, none for each run.
    assert lengths[100] - lengths[25] < 75 * 20
    assert lengths[100] < SHELL_LIMIT / 16
