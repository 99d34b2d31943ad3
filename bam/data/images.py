"""Images decoded out of an archive and brought to one size."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from bam.data.members import Members
from bam.data.rows import Shapes
from bam.data.transforms import TRANSFORMS
from bam.data.unpack import UNREADABLE
from bam.errors import DataError

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and spread that pretrained networks expect
BROKEN_IMAGE = (*UNREADABLE, SyntaxError, Image.DecompressionBombError)


class ImageRows:
    """Images of one split, decoded when asked for.

    Parameters
    ----------
    path : the archive, as messages name it
    members : the open archive
    names : member of each image
    origins : where each image is listed, for messages
    transform : name of what brings an image to side x side pixels
    """

    def __init__(
        self,
        path: Path,
        members: Members,
        names: Sequence[str],
        origins: Sequence[str],
        transform: str,
        side: int,
    ) -> None:
        self._path, self._members, self._names, self._origins = path, members, names, origins
        self._transform, self._side = TRANSFORMS[transform], side

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
                    images[k - start] = np.asarray(self._transform(image, self._side)).transpose(2, 0, 1)
            except BROKEN_IMAGE as error:
                reason = "it is no image" if isinstance(error, UnidentifiedImageError) else error
                raise DataError(
                    f"{self._path}: {self._names[k]} ({self._origins[k]}): cannot be decoded ({reason}); "
                    "fetch the archive from another source"
                ) from error
        return {"inputs": images}


def missing_member(members: Members, names: Sequence[str]) -> int | None:
    """Return the number of the first name that the archive lacks."""
    known: dict[str, Any] = members.sizes
    return next((k for k, name in enumerate(names) if name not in known), None)
