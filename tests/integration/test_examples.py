"""The programs in examples/ do what they say."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from clipgap.detector import Detector
from clipgap.detectors import MINI_WORLD
from clipgap.export import export_onnx
from clipgap.web.session import draw_streets
from tests.runs import make_run

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *words: object) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_tested() -> None:
    assert {file.name for file in EXAMPLES.glob("*.py")} == {
        "onnx_numpy.py",
        "own_loop.py",
        "predict_to_sqlite.py",
        "ray_train.py",
    }


def test_a_loop_of_ones_own(tmp_path: Path) -> None:
    made = make_run(tmp_path)
    out = run("own_loop.py", made / "config.yaml", made / "own", "train.steps=3")
    assert [line.split()[0] for line in out.splitlines()] == ["1", "2", "3", "clipgap"]
    assert "loss_classifier" in out
    assert Detector.load(made / "own").spec.description.endswith("a loop of our own")


def test_predictions_into_a_database(tmp_path: Path) -> None:
    files = []
    for number, (_, picture) in enumerate(draw_streets(5, 3)):
        files.append(tmp_path / f"{number}.png")
        picture.save(files[-1])
    database = tmp_path / "found.db"
    run("predict_to_sqlite.py", MINI_WORLD, database, *files[:2])
    run("predict_to_sqlite.py", MINI_WORLD, database, *files)
    connection = sqlite3.connect(database)
    try:
        assert [file for (file,) in connection.execute("SELECT file FROM pictures")] == list(map(str, files))
        expected = Detector.load(MINI_WORLD).for_inference().predict(str(files[2]), score=0.3)
        rows = connection.execute("SELECT class, score, x1 FROM detections WHERE file = ?", (str(files[2]),)).fetchall()
    finally:
        connection.close()
    assert [name for name, *_ in rows] == list(expected.data["class_name"])
    assert [x1 for *_, x1 in rows] == pytest.approx(expected.xyxy[:, 0].tolist())


def test_an_exported_detector_without_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for number, (_, picture) in enumerate(draw_streets(5, 2)):
        files.append(tmp_path / f"{number}.png")
        picture.save(files[-1])
    detector = Detector.load(MINI_WORLD)
    export_onnx(detector, tmp_path / "exported")
    absent = tmp_path / "absent"
    absent.mkdir()
    for package in ("torch", "clipgap"):
        (absent / f"{package}.py").write_text("raise ImportError('not to be needed')")
    monkeypatch.setenv("PYTHONPATH", str(absent))
    rows = [line.rsplit(" ", 6) for line in run("onnx_numpy.py", tmp_path / "exported", *files).splitlines()]
    expected = [(file, detector.predict(str(file), score=0.3)) for file in files]
    assert [row[:2] for row in rows] == [
        [str(file), name] for file, found in expected for name in found.data["class_name"]
    ]
    corners = [side for _, found in expected for box in found.xyxy for side in box]
    assert [float(side) for row in rows for side in row[3:]] == pytest.approx(corners, abs=0.06)
