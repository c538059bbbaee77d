"""`data check` on YOLO sets and images that were made to break it: one clear line each, never a hang or a traceback."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from clipgap.cli.main import main
from tests.datasets import draw, make_yolo

BOX = "0 .5 .5 1 1\n1 .5 .5 .5 .5\n"
IMAGE, LABELS, DESCRIPTION = "images/train/a.png", "labels/train/a.txt", "data.yaml"


def write(name: str, content: str | bytes) -> Callable[[Path], None]:
    return lambda root: (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def looped(root: Path) -> None:
    os.symlink(root / "images", root / "images/train/loop")
    os.symlink("nowhere.png", root / "images/train/b.png")


def capitals(root: Path) -> None:
    (root / LABELS).rename(root / "labels/train/a.TXT")
    for folder in ("images", "labels"):
        (root / folder / "train").rename(root / folder / "TRAIN")
        (root / folder).rename(root / folder.upper())
    (root / DESCRIPTION).rename(root / "Set.YML")
    (root / "Set.YML").write_text("names: [car, person]")


def missing(root: Path) -> None:
    (root / "t.txt").write_text("x/a.jpg\n" * 50)
    (root / DESCRIPTION).write_text("train: t.txt\nnames: [car]")


def piped(root: Path) -> None:
    (root / DESCRIPTION).unlink()
    os.mkfifo(root / "x.yaml")


def below_images(root: Path) -> None:
    shutil.move(root / DESCRIPTION, root.parent / DESCRIPTION)


def deep(value: int) -> Callable[[Path], None]:
    return lambda root: Image.fromarray(np.full((20, 40), value, dtype=np.uint16)).save(root / IMAGE)


def cut_in_the_second_frame(root: Path) -> None:
    noise = [Image.fromarray(np.random.default_rng(n).integers(0, 255, (20, 40, 3), np.uint8)) for n in range(4)]
    noise[0].save(root / "a.gif", save_all=True, append_images=noise[1:])
    content = (root / "a.gif").read_bytes()
    (root / IMAGE).write_bytes(content[: int(len(content) * 0.4)])
    (root / "a.gif").unlink()


# The one warning of a set without fault: its source has no `val`.
NASTY: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "a label file of zeros": (write(LABELS, bytes(100_000)), 2, "line 1: '\\x00"),
    "a line of a million numbers": (write(LABELS, "0 " * 10**6), 2, "1000000 numbers: neither a box (5 numbers) nor"),
    "UTF-16 labels": (write(LABELS, BOX.encode("utf-16")), 2, "a.txt: not UTF-8 text: save it as UTF-8"),
    "UTF-16 description": (write(DESCRIPTION, "names: [a]".encode("utf-16")), 2, "data.yaml: not UTF-8 text"),
    "lines that end in CR": (write(LABELS, BOX.replace("\n", "\r")), 0, "0 errors, 1 warning"),
    "predictions": (
        write(LABELS, "0 .5 .5 1 1 .9\n" * 10),
        2,
        "error: 10 times: a sixth number: looks like a prediction",
    ),
    "a loop and a broken link": (looped, 2, "b.png: no such image"),
    "all in capitals": (capitals, 0, "0 errors, 1 warning"),
    "a folder for an image": (
        lambda root: draw(root / "images/train/b.png/c.png"),
        2,
        "b.png: is a folder, not a file",
    ),
    "a list that is missing all": (
        missing,
        2,
        "50 times: no such image: add it, correct the line, or remove it (first:",
    ),
    "a number for names": (
        write(DESCRIPTION, "names: 80"),
        2,
        "data.yaml: `names` must list the classes, or be a file",
    ),
    "a pipe as description": (piped, 2, "x.yaml: is no file but a pipe, a socket or a device"),
    "an image of no bytes": (write(IMAGE, b""), 2, "a.png: is empty (0 bytes): replace or remove it"),
    "a 12-bit image": (deep(4095), 0, "a.png: 12 bits: its pixels of 16 or more bits hold fewer"),
    "a black deep image": (deep(0), 0, "0 errors, 1 warning"),
    "frames cut short": (cut_in_the_second_frame, 0, "a.png: holds several frames or pages: the first is used"),
    "a description above": (below_images, 2, "data.yaml: does not exist, nor another .yaml with `names`"),
}


def data_check(root: Path) -> int:
    source = {"name": "s", "format": "yolo", "root": str(root), "train": "train"}
    file = root.parent / "config.yaml"
    file.write_text(yaml.safe_dump({"data": {"classes": ["car", "person"], "source": source}}))
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", "--config", str(file)])
    return int(ended.value.code or 0)


@pytest.mark.parametrize("name", NASTY)
def test_data_check_says_it_in_a_line(tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    spoil, code, said = NASTY[name]
    root = make_yolo(tmp_path / "set", {"a": BOX})
    spoil(root)
    assert data_check(root) == code
    out, err = capfd.readouterr()
    (line,) = [line for line in out.splitlines() if said in line]
    assert len(line.replace(str(root), "")) < 500
    assert "Traceback" not in err


def test_names_of_files_that_are_no_text_are_printed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_yolo(tmp_path / "set", {"a": BOX})
    try:
        Path(os.fsdecode(os.fsencode(root / "labels/train") + b"/caf\xe9.txt")).write_text(BOX)
    except OSError:
        pytest.skip("the file system takes names of text only")
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding="utf-8"))
    assert data_check(root) == 0
    sys.stdout.flush()
    assert r"labels/train/caf\udce9.txt: a label file without an image" in printed.getvalue().decode()
