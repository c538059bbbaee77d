"""A crash at any write of a job: it is begun again or gone on with, ends the same, and nothing else is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipgap.engine.fit import fit
from clipgap.engine.names import half_done
from clipgap.engine.train import train
from tests.crashes import MOMENTS, Crash, Moment, Writes
from tests.runs import copy_without_run, make_trained, run_config

WRITES_OF_TRAIN, WRITES_OF_FIT = 15, 4
CASES = [(number, moment) for number in range(1, WRITES_OF_TRAIN + 1) for moment in MOMENTS]
FAST = [(number, MOMENTS[number % 4]) for number in range(1, WRITES_OF_TRAIN + 1)]
"""Every write once."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with fitted offsets and a run, both without any crash."""
    return make_trained(tmp_path_factory.mktemp("whole"))


def contents(folder: Path) -> dict[str, bytes]:
    """What is to be the same, whatever happened; of what tells of time and machine, that it is there."""
    told = ("environment.json", "checkpoint.pt", "checkpoint.pt.before", "run.yaml")
    return {path.name: b"" if path.name in told else path.read_bytes() for path in folder.iterdir()}


def crash(work: object, monkeypatch: pytest.MonkeyPatch, number: int, moment: Moment) -> int:
    """Do some work until it dies; how many writes it has begun."""
    writes = Writes(monkeypatch, number, moment)
    with monkeypatch.context() as patch:
        writes.monkeypatch = patch
        try:
            with writes.watched():
                work()  # type: ignore[operator]
        except Crash:
            pass
    return writes.count


def go_on(folder: Path, resume: bool) -> None:
    train(run_config(folder), resume=resume, show=False)


def check_train(made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, moment: Moment) -> None:
    crash(lambda: train(run_config(folder), show=False), monkeypatch, number, moment)
    run = folder / "run"
    saved = any((run / name).is_file() for name in ("checkpoint.pt", "checkpoint.pt.before", "config.yaml"))
    saved = saved or ((run / "metrics.jsonl").is_file() and "validation" in (run / "metrics.jsonl").read_text())
    begun = (run / "run.yaml").is_file()
    assert begun or not saved
    go_on(folder, resume=saved or (begun and number % 2 == 0))  # what has saved nothing may also be begun again
    assert contents(run) == contents(made / "run")


@pytest.mark.parametrize(("number", "moment"), FAST)
def test_a_crash_in_training(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, moment: Moment
) -> None:
    check_train(made, copy_without_run(made, tmp_path / "copy"), monkeypatch, number, moment)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "moment"), [case for case in CASES if case not in FAST])
def test_a_crash_at_any_moment_of_training(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, moment: Moment
) -> None:
    check_train(made, copy_without_run(made, tmp_path / "copy"), monkeypatch, number, moment)


def test_these_are_all_writes(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_without_run(made, tmp_path / "copy")
    assert crash(lambda: train(run_config(folder), show=False), monkeypatch, 0, "before") == WRITES_OF_TRAIN
    monkeypatch.setattr("clipgap.engine.fit.SAVE_EVERY", 1)
    again = folder / "again.safetensors"
    assert crash(lambda: fit(run_config(folder), again, show=False), monkeypatch, 0, "before") == WRITES_OF_FIT - 1


@pytest.mark.parametrize("number", range(1, WRITES_OF_FIT))
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_crash_in_fitting(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, moment: Moment
) -> None:
    monkeypatch.setattr("clipgap.engine.fit.SAVE_EVERY", 1)
    folder = copy_without_run(made, tmp_path / "copy")
    (folder / "fitted").mkdir()
    out = folder / "fitted/offsets.safetensors"
    crash(lambda: fit(run_config(folder), out, show=False), monkeypatch, number, moment)
    saved = half_done(out)
    resume = saved.is_file() or saved.with_name(f"{saved.name}.before").is_file()
    fit(run_config(folder), out, resume=resume, show=False)
    assert contents(out.parent) == {out.name: (made / "aug.safetensors").read_bytes()}
