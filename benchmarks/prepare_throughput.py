"""An image benchmark at full size: generated archives fetched and prepared, one epoch's data path, peak memory.

    python benchmarks/prepare_throughput.py waterbirds [--side 224] [--scale 1.0] [--out FOLDER]
    python benchmarks/prepare_throughput.py celeba --side 64 --image 64

Each step is a process of its own, as the rules run it. Beside preparation stands what one core decodes
and resizes when it does nothing else, and beside the epoch a plain copy of the same bytes. What the
steps write, some gigabytes, goes to a new folder that is removed at the end.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bam.data.prepared import open_inputs, read_manifest
from bam.data.read import read
from bam.data.rows import as_rows

RAW_SETS = {"waterbirds": "waterbirds", "celeba": "celeba-kaggle"}
BATCH = {"waterbirds": 64, "celeba": 128}  # as the paper's
N_DECODED = 500


def step(arguments: Sequence[str], environment: dict[str, str]) -> tuple[float, float]:
    """Run one verb of bam; return its seconds and its peak of resident memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "bam", *arguments], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"bam {arguments[0]} failed")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def decode_rate(settings: dict[str, object], raw: Path) -> float:
    """Return how many images a second one core decodes and brings to size, on its own time."""
    rows = as_rows(read(settings, [raw]).splits["train"].inputs)
    n = min(N_DECODED, len(rows))
    start = time.process_time()
    rows.read(0, n)
    return n / (time.process_time() - start)


def epoch_rate(folder: Path, batch_size: int) -> tuple[float, float, float]:
    """Return examples/s and GB/s of one epoch's data path, and GB/s of a plain copy of the same bytes.

    The path is training's own: rows in random order gathered as uint8 and normalised to float32. The
    second of two epochs is timed, with what fits of the file in the page cache, as in training.
    """
    import torch  # not above: a child's peak would count the pages of its parent at the fork

    from bam.training.inputs import image_inputs

    torch.set_num_threads(1)
    manifest = read_manifest(folder)
    array = open_inputs(folder, manifest, "train")
    inputs = image_inputs(array, manifest, torch.device("cpu"))
    seconds = 0.0
    for epoch in range(2):
        order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(epoch))
        start = time.perf_counter()
        for index_B in torch.split(order, batch_size):
            inputs.batch(index_B)
        seconds = time.perf_counter() - start
    block = np.empty_like(array[:batch_size])
    start = time.perf_counter()
    for k in range(0, len(array) - batch_size, batch_size):
        np.copyto(block, array[k : k + batch_size])
    copied = time.perf_counter() - start
    return len(array) / seconds, array.nbytes / seconds / 1e9, array.nbytes / copied / 1e9


def measure(options: argparse.Namespace, folder: Path) -> None:
    """Take all steps and print what each took."""
    name, raw = options.name, folder / "raw"
    settings: dict[str, object] = {"kind": name, "side": options.side, "counts": "generated"}
    settings |= {"raw": RAW_SETS[name]} if name == "celeba" else {}
    made = ["--settings", json.dumps(settings), "--raw", str(raw), "--out"]
    drawn = (
        [f"side={options.image or 256}"] if name == "waterbirds" else ["layout=kaggle", f"width={options.image or 178}"]
    )
    given = [word for option in drawn for word in ("--set", option)]
    steps = {
        "fixture": ["fixture", name, "--scale", str(options.scale), "--out", str(folder / "mirror"), *given],
        "fetch": ["fetch", RAW_SETS[name], "--out", str(raw)],
        "prepare": ["prepare", *made, str(folder / "prepared")],
        "annotate": ["annotate", *made, str(folder / "groups")],
    }
    (folder / "mirror").mkdir(parents=True)
    environment = {**os.environ, "BAM_MIRROR": str(folder / "mirror")}
    taken = {}
    for title, arguments in steps.items():
        taken[title] = step(arguments, environment)
        if title == "fetch":
            shutil.rmtree(folder / "mirror")
            (folder / "mirror").mkdir()
    n_images = sum(read_manifest(folder / "prepared").sizes.values())
    n_cores = len(os.sched_getaffinity(0))
    print(f"{name}, scale {options.scale:g}: {n_images:,} images to {options.side} x {options.side}, {n_cores} cores")
    for title, (seconds, peak_mb) in taken.items():
        print(f"  {title:9} {seconds:7.1f} s  {n_images / seconds:8,.0f} images/s  peak {peak_mb:6,.0f} MB")
    alone = decode_rate(settings, raw)
    share = n_images / taken["prepare"][0] / (alone * n_cores)
    print(f"  one core decodes {alone:,.0f} images/s; prepare reaches {share:.2f} of {n_cores} such cores")
    shutil.rmtree(raw)
    rate, path_gb, copy_gb = epoch_rate(folder / "prepared", BATCH[name])
    size_gb = (folder / "prepared" / "train" / "inputs.npy").stat().st_size / 1e9
    print(
        f"  one epoch's data path over {size_gb:.2f} GB: {rate:,.0f} examples/s, {path_gb:.2f} GB/s on one thread; "
        f"a plain copy {copy_gb:.2f} GB/s, ratio {path_gb / copy_gb:.2f}"
    )
    print(f"  load of the machine meanwhile: {os.getloadavg()[1]:.1f} over 5 min")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  peak of this process {peak_mb:,.0f} MB, pages of the mapped file included")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(RAW_SETS))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--side", type=int, default=224, help="of the prepared images")
    parser.add_argument("--image", type=int, help="height of generated birds, width of generated faces, in pixels")
    parser.add_argument("--out", type=Path, help="folder to work in; default a temporary one")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=options.out))
    try:
        measure(options, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
