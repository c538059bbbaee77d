"""Ctrl-C and SIGTERM: what is saved, and that what goes on from there ends the same."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from clipgap.augment import SemanticAugmentations
from clipgap.detector import Detector
from clipgap.engine.fit import fit
from clipgap.engine.fitter import Fitter
from clipgap.engine.stopping import AGAIN, StopAtOnce, Stopping, stop_signals
from clipgap.engine.train import train
from clipgap.engine.train.trainer import Trainer
from clipgap.errors import Interrupted
from tests.groups import Told
from tests.runs import copy_without_run, make_trained, run_config


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with fitted offsets and a run that nobody interrupted."""
    return make_trained(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The same without the run."""
    return copy_without_run(made, tmp_path / "copy")


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Nobody keeps hearing signals after a job."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def signalled(owner: type, name: str, call: int, number: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have a signal come during one of the calls of a method; gives what takes that back."""
    original, calls = getattr(owner, name), []

    def with_signal(self: Any, *arguments: Any, **keys: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            signal.raise_signal(number)
        return original(self, *arguments, **keys)

    monkeypatch.setattr(owner, name, with_signal)
    return lambda: monkeypatch.setattr(owner, name, original)


def metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def same_runs(one: Path, other: Path) -> bool:
    first, second = (load_file(run / "model.safetensors") for run in (one, other))
    equal = all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    return equal and metrics(one) == metrics(other)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", [1, 2])
def test_fit_saves_where_it_is_and_goes_on_to_the_same_offsets(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: int
) -> None:
    again = folder / "again.safetensors"
    take_back = signalled(Fitter, "move", step, number, monkeypatch)
    with pytest.raises(Interrupted, match=f"saved at step {step} of 3, in .*again.safetensors.resume") as told:
        fit(run_config(folder), again, show=False)
    assert (told.value.exit_code, told.value.resume) == (128 + number, True)
    take_back()
    resumed = fit(run_config(folder), again, resume=True, show=False)
    assert torch.equal(resumed.offsets, SemanticAugmentations.load(folder / "aug.safetensors").offsets)


def test_a_fit_without_a_file_says_that_nothing_is_saved(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signalled(Fitter, "move", 1, signal.SIGINT, monkeypatch)
    with pytest.raises(Interrupted, match="without `out` nothing is saved") as told:
        fit(run_config(folder), show=False)
    assert not told.value.resume


def test_a_signal_in_the_last_step_of_a_fit_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signalled(Fitter, "move", 3, signal.SIGINT, monkeypatch)
    fit(run_config(folder), folder / "again.safetensors", show=False)
    assert (folder / "again.safetensors").is_file()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("step", "due"), [(1, False), (2, True), (3, False), (4, True)])
def test_train_saves_where_it_is_and_goes_on_to_the_same_weights(
    made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: int, due: bool
) -> None:
    take_back = signalled(Trainer, "step", step, number, monkeypatch)
    with pytest.raises(Interrupted, match=f"saved at step {step} of 4") as told:
        train(run_config(folder), show=False)
    assert told.value.exit_code == 128 + number
    checkpoint = torch.load(folder / "run/checkpoint.pt", weights_only=True)
    assert (checkpoint["step"], checkpoint["due"]) == (step, due)
    take_back()
    trained = train(run_config(folder), resume=True, show=False)
    assert same_runs(folder / "run", made / "run")
    assert trained.seconds > checkpoint["seconds"] > 0


@pytest.mark.parametrize("call", [1, 2])
def test_a_validation_that_is_broken_off_is_made_up_for(
    made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    take_back = signalled(Detector, "detect", call, signal.SIGINT, monkeypatch)
    with pytest.raises(Interrupted, match=f"saved at step {2 * call} of 4"):
        train(run_config(folder), show=False)
    assert [line["step"] for line in metrics(folder / "run") if "validation" in line] == [2][: call - 1]
    take_back()
    train(run_config(folder), resume=True, show=False)
    assert same_runs(folder / "run", made / "run")


def test_a_second_signal_stops_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        time.sleep(1.1 * AGAIN)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Trainer, "step", twice)
    with pytest.raises(StopAtOnce) as told:
        train(run_config(folder), show=False)
    assert told.value.signal == signal.SIGTERM
    assert not (folder / "run/checkpoint.pt").exists()


def test_a_signal_that_is_passed_on_twice_is_one_request() -> None:
    with stop_signals() as stopping:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert stopping.signal == signal.SIGTERM


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_signals() as stopping:
            signal.raise_signal(signal.SIGINT)
        assert stopping.signal == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_a_thread_nothing_is_heard_and_nothing_breaks() -> None:
    heard: list[int] = []

    def job() -> None:
        with stop_signals() as stopping:
            heard.append(stopping.signal)

    thread = threading.Thread(target=job)
    thread.start()
    thread.join()
    assert heard == [0]


def test_all_processes_stop_when_one_is_asked() -> None:
    """Of two processes this one was not asked."""
    stopping = Stopping()
    assert stopping.agreed(Told([signal.SIGTERM]))
    assert stopping.signal == signal.SIGTERM


def test_what_is_heard_while_processes_agree_is_kept_for_the_next_time() -> None:
    stopping = Stopping()

    class Late(Told):
        def exchange(self, mine: int) -> list[int]:  # type: ignore[override]
            stopping.signal = signal.SIGTERM
            return [mine, 0]

    assert not stopping.agreed(Late([0]))
    assert stopping.agreed(Told([0]))
