"""The files of one training, by name; the folders come from `bam.layout`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

RESUME = "resume.safetensors"  # state of an unfinished training, beside its weights; no output of the workflow


@dataclass(frozen=True)
class Stage1Files:
    """The files of one stage-1 run, read (by the run that continues it) and written."""

    train: Path
    val: Path
    auxiliary: Path
    model: Path
    state: Path
    record: Path
    timing: Path

    @classmethod
    def below(cls, predictions: Path, weights: Path) -> "Stage1Files":
        """Return the files of a run from its two folders."""
        return cls(
            train=predictions / "train.npz",
            val=predictions / "val.npz",
            auxiliary=predictions / "auxiliary.npz",
            model=weights / "model.safetensors",
            state=weights / "state.safetensors",
            record=predictions / "record.json",
            timing=predictions / "timing.json",
        )

    @property
    def resume(self) -> Path:
        """Return where an unfinished run keeps its state."""
        return self.model.with_name(RESUME)

    def all(self) -> list[Path]:
        """Return every file of a finished run."""
        return [getattr(self, field.name) for field in fields(self)]

    def continued(self) -> list[Path]:
        """Return what a run at a larger T goes on from."""
        return [self.train, self.val, self.auxiliary, self.model, self.state, self.record]


@dataclass(frozen=True)
class TrainFiles:
    """What a training writes; `weights` maps a label-only rule to its weights, `resume` is there until it ends."""

    val: Path
    test: Path
    record: Path
    timing: Path
    resume: Path
    weights: Mapping[str, Path]

    @classmethod
    def below(cls, predictions: Path, weights: Path, keep_weights: Sequence[str]) -> "TrainFiles":
        """Return the files of a run from its two folders and the rules whose weights it keeps."""
        return cls(
            val=predictions / "val.npz",
            test=predictions / "test.npz",
            record=predictions / "record.json",
            timing=predictions / "timing.json",
            resume=weights / RESUME,
            weights={rule: weights / f"{rule}.safetensors" for rule in keep_weights},
        )

    def all(self) -> list[Path]:
        """Return every file of a finished run."""
        return [self.val, self.test, self.record, self.timing, *self.weights.values()]

    def outputs(self) -> dict[str, Path]:
        """Return the files of results by the names that the record gives them."""
        return {"val": self.val, "test": self.test, **{f"weights/{rule}": p for rule, p in self.weights.items()}}
