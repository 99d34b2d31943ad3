"""A text benchmark at full size: generated archives, fetched, prepared and annotated; rows a second and peak memory.

    python benchmarks/prepare_text.py multinli [--scale 1.0] [--out FOLDER]

Each step is a process of its own, as the rules run it. What they write, some gigabytes, goes to a new folder that is
removed at the end.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bam.data.prepared import read_manifest
from bam.groups import read_scheme

TOKENIZER = "bert-base-uncased-tokenizer"
MAX_LENGTH = {"multinli": 128, "civilcomments": 300}


def step(arguments: list[str], environment: dict[str, str]) -> tuple[float, float, float]:
    """Run one verb of bam; return its seconds, those on a processor, and its peak of resident memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "bam", *arguments], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"bam {arguments[0]} failed")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(name: str, scale: float, folder: Path) -> None:
    """Take all steps and print what each took."""
    settings = {"kind": name, "tokenizer": TOKENIZER, "max_length": MAX_LENGTH[name], "counts": "generated"}
    raws = [folder / "raw" / raw for raw in (name, TOKENIZER)]
    made = ["--settings", json.dumps(settings), *(word for raw in raws for word in ("--raw", str(raw))), "--out"]
    steps = {
        "fixture": ["fixture", name, "--scale", str(scale), "--out", str(folder / "mirror")],
        "fetch": ["fetch", name, "--out", str(raws[0])],
        "fetch tokeniser": ["fetch", TOKENIZER, "--out", str(raws[1])],
        "prepare": ["prepare", *made, str(folder / "prepared")],
        "annotate": ["annotate", *made, str(folder / "groups")],
    }
    environment = {**os.environ, "BAM_MIRROR": str(folder / "mirror")}
    (folder / "mirror").mkdir(parents=True)
    taken = {title: step(arguments, environment) for title, arguments in steps.items()}
    n_rows = sum(read_manifest(folder / "prepared").sizes.values())
    counts = read_scheme(folder / "groups").counts
    print(f"{name}, scale {scale:g}: {n_rows:,} rows of {MAX_LENGTH[name]} tokens, {os.cpu_count()} cores")
    for title, (seconds, busy_s, peak_mb) in taken.items():
        rates = f"{n_rows / seconds:9,.0f} rows/s, {n_rows / busy_s:9,.0f} a second of one core"
        print(f"  {title:15} {seconds:7.1f} s, {rates}, peak {peak_mb:6,.0f} MB")
    print(f"  groups: {json.dumps(counts)}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(MAX_LENGTH))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--out", type=Path, help="folder to work in; default a temporary one")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=options.out))
    try:
        measure(options.name, options.scale, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
