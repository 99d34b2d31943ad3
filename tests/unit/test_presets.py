"""The presets of the four benchmarks and of Controlled-Waterbirds: what each trains, and the literature's numbers.

Values are copied by hand from the sources that the configs' comments name, not from the configs.
"""

import re
from pathlib import Path

import pytest

from bam import catalogue
from bam.costing import describe
from bam.data.examples import Sizes
from bam.data.sources import read_sources
from bam.layout import Layout
from bam.plan import make_plan
from bam.published import PUBLISHED, Published, read_published
from bam.recipe import AdamW, Auxiliary, CrossEntropy, GroupBalanced, Sgd, Training, Upweighted
from bam.study import Study, read_study

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
TWO_STAGES = ("jtt", "bam_no_aux", "bam")
SETTINGS = {"waterbirds": 9, "celeba": 6, "multinli": 6, "civilcomments": 6}
IMAGES, TEXTS = ("waterbirds", "celeba"), ("multinli", "civilcomments")
CONTROLLED = ("controlled_waterbirds", "controlled_waterbirds_groups", "controlled_waterbirds_classes")
PRESETS = (*SETTINGS, *CONTROLLED, "variants/civilcomments_wilds")


def preset(name: str) -> Study:
    return read_study(str(CONFIG / f"{name}.yaml"))


def stage(study: Study, method: str, number: int) -> list[Training]:
    """Return stage 1 or stage 2 of each setting of a method."""
    recipes = [setting.recipe for setting in study.settings[method]]
    return [recipe.final if number == 2 or recipe.stage1 is None else recipe.stage1 for recipe in recipes]


def only(values: list[object]) -> object:
    """Return what all settings share."""
    assert all(value == values[0] for value in values), values
    return values[0]


# What a preset trains


@pytest.mark.parametrize("name", SETTINGS)
def test_five_methods_have_the_same_number_of_settings_and_every_rule_applies(name: str):
    study = preset(name)
    assert {method: len(settings) for method, settings in study.settings.items()} == dict.fromkeys(
        ("erm", "jtt", "bam_no_aux", "bam", "group_dro"), SETTINGS[name]
    )
    assert study.file.seeds == [0, 1, 2]
    assert {"class_difference", "worst_class", "average", "last", "worst_group"} <= set(study.file.selection)
    assert study.file.precision == "float32"


# Batch size, then learning rate and weight decay of stage 1 and of stage 2, in the authors' run_metaScript.py.
AUTHORS = {
    "waterbirds": (64, (1e-5, 0.0), (1e-5, 1.0)),
    "celeba": (128, (1e-5, 0.0), (1e-5, 0.1)),
    "multinli": (32, (2e-5, 0.0), (1e-5, 0.1)),
    "civilcomments": (16, (2e-5, 0.0), (1e-5, 0.01)),
}


@pytest.mark.parametrize("method", ["bam", "bam_no_aux"])
@pytest.mark.parametrize("name", AUTHORS)
def test_bam_has_the_batches_rates_and_decays_of_the_authors_code(name: str, method: str):
    batch_size, first, second = AUTHORS[name]
    stages = [stage(preset(name), method, number) for number in (1, 2)]
    for trainings, (rate, decay) in zip(stages, (first, second), strict=True):
        assert only([training.batch_size for training in trainings]) == batch_size
        assert only([training.optimizer.learning_rate for training in trainings]) == rate
        assert only([training.optimizer.weight_decay for training in trainings]) == decay
    assert only([training.optimizer for training in stages[0]]) == Sgd(
        name="sgd", learning_rate=first[0], momentum=0.9, weight_decay=0.0
    ), "stage 1 is SGD with momentum for BERT too"
    coefficient = 50 if method == "bam" else 0
    assert only([training.objective for training in stages[0]]) == Auxiliary(coefficient=coefficient, loss="squared")
    assert only([training.objective for training in stages[1]]) == CrossEntropy()
    assert only([training.start for training in stages[1]]) == "stage1", "One-M"


def test_the_readme_s_example_is_a_setting_of_the_waterbirds_preset_with_a_t_that_counts_from_one():
    study = preset("waterbirds")
    wanted = {"stage1.epochs": 20 + 1, "stage2.upweight_factor": 140}
    (found,) = [setting.recipe for setting in study.settings["bam"] if setting.varied == wanted]
    assert found.stage1.epochs == 21
    assert found.final.epochs == 150
    assert found.final.sampling == Upweighted(factor=140)


# Learning rate and decay, T and µ of JTT's own commands; its T counts from 0.
JTT = {
    "waterbirds": (64, (1e-5, 1.0), 60, 100, 300),
    "celeba": (64, (1e-5, 0.1), 1, 50, 50),
    "multinli": (32, (2e-5, 0.0), 2, 4, 5),
    "civilcomments": (24, (2e-5, 0.0), 2, 6, 3),
}


@pytest.mark.parametrize("name", JTT)
def test_jtt_s_own_command_is_one_of_its_settings(name: str):
    batch_size, (rate, decay), last, factor, epochs = JTT[name]
    study = preset(name)
    first = stage(study, "jtt", 1)
    assert only([training.optimizer for training in first]) == Sgd(
        name="sgd", learning_rate=rate, momentum=0.9, weight_decay=decay
    )
    assert only([training.batch_size for training in first]) == batch_size
    recipes = [setting.recipe for setting in study.settings["jtt"]]
    assert (last + 1, factor) in {(recipe.stage1.epochs, recipe.final.sampling.factor) for recipe in recipes}
    assert only([recipe.final.epochs for recipe in recipes]) == epochs
    assert only([recipe.final.start for recipe in recipes]) == "fresh"


@pytest.mark.parametrize("name", SETTINGS)
def test_group_dro_draws_groups_equally_often_and_its_grid_has_no_adjustment_and_more(name: str):
    trainings = stage(preset(name), "group_dro", 2)
    assert only([training.sampling for training in trainings]) == GroupBalanced()
    assert only([training.objective.step_size for training in trainings]) == 0.01
    assert {training.objective.adjustment for training in trainings} == {0, 1, 2}


@pytest.mark.parametrize("name", TEXTS)
def test_on_text_all_but_stage_1_is_adamw_with_linear_decay_clipping_and_no_decay_of_biases(name: str):
    study = preset(name)
    for method in study.settings:
        for training in stage(study, method, 2):
            assert isinstance(training.optimizer, AdamW)
            found = training.optimizer.model_dump()
            assert (found["schedule"], found["clip_norm"], found["decay"]) == ("linear", 1.0, "weights"), method


@pytest.mark.parametrize("name", IMAGES)
def test_on_images_everything_is_sgd_with_momentum(name: str):
    study = preset(name)
    for method in study.settings:
        optimizers = [training.optimizer for number in (1, 2) for training in stage(study, method, number)]
        assert all(isinstance(optimizer, Sgd) and optimizer.momentum == 0.9 for optimizer in optimizers)


# Train, validation and test as published.
SPLITS = {
    "waterbirds": (4795, 1199, 5794),
    "celeba": (162770, 19867, 19962),
    "multinli": (206175, 82462, 123712),
    "civilcomments": (269038, 45180, 133782),
    "variants/civilcomments_wilds": (269038, 45180, 133782),
}


def sizes_of(study: Study, dataset: str) -> Sizes:
    settings = study.dataset_settings(dataset, 0)
    module = catalogue.load("kind", settings["kind"], "kind")
    return module.sizes(module.Settings.model_validate(settings))


@pytest.mark.parametrize("name", SPLITS)
def test_the_data_have_the_published_sizes(name: str):
    study = preset(name)
    (dataset,) = study.file.datasets
    assert tuple(sizes_of(study, dataset).n_examples.values()) == SPLITS[name]


def test_civilcomments_on_sixteen_groups_trains_and_selects_nothing_that_needs_a_partition():
    study = preset("variants/civilcomments_wilds")
    assert study.file.datasets["civilcomments"]["groups"] == "wilds"
    assert "group_dro" not in study.settings
    assert "average_adjusted" not in study.file.selection
    same = preset("civilcomments").settings
    assert all(study.settings[method] == same[method] for method in study.settings)


def test_civilcomments_on_sixteen_groups_trains_nothing_that_the_study_on_four_has_not_trained():
    sources = read_sources(CONFIG / "datasets.yaml")
    four, sixteen = (make_plan(preset(name), sources) for name in ("civilcomments", "variants/civilcomments_wilds"))
    assert set(sixteen.trainings) < set(four.trainings)
    assert set(sixteen.stage1) < set(four.stage1)


# What `bam plan` says


@pytest.mark.parametrize("name", PRESETS)
def test_the_head_of_a_preset_quotes_its_plan(name: str, tmp_path: Path):
    path = CONFIG / f"{name}.yaml"
    plan = make_plan(preset(name), read_sources(CONFIG / "datasets.yaml"))
    rows = [line.split() for line in describe(plan, Layout(tmp_path, tmp_path), rate=1000).splitlines()[1:]]
    by_step = [[float(cell) for cell in row[1:]] for row in rows if row[0] in ("stage1", "stage2", "train")]
    hours, disk = (sum(row[column] for row in by_step) for column in (2, 5))
    expected = (
        f"# bam plan --rate 1000: {len(plan.stage1)} stage-1 and {len(plan.trainings)} final trainings, "
        f"{hours:.0f} hours, {disk / 1000:.1f} GB"
    )
    assert expected in " ".join(path.read_text(encoding="utf-8").splitlines()).replace("\n# ", " ")
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}.yaml` |")]
    assert f"| {hours:.0f} hours, {disk / 1000:.0f} GB |" in row or "the trainings of the one above" in row


# The literature's numbers

ROWS = read_published(ROOT / PUBLISHED)


def rows_of(**wanted: str) -> list[Published]:
    return [row for row in ROWS if all(getattr(row, name) == value for name, value in wanted.items())]


def test_every_study_that_published_numbers_name_has_a_config():
    studies = {path.stem for path in CONFIG.rglob("*.yaml")}
    assert {row.study for row in ROWS if row.study} <= studies


# Worst-group accuracy in percent, ±, by method: Waterbirds, CelebA, MultiNLI, CivilComments.
LITERATURE = {
    ("erm", "worst_group"): (72.6, 47.2, 67.9, 57.4),
    ("jtt", "worst_group"): (86.7, 81.1, 72.6, 69.3),
    ("group_dro", "worst_group"): (91.4, 88.9, 77.7, 69.9),
    ("bam", "worst_group"): (89.2, 83.5, 71.2, 79.3),
    ("bam", "class_difference"): (89.1, 80.1, 70.8, 79.3),
    ("ssa", "worst_group"): (89.0, 89.8, 76.6, 69.9),
    ("cnc", "worst_group"): (88.5, 88.8, None, 68.9),
    ("eiil", "worst_group"): (78.7, 77.8, 70.9, 67.0),
    ("cim", "worst_group"): (77.2, 83.6, None, None),
    ("lff", "worst_group"): (78.0, 77.2, 70.2, 58.8),
    ("afr", ""): (90.4, 82.0, 73.4, 68.7),
    ("xrm_group_dro", ""): (88.1, 89.1, 72.1, 72.2),
    ("dpe", ""): (94.1, 84.6, 70.9, 68.9),
    ("self", ""): (None, 83.9, 70.7, 79.1),
}


@pytest.mark.parametrize(("method", "selection"), LITERATURE)
def test_the_literature_s_worst_group_accuracies_are_there(method: str, selection: str):
    for dataset, percent in zip(SETTINGS, LITERATURE[method, selection], strict=True):
        found = rows_of(method=method, selection=selection, dataset=dataset, metric="worst_group_accuracy")
        if percent is None:
            assert found == []
        else:
            assert round(percent / 100, 4) in {row.published for row in found}, dataset


def test_bam_s_numbers_are_recalled_and_their_mean_is_what_another_paper_prints():
    found = rows_of(method="bam", selection="class_difference", metric="worst_group_accuracy", analysis="")
    assert {row.confidence for row in found} == {"recalled"}
    assert {row.study for row in found} == set(SETTINGS)
    (printed,) = rows_of(dataset="four_data_sets", method="bam")
    assert printed.confidence == "second_hand"
    assert sum(row.published for row in found) / 4 == pytest.approx(printed.published, abs=5e-4)


def test_conflicting_sources_stand_side_by_side():
    found = rows_of(dataset="celeba", method="eiil", metric="worst_group_accuracy")
    assert sorted(row.published for row in found) == [0.778, 0.833]
    assert {row.confidence for row in found} == {"conflict"}
    found = rows_of(dataset="civilcomments", method="group_dro", metric="worst_group_accuracy")
    assert sorted(row.published for row in found) == [0.699, 0.7]


def test_numbers_on_four_groups_are_never_set_beside_numbers_on_sixteen():
    for row in rows_of(dataset="civilcomments"):
        assert ("16 overlapping" in row.note) == (row.study == "civilcomments_wilds"), row
    assert {row.method for row in rows_of(study="civilcomments") if row.is_comparable} == {"bam"}
    assert {row.method for row in rows_of(study="civilcomments_wilds") if row.is_comparable} == {"erm", "jtt"}


# The follow-up report's Controlled-Waterbirds: table 2 by T (rows) and µ (columns), in percent.
TABLE_2 = {
    "10": (74.4, 84.6, 86.1, 84.6, 84.6, 84.6),
    "20": (72.2, 84.6, 87.2, 86.1, 87.2, 84.6),
    "50": (63.9, 86.1, 86.1, 88.9, 86.1, 86.1),
}
FACTORS = ("10", "50", "70", "100", "120", "150")


def at(study: str, analysis: str, selection: str = "worst_group", dataset: str = "controlled_waterbirds"):
    found = rows_of(study=study, analysis=analysis, selection=selection, dataset=dataset)
    assert all(row.is_comparable and row.confidence == "confirmed" for row in found)
    return {(row.value, row.second_value): row.published for row in found}


def test_table_2_stands_at_the_points_of_a_sweep():
    percent = {(mu, T): value for T, values in TABLE_2.items() for mu, value in zip(FACTORS, values, strict=True)}
    found = at("controlled_waterbirds", "T_mu")
    assert found == {point: pytest.approx(value / 100) for point, value in percent.items()}


def test_figures_2_5_and_6_stand_at_the_points_of_sweeps():
    by_lambda = at("controlled_waterbirds", "lambda"), at("controlled_waterbirds", "lambda", "class_difference")
    assert [len(found) for found in by_lambda] == [15, 15]
    assert [found["50", ""] for found in by_lambda] == [0.872, 0.872]
    assert [found["140", ""] for found in by_lambda] == [0.795, 0.565]
    groups = {size: at("controlled_waterbirds_groups", "mu", dataset=f"minority_{size}") for size in (100, 200, 800)}
    assert groups[200] == {
        (mu, ""): value for mu, value in zip(FACTORS, (0.65, 0.851, 0.835, 0.833, 0.842, 0.88), strict=True)
    }
    assert (groups[100]["100", ""], groups[800]["100", ""]) == (0.737, 0.861)
    classes = [at("controlled_waterbirds_classes", "mu", dataset=f"ratio_{ratio}") for ratio in (1, 2, 3)]
    assert [found["100", ""] for found in classes] == [0.75, 0.768, 0.824]


@pytest.mark.parametrize("name", CONTROLLED)
def test_every_published_point_of_controlled_waterbirds_is_a_point_of_the_study(name: str):
    plan = make_plan(preset(name), read_sources(CONFIG / "datasets.yaml"))
    points = {(arm.analysis, str(arm.value), str(arm.second_value)) for arm in plan.arms}
    published = [row for row in ROWS if row.study == name]
    assert {row.key[:3] for row in published} == points - {("", "", "")}
    assert {row.dataset for row in published} == set(plan.study.file.datasets)


def test_controlled_waterbirds_asks_for_no_more_than_waterbirds_has():
    pool = {"WW": 1832, "WL": 831, "LW": 2905, "LL": 6220}
    for name in CONTROLLED:
        content = (CONFIG / f"{name}.yaml").read_text(encoding="utf-8")
        for sizes in re.findall(r"sizes: \{(.*?)\}", content):
            asked = {key: int(n) for key, n in (pair.split(": ") for pair in sizes.split(", "))}
            assert set(asked) == set(pool)
            assert all(asked[key] <= pool[key] for key in pool)
