"""Loggers: they are told all and change nothing."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from clipgap.engine.train import train
from clipgap.errors import ConfigError
from tests.runs import make_run, run_config

NONE = "augment.kind=none"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return make_run(tmp_path)


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


class Told:
    """A logger of somebody else's, for figures and pictures."""

    def __init__(self) -> None:
        self.lines: list[tuple[dict[str, float], int]] = []
        self.pictures: list[tuple[str, tuple[int, ...], int]] = []
        self.ended = ""
        self.experiment = self

    def log_metrics(self, numbers: dict[str, float], step: int) -> None:
        self.lines.append((numbers, step))

    def add_image(self, name: str, picture: Any, step: int, dataformats: str) -> None:
        assert dataformats == "HWC"
        self.pictures.append((name, picture.shape, step))

    def finalize(self, status: str) -> None:
        self.ended = status


def test_they_change_nothing(made: Path) -> None:
    plain = train(run_config(made, NONE, f"run.out={made / 'plain'}"), show=False)
    told = Told()
    logged = train(
        run_config(made, NONE, f"run.out={made / 'logged'}", "run.loggers=[csv]"), show=False, loggers=[cast(Any, told)]
    )
    assert weights(logged.path) == weights(plain.path)
    assert (logged.path / "metrics.jsonl").read_bytes() == (plain.path / "metrics.jsonl").read_bytes()
    lines = [json.loads(line) for line in (plain.path / "metrics.jsonl").read_text().splitlines()]
    assert [step for _, step in told.lines] == [line["step"] for line in lines]
    assert told.lines[0][0] == {key: value for key, value in lines[0].items() if key != "step"}
    validation = next(numbers for numbers, _ in told.lines if "validation" in numbers)
    assert any(name.startswith("per_class/") for name in validation)
    assert [(name, step) for name, _, step in told.pictures] == [("validation/0", 2), ("validation/0", 4)]
    assert told.ended == "success"
    with (logged.path / "logs/csv/version_0/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {int(row["step"]) for row in rows} == {1, 2, 3, 4}
    assert {float(row["lr"]) for row in rows if row["lr"]} == {line["lr"] for line in lines if "lr" in line}


def test_a_resumed_run_begins_a_version_of_its_own(made: Path) -> None:
    config = run_config(made, NONE, "run.loggers=[csv]", "train.steps=2")
    train(config, show=False)
    longer = run_config(made, NONE, "run.loggers=[csv]")
    train(longer, resume=True, show=False)
    assert sorted(one.name for one in (made / "run/logs/csv").iterdir()) == ["version_0", "version_1"]
    without = run_config(made, NONE, "train.steps=5")
    train(without, resume=True, show=False)


def test_what_is_not_installed_is_said(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipgap.engine.train.loggers.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"run\.loggers: tensorboard is not installed here: pip install tensorboard"):
        train(run_config(made, NONE, "run.loggers=[tensorboard]"), show=False)
    assert not (made / "run").exists()


class Failing(Told):
    """A service that is away."""

    def log_metrics(self, numbers: dict[str, float], step: int) -> None:
        raise ConnectionError("no route\nto host")


def test_one_that_fails_is_left_out(made: Path, capfd: pytest.CaptureFixture[str]) -> None:
    failing, told = Failing(), Told()
    train(run_config(made, NONE), show=False, loggers=[cast(Any, failing), cast(Any, told)])
    assert (len(told.lines), told.ended, failing.ended) == (6, "success", "")
    assert capfd.readouterr().err.count("warning: Failing fails and is left out (no route to host)") == 1


def test_what_they_wrote_is_not_in_the_way(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    config = run_config(made, NONE, "run.loggers=[csv]")
    with monkeypatch.context() as patch:
        patch.setattr("clipgap.engine.train.loop.Steps._save", killed)
        with pytest.raises(KeyboardInterrupt):
            train(config, show=False)
    (made / "run/metrics.jsonl").unlink()
    for file in (made / "run").glob("*.safetensors"):
        file.unlink()
    (made / "run/config.yaml").unlink(missing_ok=True)
    train(config, show=False)


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_takes_figures_and_pictures(made: Path) -> None:
    pytest.importorskip("tensorboard")
    train(run_config(made, NONE, "run.loggers=[tensorboard]"), show=False)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-not-found,unused-ignore]

    events = EventAccumulator(str(made / "run/logs/tensorboard/version_0")).Reload()
    assert [event.step for event in events.Scalars("validation")] == [2, 4]
    assert [event.step for event in events.Images("validation/0")] == [2, 4]
    assert "tensorboard" in sys.modules
