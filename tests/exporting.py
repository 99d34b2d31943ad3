"""A study of one seed run in this process, and the model that it exports."""

import json
from pathlib import Path

import numpy as np

from bam.data.sources import read_sources
from bam.export import export
from bam.layout import Layout
from bam.pipeline import make_data, make_pretrained, run_cells
from bam.plan import make_plan
from bam.scoring import choose_and_score
from bam.study import parse_study
from tests import own

SOURCES = Path(__file__).parents[1] / "config" / "datasets.yaml"
RULE = "class_difference"


def made(folder: Path, entry: dict, **changes) -> tuple[Path, np.ndarray, dict]:
    """Run BAM on one data set below `folder`; return the exported model, its test logits and its description."""
    content = own.study(entry, seeds=[0], keep_logits=[1, 2], **changes)
    del content["methods"]["erm"]
    sources = read_sources(SOURCES)
    plan = make_plan(parse_study(content, "mine.yaml"), sources)
    layout = Layout(folder / "data", folder / "results")
    for data_set in plan.datasets.values():
        make_data(data_set, sources, layout)
    for weights in plan.pretrained.values():
        make_pretrained(weights, sources, layout)
    run_cells(plan.cells, list(plan.stage1.values()), layout, "cpu")
    choose_and_score(plan.cells, RULE, plan.study.file, layout)
    out = folder / "exported"
    export(plan, layout, sources, dataset="mine", method="bam", rule=RULE, seed=0, out=out)
    about = json.loads((out / "model.json").read_text())
    path = layout.predictions(about["chosen"]["run"]) / "test.npz"
    return out, np.load(path)[f"logits_{about['chosen']['epoch']}"], about
