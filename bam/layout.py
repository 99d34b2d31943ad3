"""Where every file of a study lies; the one place that knows folder names."""

from dataclasses import dataclass
from pathlib import Path

SPLIT_FILES = (
    "manifest.json",
    "train/inputs.npy",
    "train/labels.npy",
    "val/inputs.npy",
    "val/labels.npy",
    "test/inputs.npy",
)
# What analysis reads of prepared data: small, and published with the predictions.
LABEL_FILES = tuple(name for name in SPLIT_FILES if not name.endswith("inputs.npy"))
INPUT_FILES = tuple(name for name in SPLIT_FILES if name.endswith("inputs.npy"))
# Of pairs of texts alone: which of the two each token is of.
SEGMENT_FILES = tuple(name.replace("inputs.npy", "segments.npy") for name in INPUT_FILES)
GROUP_FILES = ("groups.json", "train.csv", "val.csv", "test.csv", "samples.npz")


@dataclass(frozen=True)
class Layout:
    """Paths below a data folder and a study's results folder."""

    data: Path
    results: Path

    def raw(self, name: str) -> Path:
        """Return the folder of a raw set."""
        return self.data / "raw" / name

    def prepared(self, data_id: str) -> Path:
        """Return the folder of prepared arrays."""
        return self.data / "prepared" / data_id

    def pretrained(self, pretrained_id: str) -> Path:
        """Return the folder of pretrained weights."""
        return self.data / "pretrained" / pretrained_id

    def groups(self, groups_id: str) -> Path:
        """Return the folder of group files."""
        return self.data / "groups" / groups_id

    def predictions(self, run: str) -> Path:
        """Return the folder of a run's predictions, record and timing."""
        return self.results / "predictions" / run

    def predicted(self, run: str) -> list[Path]:
        """Return the files of a training's predictions, which it writes in one go."""
        names = ("train.npz", "val.npz", "auxiliary.npz") if run.startswith("stage1/") else ("val.npz", "test.npz")
        return [self.predictions(run) / name for name in names]

    def is_predicted(self, run: str) -> bool:
        """Return whether a training's predictions and record are there; its timing and weights are no run's concern."""
        return all(path.exists() for path in (*self.predicted(run), self.predictions(run) / "record.json"))

    def weights(self, run: str) -> Path:
        """Return the folder of a run's weights and state."""
        return self.results / "weights" / run

    def selection(self, arm: str, dataset: str, method: str, rule: str) -> Path:
        """Return the file of what one rule chose."""
        return self.results / "selection" / arm / f"{dataset}.{method}.{rule}.json"

    def evaluation(self, arm: str, dataset: str, method: str, rule: str) -> Path:
        """Return the file of test accuracies of what one rule chose."""
        return self.results / "evaluation" / arm / f"{dataset}.{method}.{rule}.csv"

    def table(self, name: str, suffix: str) -> Path:
        """Return a table as csv, md or tex."""
        return self.results / "tables" / f"{name}.{suffix}"

    def figure(self, name: str, suffix: str) -> Path:
        """Return a figure as pdf, png or svg, or its caption as txt."""
        return self.results / "figures" / f"{name}.{suffix}"

    @property
    def model(self) -> Path:
        """Return the folder of the model that is published with the study."""
        return self.results / "model"

    @property
    def report(self) -> Path:
        """Return the HTML report."""
        return self.results / "report.html"
