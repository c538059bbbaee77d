from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipgap.data import displayed_size, read_image
from clipgap.errors import DataError
from tests.datasets import draw

RED, WHITE = (255, 0, 0), (255, 255, 255)
# The middle of the red quarter, as displayed: where EXIF's definition of each orientation puts the stored upper left.
DISPLAYED_RED = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}


def red_quarter(image: Image.Image) -> tuple[int, int]:
    found = [
        (x, y)
        for x in (0, 1)
        for y in (0, 1)
        if image.getpixel((image.width * (1 + 2 * x) // 4, image.height * (1 + 2 * y) // 4)) == RED
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_exif_turns_are_applied_once(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = draw(tmp_path / f"a{suffix}", (40, 20), orientation)
    image = read_image(path)
    assert image.size == ((20, 40) if orientation >= 5 else (40, 20))
    assert red_quarter(image) == DISPLAYED_RED[orientation]
    assert displayed_size(path) == (*image.size, False)


def test_declared_size_that_fits_the_stored_image_only_keeps_it_stored(tmp_path: Path) -> None:
    path = draw(tmp_path / "a.JPG", (40, 20), orientation=6)
    assert displayed_size(path, (40, 20)) == (40, 20, True)
    assert read_image(path, (40, 20)).size == (40, 20)
    assert displayed_size(path, (20, 40)) == (20, 40, False)
    assert read_image(path, (20, 40)).size == (20, 40)
    assert displayed_size(path, (99, 99)) == (20, 40, False)


def test_a_square_image_is_turned(tmp_path: Path) -> None:
    path = draw(tmp_path / "a.png", (20, 20), orientation=6)
    assert displayed_size(path, (20, 20)) == (20, 20, False)
    assert red_quarter(read_image(path, (20, 20))) == (1, 0)


def test_broken_exif_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (40, 20)).save(path, exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff broken")
    assert read_image(path).size == (40, 20)


def test_nothing_is_written(tmp_path: Path) -> None:
    path = draw(tmp_path / "a.jpg", orientation=6)
    before = path.read_bytes()
    read_image(path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.jpg"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB"])
def test_all_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    suffix = ".png" if mode in {"1", "L", "P", "RGB"} else ".tif"
    Image.new("RGB", (4, 3), WHITE).convert("RGB" if mode == "LAB" else mode).save(tmp_path / f"a{suffix}")
    if mode == "LAB":
        Image.merge("LAB", [Image.new("L", (4, 3), v) for v in (255, 128, 128)]).save(tmp_path / "a.tif")
    image = read_image(tmp_path / f"a{suffix}")
    assert image.mode == "RGB"
    assert image.size == (4, 3)
    assert min(np.array(image).flat) >= 250


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_laid_on_white(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.png" if mode != "PA" else "a.tif")
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    image.convert(mode).save(path)
    read = read_image(path)
    assert [read.getpixel((x, 0)) for x in (0, 1)] == [WHITE, (0, 0, 0)]


def test_a_transparent_palette_entry_is_white(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1), 1)
    image.putpalette([0, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 0)
    image.save(tmp_path / "a.png", transparency=0)
    read = read_image(tmp_path / "a.png")
    assert [read.getpixel((x, 0)) for x in (0, 1)] == [WHITE, (0, 0, 255)]


@pytest.mark.parametrize(
    ("dtype", "suffix", "values", "expected"),
    [
        (np.uint16, ".png", [0, 257 * 100, 65535], [0, 100, 255]),
        (np.uint16, ".tif", [0, 255, 65535], [0, 1, 255]),
        (np.int32, ".tif", [0, 257 * 100, 65535], [0, 100, 255]),
        (np.int32, ".tif", [-5, 100, 255], [0, 100, 255]),
        (np.int32, ".tif", [0, 2**30, 2**31 - 1], [0, 128, 255]),
        (np.float32, ".tif", [0, 0.5, 1], [0, 128, 255]),
        (np.float32, ".tif", [0, 100, 255], [0, 100, 255]),
        (np.float32, ".tif", [np.nan, 1e6, 2e6], [0, 128, 255]),
    ],
)
def test_deep_images_are_scaled(tmp_path: Path, dtype: type, suffix: str, values: list, expected: list[int]) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.array([values], dtype=dtype)).save(path)
    read = np.array(read_image(path))
    assert read.dtype == np.uint8
    assert read[0].tolist() == [[grey] * 3 for grey in expected]


def broken(path: Path, kind: str) -> None:
    whole = draw(path.with_name(f"whole{path.suffix}"), (200, 200)).read_bytes()
    path.write_bytes({"empty": b"", "text": b"hello", "cut": whole[: len(whole) // 2], "head": whole[:20]}[kind])


@pytest.mark.parametrize("kind", ["empty", "text", "cut", "head"])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp", ".webp", ".gif"])
def test_broken_files_are_named(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    broken(path, kind)
    with pytest.raises(DataError, match=r"a\.\w+: ") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"b\.png: no such image"):
        displayed_size(tmp_path / "b.png")
    with pytest.raises(DataError, match="is a folder, not a file"):
        read_image(tmp_path)


def test_decompression_bombs_are_refused_and_merely_large_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw(tmp_path / "a.png", (40, 20))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # PIL warns above it, and raises above twice as much
    assert read_image(path).size == (40, 20)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with pytest.raises(DataError, match=r"a\.png: has more pixels"):
        read_image(path)
