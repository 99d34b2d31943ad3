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

    seconds: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count the time inside the block."""
        start = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - start


@dataclass
class Meter:
    """What a training spends: seconds since its start, on training and on evaluation."""

    training: Clock = field(default_factory=Clock)
    evaluation: Clock = field(default_factory=Clock)
    started: float = field(default_factory=time.perf_counter)

    def epochs(
        self, finished: Iterator[tuple[int, float]], total: int, description: str
    ) -> Iterator[tuple[int, float]]:
        """Yield the (epoch, loss) pairs of `bam.training.loop.epochs`, timed and with progress."""
        for _ in track(range(total), total, description):
            with self.training.running():
                item = next(finished)
            yield item


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
            "versions": {
                "python": platform.python_version(),
                **{package: version(package) for package in PACKAGES},
            },
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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    write_json(
        path,
        {
            "wall_s": time.perf_counter() - meter.started,
            "training_s": training,
            "evaluation_s": meter.evaluation.seconds,
            "peak_memory_bytes": peak,
            "examples_per_s": n_visited / training if training > 0 else None,
        },
    )
