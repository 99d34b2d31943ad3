"""The JSON schema for editors is the one that the code generates, and knows good configs from bad."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from bam.schema import study_schema

CONFIG = Path(__file__).resolve().parents[2] / "config"
STUDIES = [path for path in sorted(CONFIG.glob("*.yaml")) if path.stem not in ("datasets", "own_data", "paper")]


def test_the_stored_schema_is_in_step_with_the_code():
    assert json.loads((CONFIG / "schema.json").read_text()) == study_schema(), "run `make schema`"


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_schema_accepts_every_study_of_the_repository(path):
    jsonschema.validate(yaml.safe_load(path.read_text()), study_schema())


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s["methods"]["erm"].update(lern_rate=1),
        lambda s: s["methods"]["bam"]["stage2"].update(upweight_factor=0),
        lambda s: s["methods"]["bam"]["stage1"].update(auxiliary_coefficient="1e-3"),
        lambda s: s["model"].update(name="no_such_model"),
        lambda s: s["datasets"]["colored_digits"].update(aligned=2),
        lambda s: s["methods"].update(no_such_method={}),
    ],
)
def test_the_schema_refuses_what_the_code_refuses(change):
    study = copy.deepcopy(yaml.safe_load((CONFIG / "digits.yaml").read_text()))
    change(study)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(study, study_schema())


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_code_accepts_and_plans_every_study_of_the_repository(path):
    from bam.data.sources import read_sources
    from bam.plan import make_plan
    from bam.study import read_study

    plan = make_plan(read_study(str(path)), read_sources(CONFIG / "datasets.yaml"))
    assert plan.trainings


def test_the_default_study_has_at_most_70_training_jobs_and_5_seeds():
    from bam.data.sources import read_sources
    from bam.plan import make_plan
    from bam.study import read_study

    plan = make_plan(read_study(str(CONFIG / "digits.yaml")), read_sources(CONFIG / "datasets.yaml"))
    assert len(plan.stage1) + len(plan.trainings) <= 70
    assert len(plan.study.file.seeds) == 5
