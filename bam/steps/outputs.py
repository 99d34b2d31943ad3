"""The record and the timing that every training leaves beside its predictions."""

import platform
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bam.files import sha256_file, write_json
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


def write_record(path: Path, spec: RunSpec, device: str, outputs: Mapping[str, Path]) -> None:
    """Write `record.json`: spec, id, versions, device, and the SHA-256 of each output."""
    write_json(
        path,
        {
            "id": spec.id,
            "spec": spec.model_dump(mode="json"),
            "device": device,
            "threads": spec.threads,
            "precision": spec.precision,
            "versions": {
                "python": platform.python_version(),
                **{package: version(package) for package in PACKAGES},
            },
            "outputs": {name: sha256_file(file) for name, file in outputs.items()},
        },
    )


def write_timing(path: Path, *, wall: float, training: float, evaluation: float, n_visited: int) -> None:
    """Write `timing.json`, read by the cost table and nothing else.

    Parameters
    ----------
    wall, training, evaluation
        Seconds; wall starts when the step does, after the interpreter's own start.
    n_visited
        Training examples visited, repeats counted.
    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    write_json(
        path,
        {
            "wall_s": wall,
            "training_s": training,
            "evaluation_s": evaluation,
            "peak_memory_bytes": peak,
            "examples_per_s": n_visited / training if training > 0 else None,
        },
    )
