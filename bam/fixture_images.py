"""Generated JPEG images in which the class is a faint object and the spurious attribute a loud surrounding.

An image depends on (seed, number, class, attribute) alone, so a set is the same however many cores draw it.
"""

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Literal

import numpy as np
from PIL import Image

from bam.randomness import numpy_generator

GRID = 64  # images are drawn at this size and enlarged: smooth, as photographs are, and quick
CHUNK = 256
JPEG_QUALITY = 85
_Y, _X = np.mgrid[0:GRID, 0:GRID].astype(np.float32) / GRID - 0.5


@dataclass(frozen=True)
class Recipe:
    """How the images of one set are drawn.

    Attributes
    ----------
    subject : birds before a background, or faces
    width, height : in pixels
    contrast : of the object that is the class, 0 to 1; below about 0.5 the surrounding is easier to learn
    """

    subject: Literal["bird", "face"]
    seed: int
    width: int
    height: int
    contrast: float


def draw(recipe: Recipe, labels: np.ndarray, attributes: np.ndarray) -> Iterator[bytes]:
    """Yield the JPEG file of each example, in order, drawn on all cores.

    Parameters
    ----------
    labels, attributes : int64 arrays of shape (n,), 0 or 1
    """
    tasks = list(zip(range(len(labels)), labels.tolist(), attributes.tolist(), strict=True))
    chunks = [tasks[k : k + CHUNK] for k in range(0, len(tasks), CHUNK)]
    if len(chunks) < 2:
        yield from chain.from_iterable(_drawn(recipe, chunk) for chunk in chunks)
        return
    with ProcessPoolExecutor(_n_workers()) as pool:
        yield from chain.from_iterable(pool.map(_drawn, repeat(recipe), chunks))


def _n_workers() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _drawn(recipe: Recipe, tasks: Sequence[tuple[int, int, int]]) -> list[bytes]:
    return [_jpeg(recipe, *task) for task in tasks]


def _jpeg(recipe: Recipe, number: int, label: int, attribute: int) -> bytes:
    generator = numpy_generator(recipe.seed, f"fixture/{recipe.subject}", number)
    pixels = (_bird if recipe.subject == "bird" else _face)(generator, label, attribute, recipe.contrast)
    image = Image.fromarray((pixels.clip(0, 1) * 255).astype(np.uint8))
    image = image.resize((recipe.width, recipe.height), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _bird(generator: np.random.Generator, label: int, place: int, contrast: float) -> np.ndarray:
    """Draw a round bird with dark spots, or a long one with a neck and stripes, before trunks or before waves."""
    phase, frequency = generator.uniform(0, 2 * np.pi), generator.uniform(5, 9)
    stripes = np.sin(2 * np.pi * frequency * (_X if place == 0 else _Y) + phase)
    colour = np.array([[0.30, 0.42, 0.22], [0.25, 0.42, 0.58]][place]) + generator.normal(0, 0.05, 3)
    ground = colour + 0.12 * stripes[:, :, None] + generator.normal(0, 0.04, (GRID, GRID, 1))
    x, y = _X - generator.uniform(-0.12, 0.12), _Y - generator.uniform(-0.12, 0.12)
    x = x * generator.choice((-1.0, 1.0))
    size = generator.uniform(0.85, 1.15)
    if label == 0:
        body = (x / 0.20) ** 2 + (y / 0.19) ** 2 < size
        feathers = np.sin(40 * x) * np.sin(40 * y)
    else:
        neck = (np.abs(x - 0.19) < 0.035) & (y > -0.26) & (y < 0.02)
        body = ((x / 0.27) ** 2 + (y / 0.11) ** 2 < size) | neck
        feathers = np.sin(55 * (x + y))
    tone = np.array([[0.62, 0.45, 0.32], [0.62, 0.60, 0.58]][label]) + generator.normal(0, 0.06, 3)
    bird = tone + 0.25 * feathers[:, :, None]
    strength = contrast * generator.uniform(0.7, 1.3)
    return np.asarray(np.where(body[:, :, None], (1 - strength) * ground + strength * bird, ground))


def _face(generator: np.random.Generator, blond: int, male: int, contrast: float) -> np.ndarray:
    """Draw a face whose hair is light or dark, long before a warm wall or short before a cold one."""
    colour = np.array([[0.60, 0.45, 0.45], [0.38, 0.45, 0.58]][male]) + generator.normal(0, 0.05, 3)
    wall = colour + 0.06 * np.sin(2 * np.pi * 4 * _X + generator.uniform(0, 6.28))[:, :, None]
    wall = wall + generator.normal(0, 0.03, (GRID, GRID, 1))
    x, y = _X - generator.uniform(-0.05, 0.05), _Y - generator.uniform(-0.05, 0.05)
    skin = np.array([0.78, 0.60, 0.50]) + generator.normal(0, 0.06, 3)
    head = (x / 0.22) ** 2 + (y / 0.28) ** 2 < 1
    long = (np.abs(x) < 0.32) & (y > -0.3) & (y < 0.4) & (male == 0)
    hair = ((x / 0.29) ** 2 + ((y + 0.08) / 0.32) ** 2 < 1) | long
    light, dark = np.array([0.78, 0.68, 0.42]), np.array([0.30, 0.22, 0.18])
    shade = generator.uniform(0.0, 0.35)
    tone = (1 - shade) * (light if blond else dark) + shade * (dark if blond else light)
    middle = (light + dark) / 2
    tone = middle + contrast * 2 * (tone - middle) + generator.normal(0, 0.05, 3)
    strands = tone + 0.05 * np.sin(60 * x)[:, :, None]
    picture = np.where(hair[:, :, None], strands, wall)
    is_face = head & (y > -0.14)
    return np.asarray(np.where(is_face[:, :, None], skin, picture))
