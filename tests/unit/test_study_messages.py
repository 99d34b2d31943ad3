"""Every mistake in a study config gives one line: file, key, what was seen, what to do."""

from pathlib import Path

import pytest

from bam.errors import ConfigError
from bam.study import check_study, read_study
from tests import toy

LR = "methods__erm__optimizer__learning_rate"
MU = "bam.stage2.upweight_factor"


def sweep(**changes) -> dict:
    return {"sweep": {"axis": MU, "values": [1, 2], **changes}}


BAD = [
    ({"seed": 1}, "seed: unknown key (did you mean 'seeds'?)"),
    (
        {"methods__erm__colour": 1},
        "methods.erm.colour: unknown key; known keys: epochs, batch_size, optimizer",
    ),
    (
        {"methods__erm__optimizer__lerning_rate": 0.1},
        "methods.erm.optimizer.lerning_rate: unknown key (did you mean 'learning_rate'?)",
    ),
    ({LR: "1e-3"}, "methods.erm.optimizer.learning_rate: '1e-3' is text in YAML, not a number; write 1.0e-3"),
    ({LR: ["1e-3"]}, "methods.erm.optimizer.learning_rate: '1e-3' is text in YAML, not a number; write 1.0e-3"),
    ({LR: "2.5e3"}, "methods.erm.optimizer.learning_rate: '2.5e3' is text in YAML, not a number; write 2.5e+3"),
    ({LR: 0}, "methods.erm.optimizer.learning_rate: 0 is not allowed: should be greater than 0"),
    ({LR: "fast"}, "methods.erm.optimizer.learning_rate: 'fast' is not allowed: should be a valid number"),
    ({LR: []}, "methods.erm.optimizer.learning_rate: the list is empty, so there is nothing to run"),
    (
        {"methods__erm__optimizer__name": "sdg"},
        "methods.erm.optimizer: there is no 'sdg' (did you mean 'sgd'?); there is sgd, adamw",
    ),
    ({"methods__erm": {}}, "methods.erm.epochs: is missing, and has no default"),
    ({"methods__erm__epochs": 3.0}, "methods.erm.epochs: 3.0 is not allowed: should be a valid integer"),
    ({"methods__erm__batch_size": True}, "methods.erm.batch_size: True is not allowed: should be a valid integer"),
    (
        {"methods__bam__stage2__upweight_factor": 0},
        "methods.bam.stage2.upweight_factor: 0 is not allowed: should be greater than or equal to 1",
    ),
    (
        {"methods__bam__stage2__upweight_factor": [5, 0.5]},
        "methods.bam.stage2.upweight_factor: 0.5 is not allowed: should be a valid integer",
    ),
    (
        {"methods__bam__stage1__loss": "sqared"},
        "methods.bam.stage1.loss: there is no 'sqared' (did you mean 'squared'?); there is squared, cross_entropy",
    ),
    (
        {"methods__bam__stage1__epochs": [1, 0]},
        "methods.bam.stage1.epochs: 0 is not allowed: should be greater than or equal to 1",
    ),
    (
        {"methods__bam__stage1__watch_epochs": [1, 3]},
        "methods.bam.stage1.watch_epochs: 3 is beyond the 2 stage-1 epochs; stage1.epochs (T) must reach it",
    ),
    (
        {"methods__bam__stage1__watch_epochs": [0]},
        "methods.bam.stage1.watch_epochs: 0 is beyond the 2 stage-1 epochs; stage1.epochs (T) must reach it",
    ),
    ({"keep_logits": [4]}, "keep_logits: 4 is beyond the 3 epochs of every run"),
    (
        {"methods__bamm": {}},
        "methods: there is no method 'bamm' (did you mean 'bam'?); there is bam, bam_no_aux, erm, group_dro, jtt",
    ),
    (
        {"model__name": "mpl"},
        "model.name: there is no model 'mpl' (did you mean 'mlp'?); there is "
        "efficientnet_lite, huggingface, lenet, mlp, timm, torchvision",
    ),
    ({"model": {}}, "model.name: is missing, and has no default"),
    ({"model": {"name": "mlp"}}, "model.hidden: is missing, and has no default"),
    ({"datasets__digits": {"aligned": 0.9}}, "datasets.digits.kind: is missing, and has no default"),
    (
        {"datasets__digits__kind": "colored_digit"},
        "datasets.digits.kind: there is no kind 'colored_digit' (did you mean 'colored_digits'?); there is",
    ),
    (
        {"datasets__digits__aligned": 0.5},
        "datasets.digits.aligned: 0.5 is not allowed: should be greater than 0.5",
    ),
    (
        {"selection": ["worst_grup"]},
        "selection: there is no 'worst_grup' (did you mean 'worst_group'?); there is average, class_difference, last, "
        "worst_class, worst_error_group, worst_error_group_own, worst_error_group_least, "
        "worst_error_group_vote, worst_group, average_adjusted",
    ),
    ({"selection": ["last", "last"]}, "selection: 'last' stands twice"),
    (
        {"keep_weights": ["worst_group"]},
        "keep_weights: there is no 'worst_group'; there is average, class_difference, last, worst_class",
    ),
    ({"seeds": [0, 1, 0]}, "seeds: 0 stands twice"),
    ({"seeds": ["a"]}, "seeds[0]: 'a' is not allowed: should be a valid integer"),
    ({"seeds": [0, -1]}, "seeds[1]: -1 is not allowed: should be greater than or equal to 0"),
    ({"seeds": []}, "seeds: [] is not allowed: List should have at least 1 item after validation, not 0"),
    ({"study": "two words"}, "study: 'two words' is not allowed: use letters, digits and _"),
    (
        {"datasets": {"a.b": toy.STUDY["datasets"]["digits"]}},
        "datasets: 'a.b' is not allowed: use letters, digits and _",
    ),
    ({"analyses": {"a/b": sweep()["sweep"]}}, "analyses: 'a/b' is not allowed: use letters, digits and _"),
    (
        {"analyses": sweep(axis="bam.stage2.upweight_facter")},
        "analyses.sweep: bam.stage2.upweight_facter: there is no methods.bam.stage2.upweight_facter "
        "(did you mean 'upweight_factor'?)",
    ),
    (
        {"analyses": sweep(fixed={"bamm.stage1.epochs": 1})},
        "analyses.sweep: bamm.stage1.epochs: there is no methods.bamm (did you mean 'bam'?)",
    ),
    (
        {"analyses": sweep(values=[0])},
        "analyses.sweep: methods.bam.stage2.upweight_factor: 0 is not allowed: should be greater than or equal to 1",
    ),
    ({"analyses": {"sweep": {"axis": MU}}}, "analyses.sweep.values: is missing, and has no default"),
]

IMAGE_MODELS, TEXT_MODELS = "efficientnet_lite, lenet, mlp, timm, torchvision", "huggingface"
BERT = {"name": "huggingface", "config": {"model_type": "bert"}}
COMMENTS = {"kind": "civilcomments", "tokenizer": "bert-base-uncased-tokenizer", "max_length": 16}
BAD += [
    (
        {"model": BERT},
        "model.name: huggingface takes texts, datasets.digits holds images; for images there is " + IMAGE_MODELS,
    ),
    (
        {"datasets__comments": COMMENTS},
        "model.name: mlp takes images, datasets.comments holds texts; for texts there is " + TEXT_MODELS,
    ),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[f"{k}={v}"[:60] for c, _ in BAD for k, v in c.items()])
def test_a_mistake_gives_its_line(changes, message):
    with pytest.raises(ConfigError) as error:
        check_study(toy.study_content(**changes), "toy.yaml")
    seen = str(error.value)
    assert "\n" not in seen
    if message.endswith("there is"):
        assert seen.startswith(f"toy.yaml: {message}")
    else:
        assert seen == f"toy.yaml: {message}"


def test_a_method_for_which_no_rule_can_choose_is_refused():
    with pytest.raises(ConfigError, match="selection: erm has no stage 1, and each of these rules needs one"):
        check_study(toy.study_content(selection=["worst_error_group"]), "toy.yaml")


def test_the_unspoilt_study_is_accepted():
    assert list(check_study(toy.study_content(analyses=sweep()), "toy.yaml").settings) == ["erm", "bam"]


@pytest.mark.parametrize("key", ["selection", "methods", "model"])
def test_a_missing_top_key_is_named(key):
    content = toy.study_content()
    del content[key]
    with pytest.raises(ConfigError) as error:
        check_study(content, "toy.yaml")
    assert str(error.value) == f"toy.yaml: {key}: is missing, and has no default"


def test_a_missing_optimizer_name_is_named():
    content = toy.study_content()
    del content["methods"]["erm"]["optimizer"]["name"]
    with pytest.raises(ConfigError) as error:
        check_study(content, "toy.yaml")
    assert "name" in str(error.value)
    assert str(error.value).startswith("toy.yaml: methods.erm.optimizer")


@pytest.mark.parametrize(
    "changes",
    [
        {LR: float("inf")},
        {LR: float("nan")},
        {"methods__bam__stage1__auxiliary_coefficient": float("inf")},
        {"methods__erm__optimizer__weight_decay": float("inf")},
    ],
)
def test_numbers_that_are_not_finite_are_refused(changes):
    with pytest.raises(ConfigError):
        check_study(toy.study_content(**changes), "toy.yaml")


@pytest.mark.parametrize(
    "changes",
    [{"analyses": sweep(values=[2, 2])}, {"methods__bam__stage2__upweight_factor": [5, 5]}, {"study": "toy\n"}],
    ids=["sweep value twice", "grid value twice", "name with line end"],
)
def test_repeated_values_and_line_ends_in_names_are_refused(changes):
    with pytest.raises(ConfigError):
        check_study(toy.study_content(**changes), "toy.yaml")


def test_a_content_that_is_no_mapping_is_refused():
    with pytest.raises(ConfigError) as error:
        check_study([1], "toy.yaml")
    assert str(error.value) == "toy.yaml: expected keys such as study, seeds, datasets; see config/README.md"


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return str(path)


def test_a_key_written_twice_in_yaml_is_refused(tmp_path):
    source = written(tmp_path, "study: a\nseeds: [0]\nmodel: {name: mlp, name: lenet}\n")
    with pytest.raises(ConfigError) as error:
        read_study(source)
    assert str(error.value).startswith(f"{source}: is not valid YAML (key 'name' stands twice in ")
    assert "line 3" in str(error.value)


@pytest.mark.parametrize("text", ["a: [1, 2", "a: b: c", "\ta: 1"])
def test_text_that_is_no_yaml_is_refused_with_the_file_and_line(tmp_path, text):
    source = written(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        read_study(source)
    assert str(error.value).startswith(f"{source}: is not valid YAML (")
    assert "line 1" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError) as error:
        read_study(str(tmp_path / "no.yaml"))
    assert str(error.value) == f"{tmp_path / 'no.yaml'}: cannot be read (No such file or directory)"


def test_a_study_survives_its_json():
    study = check_study(toy.study_content(), "toy.yaml")
    again = read_study(study.json())
    assert again.settings == study.settings
    assert again.file == study.file


def test_only_keeps_one_data_set_and_one_method():
    study = check_study(toy.study_content(analyses=sweep()), "toy.yaml").only("digits", "bam")
    assert (list(study.settings), study.file.analyses) == (["bam"], {})
