"""Images decoded out of an archive and brought to one size, as the literature does; the pixels are torchvision's.

torchvision resizes a PIL image with PIL's own bilinear filter, which averages where it shrinks
(`antialias`); the same calls here give the same pixels, without torch.
"""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from bam.data.members import Members
from bam.data.rows import Shapes
from bam.data.unpack import UNREADABLE
from bam.errors import DataError

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and spread that pretrained networks expect
BROKEN_IMAGE = (*UNREADABLE, SyntaxError, Image.DecompressionBombError)

Transform = Callable[[Image.Image, int], Image.Image]


class ImageRows:
    """Images of one split, decoded when asked for.

    Parameters
    ----------
    path : the archive, as messages name it
    members : the open archive
    names : member of each image
    origins : where each image is listed, for messages
    transform : from an RGB image and a side to one of side x side pixels
    """

    def __init__(
        self,
        path: Path,
        members: Members,
        names: Sequence[str],
        origins: Sequence[str],
        transform: Transform,
        side: int,
    ) -> None:
        self._path, self._members, self._names, self._origins = path, members, names, origins
        self._transform, self._side = transform, side

    @property
    def shapes(self) -> Shapes:
        """Red, green and blue."""
        return {"inputs": ((3, self._side, self._side), "uint8")}

    def __len__(self) -> int:
        """Return n."""
        return len(self._names)

    def read(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Return uint8 images of shape (stop - start, 3, side, side).

        Raises
        ------
        DataError
            If an image cannot be read; archive, member and the line that lists it are named.
        """
        images = np.empty((stop - start, 3, self._side, self._side), dtype=np.uint8)
        for k in range(start, stop):
            try:
                with Image.open(io.BytesIO(self._members.read(self._names[k]))) as image:
                    images[k - start] = np.asarray(self._transform(image.convert("RGB"), self._side)).transpose(2, 0, 1)
            except BROKEN_IMAGE as error:
                reason = "it is no image" if isinstance(error, UnidentifiedImageError) else error
                raise DataError(
                    f"{self._path}: {self._names[k]} ({self._origins[k]}): cannot be decoded ({reason}); "
                    "fetch the archive from another source"
                ) from error
        return {"inputs": images}


def resize_then_crop(image: Image.Image, side: int) -> Image.Image:
    """Resize to 256 x 256 whatever the proportions, then cut the central 224 x 224; in proportion for another side.

    As Sagawa et al. (2020), and BAM after them, do on Waterbirds.
    """
    large = side * 256 // 224
    return _centre(image.resize((large, large), Image.Resampling.BILINEAR), side)


def crop_then_resize(image: Image.Image, side: int) -> Image.Image:
    """Cut the central square (178 x 178 of CelebA's 178 x 218), then resize to side x side.

    As Sagawa et al. (2020), and BAM after them, do on CelebA.
    """
    return _centre(image, min(image.size)).resize((side, side), Image.Resampling.BILINEAR)


def missing_member(members: Members, names: Sequence[str]) -> int | None:
    """Return the number of the first name that the archive lacks."""
    known: dict[str, Any] = members.sizes
    return next((k for k, name in enumerate(names) if name not in known), None)


def _centre(image: Image.Image, side: int) -> Image.Image:
    left, top = (round((length - side) / 2) for length in image.size)
    return image.crop((left, top, left + side, top + side))
