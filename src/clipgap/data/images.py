"""Read images as a person sees them, as 8-bit RGB. Nothing is ever written.

The boxes of a data set live in the displayed image, the one that EXIF's orientation turns. Some annotation tools ignore
the orientation, though, and their boxes fit the pixels as stored. The size that an annotation file states tells the two
apart when the turn swaps width and height: where it fits the stored image only, the image is left as stored. A turn by
180 degrees or a mirror image changes no size, so there the displayed image is what counts; and so it is for TIFF files,
which PIL turns itself.

Of several frames or pages the first counts. How grey and colours of more than 8 bits are scaled is told in `deep.py`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image, UnidentifiedImageError
from PIL.Image import Transpose

from clipgap.data.deep import FEWER_BITS, ORIENTATION, holds_deep_colour, to_rgb
from clipgap.data.files import refuse_irregular
from clipgap.errors import DataError, one_line

_log = logging.getLogger(__name__)
_told: set[str] = set()
"""What `read_image` has logged already: each thing is said once."""

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
FORMATS = ("JPEG", "PNG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF")
"""PIL's names of what is read, whatever a file is called. It knows many more, and starts Ghostscript for an EPS. A
camera's MPO is a JPEG to it."""


KEPT_STORED = "its EXIF says to turn it, but the size in the annotation file fits it unturned only: used unturned"
FIRST_FRAME = "holds several frames or pages: the first is used"


class Note(NamedTuple):
    """What was done about something odd in an image."""

    message: str
    """In words that are the same for all images of its kind."""
    detail: str = ""
    """What this one has of its own."""


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
    white. What is odd about an image is logged, each kind once.

    Args:
        path: the image.
        declared: (width, height) that the annotation file states: decides whether EXIF's turn is applied (see above).

    Raises:
        DataError: the file is missing, broken, cut short, no image, no regular file, or larger than PIL thinks safe.
    """
    image, notes = read_image_as_declared(path, declared)
    say_once(path, notes, _told)
    return image


def say_once(path: Path, notes: Iterable[Note], told: set[str]) -> None:
    """Log what there is to say of an image; `told` remembers which messages were said."""
    for note in notes:
        if note.message not in told:
            told.add(note.message)
            _log.warning("%s: %s (and perhaps others; said once)", path, note.message)


def read_image_as_declared(path: Path, declared: tuple[int, int] | None) -> tuple[Image.Image, tuple[Note, ...]]:
    """`read_image`, and what there is to say of it in place of a log."""
    with _opened(path) as image:
        turn, kept_stored = _turn(image, declared)
        animated = _is_animated(image)
        deep_colour = holds_deep_colour(image)
        image.load()
        rgb, bits = to_rgb(image, path, deep_colour)
    said = {
        Note(KEPT_STORED): kept_stored,
        Note(FIRST_FRAME): animated,
        Note(FEWER_BITS, f"{bits} bits"): bits is not None,
    }
    turned = rgb.transpose(TURNS[turn]) if turn in TURNS else rgb
    return turned, tuple(note for note, applies in said.items() if applies)


@cache
def _formats() -> tuple[str, ...]:
    """Those of the formats that this PIL was built with."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; whatever goes wrong with it inside the `with` block becomes one line that names the file."""
    try:
        # PIL warns about much that does no harm (odd metadata, large images); what does harm raises.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if refuse_irregular(path).st_size == 0:
                raise DataError(f"{path}: is empty (0 bytes): replace or remove it")
            with Image.open(path, formats=_formats()) as image:
                yield image
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such image") from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: not an image, or of an unknown format: replace or remove it") from None
    except Image.DecompressionBombError:
        raise DataError(f"{path}: has more pixels than PIL opens safely: scale it down") from None
    except Exception as error:  # noqa: BLE001 (the bytes are anybody's: decoders stumble over them in every way)
        said = one_line(str(error)) or type(error).__name__
        raise DataError(f"{path}: the image cannot be read ({said}): replace or remove it") from None


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
    except Exception:  # noqa: BLE001 (as in `_opened`)
        return 1  # broken metadata: viewers show such an image as stored


def _is_animated(image: Image.Image) -> bool:
    """Whether there are several frames or pages; a camera's second picture (MPO) is none."""
    try:
        return image.format != "MPO" and bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 (as in `_opened`)
        return False  # a second frame that is broken: the first one counts anyway
