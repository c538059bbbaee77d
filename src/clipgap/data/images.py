"""Read images as a person sees them, as 8-bit RGB. Nothing is ever written.

The boxes of a data set live in the displayed image, the one that EXIF's orientation turns. Some annotation tools ignore
the orientation, though, and their boxes fit the pixels as stored. The size that an annotation file states tells the two
apart when the turn swaps width and height: where it fits the stored image only, the image is left as stored. A turn by
180 degrees or a mirror image changes no size, so there the displayed image is what counts; and so it is for TIFF files,
which PIL turns itself.
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.Image import Transpose

from clipgap.errors import DataError

ORIENTATION = 0x0112
"""EXIF's tag."""
TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What shows an image of that orientation upright."""
SWAPS = frozenset({5, 6, 7, 8})
"""Orientations that exchange width and height."""
TOPS = {"F": (1.0, 255.0, 65535.0), "I": (255.0, 65535.0, 2.0**31 - 1)}
"""Values that may stand for white in modes that do not say; the smallest that no pixel exceeds does."""
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    MemoryError,
    NotImplementedError,
    struct.error,
    zlib.error,
)
"""What PIL's decoders are known to raise on broken files."""


class DisplayedSize(NamedTuple):
    """Size of the image that the boxes live in, in pixels."""

    width: int
    height: int
    kept_stored: bool
    """EXIF says to turn the image, but the declared size fits it unturned only."""


def displayed_size(path: Path, declared: tuple[int, int] | None = None) -> DisplayedSize:
    """Size of the image as `read_image` gives it; reads the file's header only.

    Args:
        path: the image.
        declared: (width, height) that the annotation file states.

    Raises:
        DataError: the file is missing or no image.
    """
    with _opened(path) as image:
        turn, kept_stored = _turn(image, declared)
        width, height = image.size
    if turn in SWAPS:
        width, height = height, width
    return DisplayedSize(width, height, kept_stored)


def read_image(path: Path, declared: tuple[int, int] | None = None) -> Image.Image:
    """Read an image as 8-bit RGB, turned as a person sees it.

    Grey, palette, CMYK, 16-bit and float images are converted (deep ones scaled, not clipped), transparency is laid on
    white.

    Args:
        path: the image.
        declared: (width, height) that the annotation file states: decides whether EXIF's turn is applied (see above).

    Raises:
        DataError: the file is missing, broken, cut short, no image, or larger than PIL thinks safe.
    """
    return read_image_as_declared(path, declared)[0]


def read_image_as_declared(path: Path, declared: tuple[int, int] | None) -> tuple[Image.Image, bool]:
    """`read_image`, and whether the image was kept as stored against its EXIF (see `DisplayedSize`)."""
    with _opened(path) as image:
        turn, kept_stored = _turn(image, declared)
        image.load()
        rgb = _to_rgb(image)
    return (rgb.transpose(TURNS[turn]) if turn in TURNS else rgb), kept_stored


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; whatever goes wrong with it inside the `with` block becomes one line that names the file."""
    try:
        # PIL warns about much that does no harm (odd metadata, large images); what does harm raises.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                yield image
    except FileNotFoundError:
        raise DataError(f"{path}: no such image") from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: not an image, or of an unknown format: replace or remove it") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path}: has more pixels than PIL opens safely: scale it down") from None
    except BROKEN as error:
        raise DataError(f"{path}: the image cannot be read ({error}): replace or remove it") from None


def _turn(image: Image.Image, declared: tuple[int, int] | None) -> tuple[int, bool]:
    """The orientation to put right (1: none), and whether the declared size forbids a turn that EXIF asks for."""
    orientation = _orientation(image)
    if orientation in SWAPS and declared == image.size and declared != (image.height, image.width):
        return 1, True
    return orientation, False


def _orientation(image: Image.Image) -> int:
    # Not `getexif`: it decodes the whole of a PNG to look for EXIF at its end, and it gives a TIFF's, which PIL turns
    # itself.
    data = image.info.get("exif")
    if not isinstance(data, bytes):
        return 1
    exif = Image.Exif()
    try:
        exif.load(data)
        return int(exif.get(ORIENTATION, 1))
    except BROKEN:
        return 1  # broken metadata: viewers show such an image as stored


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return _scaled(image, (65535.0,))
    if image.mode in TOPS:
        return _scaled(image, TOPS[image.mode])
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.convert("RGB")


def _scaled(image: Image.Image, tops: tuple[float, ...]) -> Image.Image:
    """Grey of more than 8 bits: scaled so that white stays white."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(values.max())
    top = next((top for top in tops if peak <= top), peak)
    grey = np.rint(np.clip(values, 0, None) * (255.0 / top)).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
