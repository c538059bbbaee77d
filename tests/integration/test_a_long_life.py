"""A job that goes on for long keeps no more than one that has just begun: tensors, open files, processes."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from clipgap.detector import Detector
from clipgap.engine.predict import predict
from clipgap.engine.train import train
from clipgap.engine.train.trainer import Trainer
from tests.runs import make_run, make_trained, run_config


def kept() -> tuple[int, int]:
    """How many tensors are alive and files open."""
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some libraries' lazy objects warn when they are looked at
        tensors = sum(issubclass(type(one), torch.Tensor) for one in gc.get_objects())
    return tensors, len(os.listdir("/proc/self/fd"))


def count_at(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, *calls: int) -> list[tuple[int, int]]:
    """What is kept at these calls of a method, filled in while they happen."""
    original: Callable[..., object] = getattr(owner, name)
    counts: list[tuple[int, int]] = []
    made: list[int] = []

    def counted(self: object, *arguments: object) -> object:
        made.append(1)
        if len(made) in calls:
            counts.append(kept())
        return original(self, *arguments)

    monkeypatch.setattr(owner, name, counted)
    return counts


@pytest.mark.parametrize("lever", ["augment.kind=none", "diversify={kinds: [photometric], views: 2}"])
def test_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lever: str) -> None:
    folder = make_run(tmp_path)
    counts = count_at(monkeypatch, Trainer, "step", 6, 14, 22)
    settings = ["augment.kind=none", lever, "train.steps=24", "train.validate_every=4", "average.over=ema"]
    train(run_config(folder, *settings), show=False)
    assert counts[0] == counts[1] == counts[2]


def test_prediction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = Detector.load(make_trained(tmp_path / "made") / "run").for_inference()
    (tmp_path / "in").mkdir()
    for number in range(40):
        Image.new("RGB", (96 + number % 7, 64), "grey").save(tmp_path / f"in/{number}.jpg")
    counts = count_at(monkeypatch, Detector, "detect", 10, 25, 40)
    predict(detector, [tmp_path / "in"], tmp_path / "out", show=False)
    assert max(tensors for tensors, _ in counts) - counts[0][0] <= 2  # two pictures are drawn while the next is read
    assert max(files for _, files in counts) - min(files for _, files in counts) <= 3
