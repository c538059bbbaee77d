"""A step whose loss or gradient is not finite is not taken: it is written down, and ends the run or is left out."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from clipgap.detector import Detector
from clipgap.engine.train import train
from clipgap.engine.train.trainer import Trainer
from clipgap.errors import TrainingError
from tests.runs import copy_without_run, make_trained, run_config


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trained(tmp_path_factory.mktemp("job"))


@pytest.fixture
def fresh(made: Path, tmp_path: Path) -> Path:
    """The inputs and offsets, without the run."""
    return copy_without_run(made, tmp_path / "job")


class _BreakGradient(torch.autograd.Function):
    @staticmethod
    def forward(_: object, loss: Tensor) -> Tensor:
        return loss.clone()

    @staticmethod
    def backward(_: object, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return gradient * math.nan


def break_gradient(loss: Tensor) -> Tensor:
    return _BreakGradient.apply(loss)  # type: ignore[no-any-return, no-untyped-call]


def break_loss(loss: Tensor) -> Tensor:
    return loss * math.inf


Break = Callable[[Tensor], Tensor]
BOTH = pytest.mark.parametrize(
    ("fault", "said"),
    [(break_gradient, "the gradient is not finite"), (break_loss, "loss_objectness not finite")],
    ids=["gradient", "loss"],
)


def break_steps(monkeypatch: pytest.MonkeyPatch, fault: Break, *steps: int) -> None:
    """Have something in the loss of these steps, from 1, go wrong."""
    forward, taken = Detector.forward, []

    def broken(self: Detector, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> object:
        losses = forward(self, images, targets)
        if self.training:
            taken.append(1)
            if len(taken) in steps:
                losses["loss_objectness"] = fault(losses["loss_objectness"])
        return losses

    monkeypatch.setattr(Detector, "forward", broken)


@BOTH
def test_it_ends_the_run_with_the_images_named_and_the_last_weights_kept(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, fault: Break, said: str
) -> None:
    break_steps(monkeypatch, fault, 4)
    with pytest.raises(TrainingError, match=rf"^train, step 4: {said}; lower train\.lr.*bad_batch\.json$"):
        train(run_config(fresh), show=False)
    (bad,) = json.loads((fresh / "run/bad_batch.json").read_text())
    assert bad["step"] == 4
    assert len(bad["images"]) == 2
    assert all(Path(image).is_file() for image in bad["images"])
    assert (bad["loss_objectness"] == "inf") is (fault is break_loss)
    assert torch.load(fresh / "run/checkpoint.pt", weights_only=True)["step"] == 2
    for tensor in Detector.load(fresh / "run").state_dict().values():
        assert tensor.isfinite().all()


def test_a_gradient_that_breaks_where_a_checkpoint_is_due_breaks_none(
    made: Path, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        break_steps(patch, break_gradient, 4)
        with pytest.raises(TrainingError):
            train(run_config(fresh), show=False)
    train(run_config(fresh), resume=True, show=False)
    one, other = (load_file(folder / "run/model.safetensors") for folder in (made, fresh))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@BOTH
def test_as_many_as_are_allowed_are_left_out(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], fault: Break, said: str
) -> None:
    break_steps(monkeypatch, fault, 2, 3)
    train(run_config(fresh, "train.skip_bad_steps=2"), show=False)
    assert f"warning: train, step 3: {said}" in capsys.readouterr().err.replace("\n", " ")
    lines = [json.loads(line) for line in (fresh / "run/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "gradient_norm" in line] == [1, 4]
    assert [bad["step"] for bad in json.loads((fresh / "run/bad_batch.json").read_text())] == [2, 3]
    assert torch.load(fresh / "run/checkpoint.pt", weights_only=True)["skipped"] == 2


def test_batch_norm_keeps_nothing_of_a_step_that_is_left_out(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, seen = Trainer.step, []

    def watched(self: Trainer, *arguments: Any) -> dict[str, float]:
        before = [buffer.clone() for buffer in self.statistics]
        try:
            return step(self, *arguments)
        finally:
            moved = [not torch.equal(one, other) for one, other in zip(before, self.statistics, strict=True)]
            seen.append(any(moved))

    monkeypatch.setattr(Trainer, "step", watched)
    break_steps(monkeypatch, break_gradient, 2)
    train(run_config(fresh, "batch_norm=train", "augment.kind=none", "train.skip_bad_steps=1"), show=False)
    assert seen == [True, False, True, True]


def test_one_more_than_is_allowed_ends_the_run_also_after_a_resume(
    fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        break_steps(patch, break_loss, 1)
        train(run_config(fresh, "train.skip_bad_steps=1", "train.steps=2", "train.lr_steps=[]"), show=False)
    break_steps(monkeypatch, break_loss, 1)
    with pytest.raises(TrainingError, match=r"^train, step 3: loss_objectness not finite"):
        train(run_config(fresh, "train.skip_bad_steps=1", "train.lr_steps=[]"), resume=True, show=False)


def norms(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    return [line["gradient_norm"] for line in lines if "gradient_norm" in line]


def test_a_long_gradient_is_made_shorter_and_a_short_one_left_alone(made: Path, fresh: Path, tmp_path: Path) -> None:
    longest = max(norms(made))
    train(run_config(fresh, f"train.clip_norm={2 * longest}"), show=False)
    one, other = (load_file(folder / "run/model.safetensors") for folder in (made, fresh))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    short = copy_without_run(made, tmp_path / "short")
    train(run_config(short, "train.clip_norm=0.001"), show=False)
    assert norms(short)[0] == norms(made)[0]  # as it was
    assert norms(short)[1] != norms(made)[1]
