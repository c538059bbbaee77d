"""Curves in letters and as a PNG."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from clipgap.report.history import history_of
from clipgap.report.terminal import in_letters
from tests.command_line import run

LINES = [
    {"step": 20, "lr": 0.02, "loss_a": 1.0, "loss_b": 2.0, "gradient_norm": 7.0},
    {"step": 30, "lr": 0.02},
    {"step": 40, "lr": 0.02, "loss_a": 1.0, "loss_b": 1.0},
    {"step": 40, "validation": 12.5, "per_class": {"car": 1.0}},
    {"step": 60, "lr": 0.02, "loss_a": 0.5, "loss_b": 0.5},
    {"step": 60, "validation": None, "per_class": {}},
    {"step": 60, "validation": 25.0, "per_class": {}},
]


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
        text = "".join(f"{json.dumps(line)}\n" for line in LINES)
        (folder / "metrics.jsonl").write_text(text + '{"step": 80, "lo')  # a line that is being written
    return folders


def test_what_is_read(runs: list[Path]) -> None:
    found = history_of(runs[0])
    assert found.losses == [(20, 3.0), (40, pytest.approx(2.9)), (60, pytest.approx(2.71))]
    assert found.validation == [(40, 12.5), (60, 25.0)]
    assert history_of(runs[0] / "nowhere").losses == []


def test_corners_are_marked() -> None:
    plot = in_letters("title", {"one": [(0, 1), (10, 3)], "two": [(0, 3)]}, 11, 3).splitlines()
    assert plot == [
        "title",
        "       3 |o         *",
        "         |",
        "       1 |*",
        "         +-----------",
        "    step  0        10",
        "          * one   o two",
    ]
    assert in_letters("title", {"one": []}) == ""
    assert "*" in in_letters("title", {"one": [(5, 5)]})


def test_the_verb(runs: list[Path], capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capfd, "plot", "metrics", *runs)
    assert code == 0
    assert f"* {runs[0]}   o {runs[1]}" in out
    assert run(capfd, "plot", "metrics", runs[0], "--out", tmp_path / "m.png")[0] == 0
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > picture.height > 300
    code, out, _ = run(capfd, "plot", "metrics", runs[0], "--json")
    assert json.loads(out)[str(runs[0])]["validation"] == [[40, 12.5], [60, 25.0]]


def test_mistakes(runs: list[Path], capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "has no metrics.jsonl" in run(capfd, "plot", "metrics", tmp_path / "empty")[2]
    (tmp_path / "empty/metrics.jsonl").touch()
    code, _, err = run(capfd, "plot", "metrics", tmp_path / "empty")
    assert (code, "has no line yet" in err) == (2, True)
    (tmp_path / "m.png").touch()
    assert run(capfd, "plot", "metrics", runs[0], "--out", tmp_path / "m.png")[0] == 2
    code, _, err = run(capfd, "plot", "metrics", *[f"{runs[0]}{number}" for number in range(7)])
    assert (code, "a plot has marks for 6 runs, not 7" in err) == (2, True)
    assert "is named twice" in run(capfd, "plot", "metrics", runs[0], runs[0])[2]


@pytest.mark.parametrize(
    "line",
    [
        b'{"step": 99, "lr": 1, "loss_a": "x"}',
        b"\xff\xfe",
        b'{"step": null, "validation": 1}',
        b'{"step": 99, "loss_a": NaN}',
        b"[]",
    ],
)
def test_lines_that_are_none_of_ours(runs: list[Path], capfd: pytest.CaptureFixture[str], line: bytes) -> None:
    plain = history_of(runs[0])
    with (runs[0] / "metrics.jsonl").open("ab") as file:
        file.write(b"\n" + line + b"\n")
    assert history_of(runs[0]) == plain
    assert run(capfd, "plot", "metrics", runs[0])[0] == 0


def test_odd_names_are_drawn(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names = ["run $\\frac$ x", "_hidden", "\udcff"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_text(json.dumps(LINES[0]) + "\n")
    code, _, err = run(capfd, "plot", "metrics", *(tmp_path / name for name in names), "--out", tmp_path / "m.png")
    assert code == 0, err


def test_nothing_that_is_there_is_replaced(runs: list[Path], capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        code, _, err = run(capfd, "plot", "metrics", runs[0], "--out", tmp_path / name)
        assert (code, "is there already" in err) == (2, True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "pipe").is_fifo()
