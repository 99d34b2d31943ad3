"""What only pairs of texts have, `segments.npy`: lost, it is noticed and made again."""

from pathlib import Path

import pytest

from bam.data.complete import missing_files
from bam.data.sources import read_sources
from bam.graph import Graph
from bam.layout import Layout
from bam.pipeline import make_data
from bam.plan import Plan, make_plan
from bam.study import parse_study
from bam.verify import verify
from tests import own
from tests.exporting import SOURCES

SEGMENTS = "val/segments.npy"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """Return a study of pairs of texts, in whose folder the process then is."""
    monkeypatch.chdir(tmp_path)
    table = own.write_texts(tmp_path / "mine.csv")
    entry = {"table": str(table), "label": "label", "text": "text", "text_pair": "topic", "max_length": 16}
    tokenizer = own.write_tokenizer(tmp_path / "tokenizer")
    model = {"name": "huggingface", "config": {"model_type": "bert"}}
    return own.study({**entry, "tokenizer": str(tokenizer), "data_seed": 0}, seeds=[0], model=model)


def prepared(content: dict) -> tuple[Plan, Layout, Path]:
    """Make the data; return their folder."""
    plan, layout = make_plan(parse_study(content, "mine.yaml"), read_sources(SOURCES)), Layout(Path("data"), Path("r"))
    (data,) = plan.datasets.values()
    make_data(data, {}, layout)
    return plan, layout, layout.prepared(data.data_id)


def test_lost_segments_are_made_again(study):
    _, _, folder = prepared(study)
    assert missing_files(folder) == []
    before = (folder / SEGMENTS).read_bytes()
    (folder / SEGMENTS).unlink()
    assert missing_files(folder) == [SEGMENTS]
    prepared(study)
    assert (folder / SEGMENTS).read_bytes() == before


def test_a_job_that_trains_asks_for_lost_segments_and_for_no_array_that_another_rule_makes_along(study, tmp_path):
    _, _, folder = prepared(study)

    def manifest() -> list[str]:
        graph = Graph(study, "mine.yaml")
        (run,) = graph.plan.stage1
        return [str(Path(path).relative_to(folder)) for path in graph.trainings.manifest(run)]

    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "datasets.yaml").write_text(SOURCES.read_text())
    assert manifest() == ["manifest.json"]
    (folder / SEGMENTS).unlink()
    assert manifest() == ["manifest.json", SEGMENTS]
    (folder / "train" / "inputs.npy").unlink()
    assert manifest() == ["manifest.json", "train/inputs.npy"]
    (folder / "manifest.json").write_text("{")
    assert manifest() == ["manifest.json", "train/inputs.npy"]
    for path in folder.rglob("*.*"):
        path.unlink()
    assert manifest() == ["manifest.json"], "whose rule makes all arrays"


def test_verify_takes_nobodys_lost_segments_for_checked(study):
    plan, layout, folder = prepared(study)
    (folder / SEGMENTS).unlink()
    record = layout.predictions(next(iter(plan.stage1))) / "record.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    assert f"{folder}: its inputs are not here, and not checked" in verify(plan, layout)[0]
