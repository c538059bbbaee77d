"""`clipgap compare` as a user meets it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from clipgap.detector import Detector
from clipgap.engine.train import train
from tests.command_line import run
from tests.runs import make_trained, run_config


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_trained(tmp_path_factory.mktemp("compare"))
    for name, settings in {
        "b1": ("run.seed=1",),
        "r0": ("recipe=robust",),
        "r1": ("recipe=robust", "run.seed=1"),
    }.items():
        train(run_config(folder, f"run.out={folder / name}", *settings), show=False)
    Detector.load(folder / "run").save(folder / "alone")
    return folder


def test_seeds_are_grouped_and_nothing_is_detected_twice(
    made: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [made / name for name in ("run", "r1", "b1", "r0")]
    code, out, err = run(capfd, "compare", *runs, "--csv", tmp_path / "c.csv", "--workers", 0)
    assert code == 0, err
    for part in (
        f"A  {made / 'run'}, b1  (seeds 0, 1)",
        f"B  {made / 'r0'}, r1  (seeds 0, 1)",
        "diversify.views: A 1 | B 2",
    ):
        assert part in out
    monkeypatch.setattr(Detector, "detect", None)
    code, out, err = run(capfd, "compare", *runs, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [[one["seed"] for one in series["runs"]] for series in told["series"]] == [[0, 1], [0, 1]]
    with (tmp_path / "c.csv").open() as file:
        rows = list(csv.DictReader(file))
    mean = next(row for row in rows if (row["series"], row["domain"]) == ("B", "mean of targets"))
    assert float(mean["difference"]) == told["series"][1]["domains"]["mean of targets"]["difference"]["mean"]
    code, out, err = run(capfd, "evaluate", made / "r1", "--json")
    assert (code, json.loads(out)["mean_targets"]) == (0, told["series"][1]["runs"][1]["mean_targets"])


def test_a_detector_of_unknown_settings(made: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(
        capfd, "compare", made / "run", made / "alone", "--config", made / "run/run.yaml", "--workers", 0
    )
    assert code == 0, err
    assert "how B was trained is not known (no run.yaml)" in out
    assert "B: no seed in common with A" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "compare sets at least two runs side by side"),
        (["run", "nowhere"], "nowhere: no such folder"),
        (["run", "data"], "data: holds no detector"),
        (["run", "run/../run"], "is named twice (run): leave one of them out"),
        (["run", "alone"], "alone: has no run.yaml to say what to score; give --config"),
        (["run", "b1", "--csv", "config.yaml"], "config.yaml: is there already"),
        (["run", "b1", "--csv", "data/daytime_clear/VOC2007/c.csv"], "inside"),
        (["run", "b1", "--set", "train.steps=3"], "has no effect on scores"),
        (["run", "b1", "--set", "run.devices=2"], "here one process scores"),
        (["run", "b1", "--set", "data.root=nowhere"], "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_one_line(
    made: Path, capfd: pytest.CaptureFixture[str], words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    code, out, err = run(capfd, "compare", *words)
    assert (code, out, len(err.splitlines())) == (2, "", 1), err
    assert said in err
