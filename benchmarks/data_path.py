"""Rows gathered from a prepared, memory-mapped array against JPEG files decoded and resized on the fly."""

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from PIL import Image

from bam.data.transforms import resize_then_crop
from bam.training.inputs import ImageInputs
from benchmarks.pairs import Row, seconds

SIDE, BATCH_SIZE, N_REPEATS = 224, 64, 7
N_FILES, FILE_SIZE, QUALITY = 128, (500, 375), 90  # a usual size of Waterbirds' photographs
N_PREPARED = 1_280


def data_path() -> Iterator[Row]:
    """Yield the rate of gathering, without and with normalisation, over that of decoding, and over that of a copy."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = _write_files(folder)
        array = _prepare(folder, files)
        inputs = ImageInputs(array, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), torch.device("cpu"))
        order = torch.randperm(N_PREPARED, generator=torch.Generator().manual_seed(0))
        parts = torch.split(order, BATCH_SIZE)
        works = (
            partial(_decode, files),
            partial(_each, inputs.gather, parts),
            partial(_each, inputs.batch, parts),
            partial(_copy, array),
        )
        rates = [
            (N_FILES / decode, N_PREPARED / gather, N_PREPARED / batch, N_PREPARED / copy)
            for decode, gather, batch, copy in seconds(works, N_REPEATS)
        ]
    image_gb = SIDE * SIDE * 3 / 1e9
    what = f"{SIDE}x{SIDE}, images a second: uint8 batches of {BATCH_SIZE} from the memory map"
    yield Row(f"{what} / decoding JPEGs", tuple(g / d for d, g, _, _ in rates), "at least 10")
    yield Row(f"{what}, normalised on the processor / decoding JPEGs", tuple(b / d for d, _, b, _ in rates))
    yield Row(f"{what} / a plain copy", tuple(g / c for _, g, _, c in rates))
    yield Row("decoding and resizing JPEGs of 500x375, one core", tuple(d for d, *_ in rates), unit="images/s")
    yield Row("uint8 batches from the memory map, one core", tuple(g * image_gb for _, g, _, _ in rates), unit="GB/s")
    yield Row("a plain copy of the same bytes, one core", tuple(c * image_gb for *_, c in rates), unit="GB/s")


def _write_files(folder: Path) -> list[Path]:
    """Write JPEG files of smooth colours and some noise, about as large as photographs are."""
    rng = np.random.default_rng(0)
    files = []
    for k in range(N_FILES):
        coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize(FILE_SIZE, Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = np.clip(smooth + rng.integers(-8, 9, smooth.shape), 0, 255).astype(np.uint8)
        files.append(folder / f"{k}.jpg")
        Image.fromarray(noisy).save(files[-1], quality=QUALITY)
    return files


def _decode(files: list[Path]) -> None:
    for path in files:
        _read(path)


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(resize_then_crop(image.convert("RGB"), SIDE)).transpose(2, 0, 1)


def _prepare(folder: Path, files: list[Path]) -> np.ndarray:
    """Write the decoded images, over and over up to the size of the split, and map the file."""
    path = folder / "inputs.npy"
    written = open_memmap(path, mode="w+", dtype=np.uint8, shape=(N_PREPARED, 3, SIDE, SIDE))
    block = np.stack([_read(file) for file in files])
    for k in range(0, N_PREPARED, len(block)):
        written[k : k + len(block)] = block
    written.flush()
    mapped: np.ndarray = np.load(path, mmap_mode="c")
    return mapped


def _each(function: Callable[[torch.Tensor], object], parts: tuple[torch.Tensor, ...]) -> None:
    for index_B in parts:
        function(index_B)


def _copy(array: np.ndarray) -> None:
    """Copy batch after batch in the order of the file into one block."""
    block = np.empty_like(array[:BATCH_SIZE])
    for k in range(0, N_PREPARED, BATCH_SIZE):
        np.copyto(block, array[k : k + BATCH_SIZE])
