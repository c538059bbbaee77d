"""Images of every format that is read, whatever their name says."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clipgap.data.images import displayed_size, read_image_as_declared
from tests.fuzz.target import Target

SIZE = (13, 7)
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(%pipe%touch run) (r) file\nshowpage\n"


def seeds() -> list[bytes]:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "words"
    draw = np.random.default_rng(0)
    rgb = Image.fromarray(draw.integers(0, 256, (*SIZE[::-1], 3), dtype=np.uint8))
    deep = Image.fromarray(draw.integers(0, 4096, SIZE[::-1], dtype=np.uint16))
    real = Image.fromarray(draw.random(SIZE[::-1], dtype=np.float32))
    two: dict[str, Any] = {"save_all": True, "append_images": [rgb.rotate(180)]}
    made = [
        _saved(rgb, "JPEG", exif=exif, quality=50),
        _saved(rgb.convert("CMYK"), "JPEG", progressive=True),
        _saved(rgb, "PNG", exif=exif),
        _saved(rgb.convert("P"), "PNG", transparency=3),
        _saved(rgb.convert("RGBA"), "PNG"),
        _saved(rgb.convert("1"), "PNG"),
        _saved(deep, "PNG"),
        _saved(deep, "TIFF"),
        _saved(real, "TIFF"),
        _saved(rgb, "TIFF", compression="tiff_lzw", exif=exif),
        _saved(rgb, "TIFF", compression="jpeg"),
        _saved(rgb, "GIF", **two),
        _saved(rgb, "WEBP", exif=exif),
        _saved(rgb, "WEBP", lossless=True, **two),
        _saved(rgb, "BMP"),
        _saved(rgb.convert("P"), "BMP"),
        _saved(rgb, "PPM"),
        b"P2 3 1 255 1 2 3",
        _saved(rgb, "MPO", **two),
        EPS,
    ]
    optional = [
        _saved(rgb, name) for name, there in (("JPEG2000", "JPEG2000"), ("AVIF", "AVIF")) if there in Image.SAVE
    ]
    return [*made, *optional, deep_colours(), _png(1, 0, 4_000, 3_000), _png(1, 0, 20_000, 11_000)]


def deep_colours() -> bytes:
    """A PNG of 16-bit colours that hold 12 bits."""
    return _png(16, 2, 3, 2, bytes(range(1 + 18)) + bytes(range(1 + 18)))


def _saved(image: Image.Image, form: str, **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **how)
    return file.getvalue()


def _png(bits: int, colour: int, width: int, height: int, rows: bytes | None = None) -> bytes:
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([bits, colour, 0, 0, 0])
    rows = bytes((width * bits // 8 + 1) * height) if rows is None else rows
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    chunks = [len(c).to_bytes(4, "big") + n + c + zlib.crc32(n + c).to_bytes(4, "big") for n, c in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def read(data: bytes, folder: Path) -> None:
    path = folder / "a.png"
    path.write_bytes(data)
    size = displayed_size(path)[:2]
    assert read_image_as_declared(path, None)[0].size == size
    read_image_as_declared(path, size[::-1])


IMAGES = Target(
    "images",
    seeds,
    read,
    words=(b"Exif\0\0II*\0", b"Exif\0\0MM\0*", b"\xff\xd9", b"IEND", b"fcTL", b"\xff\xff"),
    good=19,
)
