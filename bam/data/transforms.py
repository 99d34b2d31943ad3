"""From an image of any size and mode to a square one in RGB; the pixels are those of torchvision's transforms.

torchvision resizes a PIL image with PIL's own bilinear filter, which averages where it shrinks
(`antialias`); the same calls here give the same pixels, without torch. The same file gives the same
bytes wherever Pillow is the same.
"""

from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image, ImageOps

Transform = Callable[[Image.Image, int], Image.Image]


def resize_then_crop(image: Image.Image, side: int) -> Image.Image:
    """Resize to 256 x 256 whatever the proportions, then cut the central 224 x 224; in proportion for another side.

    As Sagawa et al. (2020), and BAM after them, do on Waterbirds.
    """
    large = side * 256 // 224
    return _centre(image.convert("RGB").resize((large, large), Image.Resampling.BILINEAR), side)


def crop_then_resize(image: Image.Image, side: int) -> Image.Image:
    """Cut the central square (178 x 178 of CelebA's 178 x 218), then resize to side x side.

    As Sagawa et al. (2020), and BAM after them, do on CelebA.
    """
    return _centre(image.convert("RGB"), min(image.size)).resize((side, side), Image.Resampling.BILINEAR)


def shorter_side_centre_crop(image: Image.Image, side: int) -> Image.Image:
    """Turn as the EXIF orientation says, then make the shorter side `side` long and cut the longer at both ends.

    For one's own images. Of a transparent pixel the colour that the file keeps for it counts. The central
    square is resized: the same as resizing first, without a long image's whole width.
    """
    upright = ImageOps.exif_transpose(image).convert("RGB")
    shorter = min(upright.size)
    left, top = ((length - shorter) / 2 for length in upright.size)
    return upright.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, left + shorter, top + shorter))


TRANSFORMS: dict[str, Transform] = {
    made.__name__: made for made in (resize_then_crop, crop_then_resize, shorter_side_centre_crop)
}


def described(name: str, side: int, columns: Sequence[str]) -> dict[str, Any]:
    """Return a transform as an exported model keeps it.

    Parameters
    ----------
    name : key of `TRANSFORMS`
    columns : the one column of a table that names image files
    """
    return {"name": name, "side": side, "columns": list(columns)}


def _centre(image: Image.Image, side: int) -> Image.Image:
    left, top = (round((length - side) / 2) for length in image.size)
    return image.crop((left, top, left + side, top + side))
