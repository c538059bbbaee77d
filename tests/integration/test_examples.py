"""The programs in examples/ do what they say."""

from __future__ import annotations

import ast
import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clipgap.detector import Detector
from clipgap.detectors import MINI_WORLD
from clipgap.export import export_onnx
from clipgap.web.session import draw_streets
from tests.runs import make_run

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOK = EXAMPLES / "clipgap_in_ten_minutes.ipynb"
SHORTEST = {"SCENES": "8", "STEPS": "2", "FIT_STEPS": "1"}
"""The settings at the top of the notebook that let it go by fast, and learn nothing."""


def run(name: str, *words: object) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_tested() -> None:
    programs = {"onnx_numpy.py", "own_loop.py", "predict_to_sqlite.py", "ray_train.py"}
    assert {file.name for file in EXAMPLES.iterdir() if file.is_file()} == {*programs, NOTEBOOK.name}


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


def test_the_notebook_is_stored_without_what_a_run_leaves() -> None:
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    names = [cell["id"] for cell in content["cells"]]
    assert len(set(names)) == len(names)
    for cell in content["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"], cell["metadata"]) == ([], None, {}), cell["id"]
            ast.parse(source, cell["id"])
        for target in re.findall(r"\]\(([^)#:]+)\)", source if cell["cell_type"] == "markdown" else ""):
            assert (EXAMPLES / target).exists(), f"{cell['id']} links to {target}"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Jupyter's own
def test_the_notebook_runs_from_top_to_bottom(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    for name, value in {**SHORTEST, "TMPDIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {cell["id"]: cell["outputs"] for cell in notebook.cells if cell["cell_type"] == "code"}
    assert "mean of targets" in text_of(shown["compare"])
    assert "an image taken on a fog day {'before'" in text_of(shown["fit"])
    assert all("image/png" in shown[name][-1]["data"] for name in ("look", "sheet"))
    (made,) = tmp_path.glob("clipgap_*")
    assert {"world", "base", "robust"} == {path.name for path in made.iterdir() if path.is_dir()}


def text_of(outputs: list[dict[str, Any]]) -> str:
    return "".join(one["text"] for one in outputs if one.get("name") == "stdout")
