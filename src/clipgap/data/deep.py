"""From PIL's image modes to 8-bit RGB; grey and colours of more than 8 bits are scaled by the bits they hold.

Sensors give 10, 12 or 14 bits, and files keep them in 16. Such a file does not say how many it holds, so its largest
value does: white is the largest value of the fewest bits, of 8, 10, 12, 14 and 16, that hold it. A file of 4095 at
most holds 12 bits, and 4095 becomes 255. That depends on the file alone: the same file always gives the same image.
Values of 255 at most are taken as they stand. A dark image of a deeper sensor comes out brighter than its neighbours,
which is why it is said; to have it otherwise, write the files as 8 bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from clipgap.data.files import read_bytes

FEWER_BITS = "its pixels of 16 or more bits hold fewer: scaled so that the largest value of those is white"
BITS = (8, 10, 12, 14, 16)
"""What a 16-bit file may hold."""
TOPS = {"F": (1.0, 255.0, 65535.0), "I": (*(2.0**bits - 1 for bits in BITS), 2.0**31 - 1)}
"""Values that may stand for white in modes that do not say; the smallest that no pixel exceeds does."""
SIXTEEN = tuple(2.0**bits - 1 for bits in BITS)
COLOURS = ("RGB", "RGBA", "LA")
ORIENTATION = 0x0112
"""EXIF's tag."""
ROWS = 64
"""Rows that are converted at a time: numbers of 64 bits of a whole image would be many times its size."""


def to_rgb(image: Image.Image, path: Path, deep_colour: bool) -> tuple[Image.Image, int | None]:
    """A loaded image as 8-bit RGB, transparency laid on white; and how many bits a deeper image holds, if below 16.

    Args:
        image: the image as PIL loaded it.
        path: its file.
        deep_colour: what `holds_deep_colour` said before it was loaded.
    """
    if image.mode.startswith("I;16"):
        return _from_grey(image, SIXTEEN)
    if image.mode in TOPS:
        return _from_grey(image, TOPS[image.mode])
    return _from_deep_colour(image, path) if deep_colour else (_on_white(image), None)


def holds_deep_colour(image: Image.Image) -> bool:
    """Whether an image that is not loaded yet has colours of 16 bits, of which PIL keeps the upper 8 alone."""
    upright = image.format == "PNG" or (image.format == "TIFF" and image.getexif().get(ORIENTATION, 1) == 1)
    return upright and any(";16" in str(tile.args) for tile in getattr(image, "tile", ())) and image.mode in COLOURS


def _from_deep_colour(image: Image.Image, path: Path) -> tuple[Image.Image, int | None]:
    """Colours of 16 bits: read anew, all 16, where their upper 8 say that they hold fewer."""
    upper = max(high for _, high in _extrema(image))
    pixels = _all_bits(path) if upper < 2 ** (BITS[-2] - 8) else None
    if pixels is None or pixels.shape[:2] != (image.height, image.width):
        return _on_white(image), None
    colours = pixels[..., :3]
    peak = int(colours.max())
    bits = next(bits for bits in BITS if peak < 2**bits)
    scaled = np.empty(colours.shape, np.uint8)
    for rows in _bands(image.height):
        scaled[rows] = np.rint(colours[rows, :, ::-1] * (255 / (2**bits - 1))).astype(np.uint8)
    rgb = Image.fromarray(scaled)
    if pixels.shape[2] == 4:
        rgb.putalpha(Image.fromarray((pixels[..., 3] >> 8).astype(np.uint8)))
    return _on_white(rgb), bits if peak else None


def _extrema(image: Image.Image) -> list[tuple[float, float]]:
    """Lowest and highest value of every channel but transparency."""
    return [channel.getextrema() for channel in image.split()[: 1 if image.mode == "LA" else 3]]  # type: ignore[misc]


def _all_bits(path: Path) -> npt.NDArray[np.uint16] | None:
    """The pixels (height, width, 3 or 4: BGR and transparency) of a file of 16-bit colours."""
    import cv2  # takes a while to import, and few images need it

    try:
        pixels = cv2.imdecode(np.frombuffer(read_bytes(path), dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if pixels is None or pixels.dtype != np.uint16 or pixels.ndim != 3:
        return None
    return pixels.astype(np.uint16, copy=False)


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgb = Image.new("RGB", image.size)
    for rows in _bands(image.height):
        rgba = image.crop((0, rows.start, image.width, rows.stop)).convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        rgb.paste(Image.alpha_composite(white, rgba).convert("RGB"), (0, rows.start))
    return rgb


def _bands(height: int) -> Iterator[slice]:
    """Rows that belong together, from above."""
    for top in range(0, height, ROWS):
        yield slice(top, min(top + ROWS, height))


def _from_grey(image: Image.Image, tops: tuple[float, ...]) -> tuple[Image.Image, int | None]:
    """Grey of more than 8 bits: scaled so that white stays white."""
    pixels = np.asarray(image)

    def values(rows: slice) -> npt.NDArray[np.float64]:
        return np.nan_to_num(pixels[rows].astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)

    peak = max(float(values(rows).max()) for rows in _bands(image.height))
    top = next((top for top in tops if peak <= top), peak)
    grey = np.empty(pixels.shape, np.uint8)
    for rows in _bands(image.height):
        grey[rows] = np.rint(np.clip(values(rows), 0, None) * (255.0 / top)).astype(np.uint8)
    known = peak > 0 and tops is not TOPS["F"]
    bits = next((bits for bits in BITS[:-1] if known and top == 2**bits - 1), None)
    return Image.fromarray(grey).convert("RGB"), bits
