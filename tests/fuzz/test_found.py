"""Inputs that broke the law once, and what is said to them now."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from clipgap.clip import load_clip
from clipgap.config import ClipConfig
from clipgap.data.images import read_image
from clipgap.errors import ClipgapError, DataError, WeightsError
from clipgap.parse import UnreadableError, parse_yaml
from clipgap.weights import read_file
from tests.datasets import data_config, make_yolo, voc_xml
from tests.fuzz.clip import SMALL
from tests.fuzz.config import CONFIG, DATA
from tests.fuzz.images import EPS
from tests.fuzz.look import look
from tests.fuzz.target import UnclearError, judge, require_clear
from tests.fuzz.voc import VOC
from tests.fuzz.weights import nested


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (f"{'1:' * 300}1.5", "a value cannot be read: int too large"),  # to the base of 60, beyond any float
        (f"{'1:' * 50_000}1", "a number of thousands of digits"),  # took the square of its length
        (f"0x{'f' * 2000}", "a number of thousands of digits"),
    ],
)
def test_numbers_of_yaml_that_python_cannot_hold(value: str, said: str) -> None:
    with pytest.raises(UnreadableError, match=said):
        parse_yaml(f"a: {value}")
    assert parse_yaml(f"a: '{value}'\nb: 1:30") == {"a": value, "b": 90}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('data: "a\\0b"', r"a\\x00b: no file has such a name"),
        ("data: " + DATA.replace("{", '{root: "~\\0", ', 1), r"~\\x00: no folder has such a name"),
        ('data: "a\\nb\\e[31m"', r"a\\nb\\x1b\[31m: cannot be read \(No such file"),
    ],
)
def test_names_in_a_config_that_no_file_can_have(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ClipgapError, match=said) as told:
        CONFIG.read(text.encode(), tmp_path)
    require_clear(str(told.value))


def test_a_message_can_be_shown_whatever_it_tells_of() -> None:
    error = DataError("caf\u00e9 \ud800 \x1b[31m \u2028\nsecond line")
    assert str(error) == "caf\u00e9 \\ud800 \\x1b[31m \\u2028\nsecond line"
    assert str(error).encode()


def test_a_path_of_thousands_of_folders_is_not_looked_for_in_thousands_of_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_yolo(tmp_path, {"a": ""})
    looks, isdir = [0], os.path.isdir
    monkeypatch.setattr(os.path, "isdir", lambda path: looks.__setitem__(0, looks[0] + 1) or isdir(path))
    (root / "listed.txt").write_text("val/" * 2000 + "a.png")
    with pytest.raises(DataError, match="no such image"):
        look(data_config(root, "yolo", train="listed.txt"))
    (root / "data.yaml").write_text(f"names: [car]\ntrain: {'val/' * 2000}")
    with pytest.raises(DataError, match="no folder or list of images"):
        look(data_config(root, "yolo", train="train"))
    assert looks[0] < 5000


@pytest.mark.parametrize("error", [RuntimeError("odd"), AssertionError(), ZeroDivisionError(), RecursionError()])
def test_whatever_a_decoder_stumbles_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(_: Any) -> None:
        raise error

    Image.new("RGB", (3, 2)).save(tmp_path / "a.png")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fails)
    with pytest.raises(DataError, match=rf"a\.png: the image cannot be read \({str(error) or type(error).__name__}\)"):
        read_image(tmp_path / "a.png")


def test_no_program_is_started_for_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: Any, **__: Any) -> None:
        raise AssertionError("Ghostscript")

    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", started)
    (tmp_path / "a.png").write_bytes(EPS)
    with pytest.raises(DataError, match="not an image, or of an unknown format"):
        read_image(tmp_path / "a.png")


def shapes() -> dict[str, torch.Tensor]:
    return dict(SMALL.build().state_dict())


def odd_clips() -> dict[str, tuple[Any, str]]:
    own = shapes()
    wide = {
        name: torch.zeros(tensor.shape[0] * 10**7, 0) if tensor.ndim > 1 else tensor for name, tensor in own.items()
    }
    return {
        "nothing in its tensors": ({name: torch.zeros(0, 0) for name in own}, "its tensors are of no size for"),
        "sizes of millions": (wide, "no CLIP: its tensors are of no size for image_size"),
        "a list for a state": ({"state_dict": [1]}, "no CLIP with an image tower that fits"),
        "numbers for names": ({1: torch.zeros(1), 2.5: torch.zeros(1)}, "no CLIP with an image tower that fits"),
    }


@pytest.mark.parametrize("kind", odd_clips())
def test_a_clip_of_sizes_that_no_model_has(tmp_path: Path, kind: str) -> None:
    content, said = odd_clips()[kind]
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match=said):
        load_clip(ClipConfig(name="tiny", file=str(tmp_path / "a.pt"), quick_gelu=True))


def write_script(path: Path, data: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/constants.pkl", b"\x80\x02).")
        archive.writestr("a/data.pkl", data)


def test_objects_in_objects_without_end_are_not_walked_through(tmp_path: Path) -> None:
    write_script(tmp_path / "a.pt", nested(40))
    with pytest.raises(WeightsError, match="damaged, or not a file of weights"):
        read_file(tmp_path / "a.pt")
    write_script(tmp_path / "b.pt", nested(8))
    assert read_file(tmp_path / "b.pt") == {}


def test_no_room_is_made_for_what_a_pickle_says_that_it_remembers(tmp_path: Path) -> None:
    memo = b"\x80\x02}r\xff\xff\xff\x00."  # a quarter of a gigabyte; with r\xff\xff\xff\x7f 32
    (tmp_path / "a.pkl").write_bytes(memo)
    write_script(tmp_path / "a.pt", memo)
    for name in ("a.pkl", "a.pt"):
        with pytest.raises(WeightsError, match="damaged, or not a file of weights"):
            read_file(tmp_path / name, numpy=True)


def test_an_archive_that_is_far_larger_unpacked_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"\0" * (2**26 + 10**6))
    with pytest.raises(WeightsError, match=r"an archive that would be 68,108,864 bytes unpacked"):
        read_file(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.zeros(1).expand(10**9), "a tensor of 1,000,000,000 numbers, of which 1 are there"),
        (torch.zeros(2, device="meta"), "of a kind that is no weights"),
        (torch.eye(2).to_sparse(), "of a kind that is no weights"),
        (torch.zeros(2).to(torch.float8_e4m3fn), "of a kind that is no weights"),
        (torch.zeros(2, dtype=torch.complex64), "of a kind that is no weights"),
    ],
    ids=["expanded", "meta", "sparse", "float8", "complex"],
)
def test_tensors_that_are_no_plain_numbers_are_told(tmp_path: Path, tensor: torch.Tensor, said: str) -> None:
    torch.save({"model": {"w": tensor}}, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match=said):
        read_file(tmp_path / "a.pt")


def test_a_name_in_a_pickle_of_thousands_of_letters_is_told_in_short(tmp_path: Path) -> None:
    write_script(tmp_path / "a.pt", b"\x80\x02c" + b"os" * 3000 + b"\nsystem\n.")
    with pytest.raises(WeightsError, match="holds Python objects") as told:
        read_file(tmp_path / "a.pt")
    assert len(str(told.value)) < 700


def test_the_judge_finds_what_breaks_the_law(tmp_path: Path) -> None:
    """Else none of the tests here would show anything."""

    def of(read: Any) -> str | None:
        return judge(VOC.__class__("x", list, lambda data, folder: read()), b"", tmp_path)

    def raises(error: BaseException) -> Any:
        def read() -> None:
            raise error

        return read

    assert of(lambda: None) is None
    assert of(raises(DataError("a.png: is empty"))) is None
    assert str(of(raises(KeyError("x")))).startswith("KeyError in test_found.py:")
    assert str(of(raises(DataError("")))) == "a message with an empty line"
    assert "letters" in str(of(raises(DataError("a" * 3000))))
    with pytest.raises(UnclearError, match="x1b"):
        require_clear("\x1b[31m")


def test_a_good_voc_file_with_a_name_of_control_characters_is_told_in_letters(tmp_path: Path) -> None:
    VOC.prepare(tmp_path)
    text = voc_xml([("car", (30, 1, 20, 10))]).replace("car", "car&#10;&#8232;")
    with pytest.raises(DataError) as told:
        VOC.read(text.encode(), tmp_path)
    require_clear(str(told.value))
    assert json.dumps(str(told.value))
