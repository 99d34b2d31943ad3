"""Image files of any size as square RGB images, uint8; what is no sound image is named."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bam.data.rows import Shapes
from bam.data.transforms import TRANSFORMS
from bam.errors import DataError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
MAX_PIXELS = 200_000_000
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
OWN_TRANSFORM = "shorter_side_centre_crop"


class PictureRows:
    """Image files that are decoded block by block.

    Parameters
    ----------
    files : n paths
    side : of the square images, in pixels
    transform : name of what makes them square
    """

    def __init__(self, files: Sequence[Path], side: int, transform: str = OWN_TRANSFORM) -> None:
        self._files, self._side, self._transform = files, side, transform

    @property
    def shapes(self) -> Shapes:
        """RGB, channels first."""
        return {"inputs": ((3, self._side, self._side), "uint8")}

    def __len__(self) -> int:
        """Return n."""
        return len(self._files)

    def read(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Return the images from `start` to `stop`; DataError as `read_picture`."""
        images = [read_picture(path, self._side, self._transform) for path in self._files[start:stop]]
        return {"inputs": np.stack(images) if images else np.zeros((0, 3, self._side, self._side), dtype=np.uint8)}


def read_picture(path: Path, side: int, transform: str = OWN_TRANSFORM) -> np.ndarray:
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
            square = TRANSFORMS[transform](image, side)
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{path}: is missing") from error
    except Exception as error:
        raise DataError(f"{path}: cannot be read as an image ({_reason(error, path)})") from error
    return np.ascontiguousarray(np.moveaxis(np.asarray(square), -1, 0))


def _reason(error: Exception, path: Path) -> str:
    text = str(error).replace(repr(str(path)), "").splitlines()
    return " ".join(text[0].split()) if text and text[0].strip() else type(error).__name__
