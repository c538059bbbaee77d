from __future__ import annotations

import os
import socket
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from clipgap.data import check, displayed_size, images, load_domains, read_image
from clipgap.data.images import read_image_as_declared
from clipgap.errors import DataError
from tests.datasets import data_config, draw, make_yolo

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


FEWER = "hold fewer: scaled so that the largest value of those is white"


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_16_bit_files_are_scaled_by_the_bits_they_hold(tmp_path: Path, bits: int, channels: int, suffix: str) -> None:
    white = 2**bits - 1
    blue, green, red = (
        np.array([[0, white, 0, white]]),
        np.array([[0, white, white // 4, 0]]),
        np.array([[0, white, 0, 0]]),
    )
    pixels = [green] if channels == 1 else [blue, green, red, np.full((1, 4), 65535)][:channels]
    path = tmp_path / f"a{suffix}"
    assert cv2.imwrite(str(path), np.dstack(pixels).astype(np.uint16))
    image, notes = read_image_as_declared(path, None)
    read = np.array(image)[0].tolist()
    quarter = 63 if bits == 8 else 64
    assert abs(read[2][1] - quarter) <= 1
    assert read[:2] == [[0, 0, 0], [255, 255, 255]]
    if channels > 1:
        assert read[3] == [0, 0, 255]
    assert [(FEWER in note.message, note.detail) for note in notes] == ([] if bits == 16 else [(True, f"{bits} bits")])


@pytest.mark.parametrize(("peak", "bits"), [(256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (16384, None)])
def test_the_fewest_bits_that_hold_the_largest_value_count(tmp_path: Path, peak: int, bits: int | None) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.array([[0, peak]], dtype=np.uint16)).save(path)
    image, notes = read_image_as_declared(path, None)
    assert image.getpixel((1, 0)) == (round(peak * 255 / (2 ** (bits or 16) - 1)),) * 3
    assert [note.detail for note in notes] == ([f"{bits} bits"] if bits else [])


def test_transparency_of_a_12_bit_image_is_laid_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((1, 2, 4), dtype=np.uint16)
    pixels[0, 0] = (4095, 0, 0, 65535)
    assert cv2.imwrite(str(tmp_path / "a.png"), pixels)
    read = read_image(tmp_path / "a.png")
    assert [read.getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 255), WHITE]


def frames(path: Path, count: int = 3) -> Path:
    first, *more = [Image.new("RGB", (4, 3), RED if n == 0 else (0, 0, 255)) for n in range(count)]
    first.save(path, save_all=True, append_images=more, **({"lossless": True} if path.suffix == ".webp" else {}))
    return path


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tif"])
def test_of_several_frames_the_first_is_read_and_it_is_said(tmp_path: Path, suffix: str) -> None:
    image, notes = read_image_as_declared(frames(tmp_path / f"a{suffix}"), None)
    assert image.getpixel((0, 0)) == RED
    assert [note.message for note in notes] == ["holds several frames or pages: the first is used"]
    assert read_image_as_declared(frames(tmp_path / f"b{suffix}", 1), None)[1] == ()


def test_a_second_picture_of_a_camera_is_no_frame(tmp_path: Path) -> None:
    frames(tmp_path / "a.mpo").rename(tmp_path / "a.jpg")
    assert read_image_as_declared(tmp_path / "a.jpg", None)[1] == ()


def test_what_is_odd_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "_told", set())
    for name in ("a.gif", "b.gif"):
        read_image(frames(tmp_path / name))
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'a.gif'}: holds several frames or pages: the first is used (and perhaps others; said once)"
    ]


def test_data_check_tells_of_deep_and_animated_images_and_training_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = make_yolo(tmp_path, dict.fromkeys("abcd", "0 .5 .5 1 1\n1 .5 .5 1 1"))
    for name in "abc":
        Image.fromarray(np.full((20, 40), 4000, dtype=np.uint16)).save(root / f"images/train/{name}.png")
    frames(root / "images/train/d.png")
    config = data_config(root, "yolo", train="train")
    faults = check(config).splits[0].faults
    assert [fault.file.name for fault in faults] == ["a.png", "b.png", "c.png", "d.png"]
    assert [fault.detail for fault in faults] == ["12 bits", "12 bits", "12 bits", ""]
    train = load_domains(config).source.train
    assert train is not None
    assert [train[n].image.size for n in (0, 1, 2, 3, 3)] == [(40, 20)] * 3 + [(4, 3)] * 2
    assert len(caplog.records) == 2


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


@pytest.mark.parametrize(
    ("kind", "message"),
    [("pipe", "no file but a pipe, a socket or a device"), ("socket", "no file but a pipe"), ("empty", "is empty")],
)
def test_pipes_and_sockets_are_refused_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    path = Path("a.png")
    with socket.socket(socket.AF_UNIX) as made:
        {"pipe": os.mkfifo, "socket": lambda p: made.bind(str(p)), "empty": Path.touch}[kind](path)
        for read in (read_image, displayed_size):
            with pytest.raises(DataError, match=f"^a.png: {message}|^a.png: is {message}"):
                read(path)


def test_a_device_is_refused() -> None:
    with pytest.raises(DataError, match="/dev/zero: is no file but a pipe, a socket or a device"):
        read_image(Path("/dev/zero"))


def test_decompression_bombs_are_refused_and_merely_large_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw(tmp_path / "a.png", (40, 20))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # PIL warns above it, and raises above twice as much
    assert read_image(path).size == (40, 20)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    with pytest.raises(DataError, match=r"a\.png: has more pixels"):
        read_image(path)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16", "F", "deep colour", "deep colour and transparency"])
def test_how_many_rows_are_converted_at_a_time_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    draw_numbers = np.random.default_rng(0)
    path = tmp_path / ("a.tif" if mode == "F" else "a.png")
    if mode.startswith("deep"):
        channels = 4 if "transparency" in mode else 3
        cv2.imwrite(str(path), draw_numbers.integers(0, 4096, (70, 5, channels), dtype=np.uint16))
    elif mode == "I;16":
        Image.fromarray(draw_numbers.integers(0, 4096, (70, 5), dtype=np.uint16)).save(path)
    elif mode == "F":
        Image.fromarray(draw_numbers.random((70, 5), dtype=np.float32)).save(path)
    elif mode == "P":
        Image.fromarray(draw_numbers.integers(0, 9, (70, 5), dtype=np.uint8)).convert("P").save(path, transparency=3)
    else:
        rgba = Image.fromarray(draw_numbers.integers(0, 256, (70, 5, 4), dtype=np.uint8))
        rgba.convert(mode).save(path)
    found = []
    for rows in (1, 64, 1000):
        monkeypatch.setattr("clipgap.data.deep.ROWS", rows)
        found.append(np.array(read_image(path)))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    assert len(np.unique(found[0])) > 5
