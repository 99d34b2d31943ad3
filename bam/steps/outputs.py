"""The record and the timing that every training leaves beside its predictions."""

import platform
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from bam.files import sha256_file, write_json
from bam.progress import track
from bam.recipe import RunSpec

PACKAGES = ("torch", "numpy", "safetensors")


@dataclass
class Clock:
    """Adds up the seconds of one kind of work."""

    finished: float = 0.0
    since: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds so far, those of a block that is still running included."""
        return self.finished + (0.0 if self.since is None else time.perf_counter() - self.since)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time inside the block."""
        self.since = time.perf_counter()
        try:
            yield
        finally:
            self.finished, self.since = self.seconds, None


@dataclass
class Meter:
    """What a training spends: seconds since its start, on training and on evaluation, and memory."""

    training: Clock = field(default_factory=Clock)
    evaluation: Clock = field(default_factory=Clock)
    wall: Clock = field(default_factory=lambda: Clock(since=time.perf_counter()))
    earlier_peak_bytes: int = 0

    def so_far(self) -> dict[str, float]:
        """Return what an interrupted training has spent, for `add` when it goes on."""
        return {
            "wall_s": self.wall.seconds,
            "training_s": self.training.seconds,
            "evaluation_s": self.evaluation.seconds,
            "peak_memory_bytes": self.peak_memory_bytes,
        }

    def add(self, earlier: Mapping[str, float]) -> None:
        """Add what was spent before an interruption, up to the state that was saved."""
        self.wall.finished += earlier["wall_s"]
        self.training.finished += earlier["training_s"]
        self.evaluation.finished += earlier["evaluation_s"]
        self.earlier_peak_bytes = int(earlier["peak_memory_bytes"])

    @property
    def peak_memory_bytes(self) -> int:
        """The largest resident memory so far."""
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return max(own, self.earlier_peak_bytes)

    def epochs(
        self, finished: Iterator[tuple[int, float]], total: int, description: str
    ) -> Iterator[tuple[int, float]]:
        """Yield the (epoch, loss) pairs of `bam.training.loop.epochs`, timed and with progress."""
        for _ in track(range(total), total, description):
            with self.training.running():
                item = next(finished)
            yield item


def versions() -> dict[str, str]:
    """Return the versions that a result may depend on."""
    return {"python": platform.python_version(), **{package: version(package) for package in PACKAGES}}


def write_record(path: Path, spec: RunSpec, device: str, outputs: Mapping[str, Path], evaluation_batch: int) -> None:
    """Write `record.json`: spec, id, versions, device, rows predicted at once, and the SHA-256 of each output."""
    write_json(
        path,
        {
            "id": spec.id,
            "spec": spec.model_dump(mode="json"),
            "device": device,
            "threads": spec.threads,
            "precision": spec.precision,
            "evaluation_batch": evaluation_batch,
            "versions": versions(),
            "outputs": {name: sha256_file(file) for name, file in outputs.items()},
        },
    )


def write_timing(path: Path, meter: Meter, n_visited: int) -> None:
    """Write `timing.json`, read by the cost table and nothing else.

    Parameters
    ----------
    meter
        Its wall time starts when the step does, after the interpreter's own start.
    n_visited
        Training examples visited, repeats counted.
    """
    training = meter.training.seconds
    write_json(
        path,
        {
            **meter.so_far(),
            "examples_per_s": n_visited / training if training > 0 else None,
        },
    )
