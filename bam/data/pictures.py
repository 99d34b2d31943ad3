"""Image files of any size as square RGB images, uint8.

A file is decoded, turned as its EXIF orientation says, and converted to RGB (of a transparent pixel, the
colour that the file keeps for it). Its central square is resized to `side`, bilinear with antialiasing:
the shorter side becomes `side`, and what the longer one has more is cut off at both ends. The same file
gives the same bytes wherever Pillow is the same.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from bam.data.rows import Shapes
from bam.errors import DataError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
MAX_PIXELS = 200_000_000
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
TRANSFORM = "shorter_side_centre_crop"


class PictureRows:
    """Image files that are decoded block by block.

    Parameters
    ----------
    files : n paths
    side : of the square images, in pixels
    """

    def __init__(self, files: Sequence[Path], side: int) -> None:
        self._files = files
        self._side = side

    @property
    def shapes(self) -> Shapes:
        """RGB, channels first."""
        return {"inputs": ((3, self._side, self._side), "uint8")}

    def __len__(self) -> int:
        """Return n."""
        return len(self._files)

    def read(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Return the images from `start` to `stop`; DataError as `read_picture`."""
        images = [read_picture(path, self._side) for path in self._files[start:stop]]
        return {"inputs": np.stack(images) if images else np.zeros((0, 3, self._side, self._side), dtype=np.uint8)}


def read_picture(path: Path, side: int) -> np.ndarray:
    """Return one image, uint8 of shape (3, side, side).

    Raises
    ------
    DataError
        If the file is missing, is no image, is cut off, is too large or has more than 8 bits a channel.
    """
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(f"{path}: has {image.width} x {image.height} pixels, expected at most {MAX_PIXELS:,}")
            if image.mode in DEEP:
                raise DataError(f"{path}: has more than 8 bits a channel; save it with 8")
            upright = ImageOps.exif_transpose(image)
            rgb = upright.convert("RGB")
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path}: is missing") from error
    except Exception as error:
        raise DataError(f"{path}: cannot be read as an image ({_reason(error, path)})") from error
    return np.ascontiguousarray(np.moveaxis(np.asarray(_square(rgb, side)), -1, 0))


def _square(image: Image.Image, side: int) -> Image.Image:
    """Return the central square, resized: the same as resizing first, without a long image's whole width."""
    shorter = min(image.size)
    left, top = ((length - shorter) / 2 for length in image.size)
    return image.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + shorter, top + shorter))


def _reason(error: Exception, path: Path) -> str:
    text = str(error).replace(repr(str(path)), "").splitlines()
    return " ".join(text[0].split()) if text and text[0].strip() else type(error).__name__


def description(side: int) -> dict[str, Any]:
    """Return the transform as an exported model keeps it."""
    return {"name": TRANSFORM, "side": side}
