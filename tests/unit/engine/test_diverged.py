"""What is not finite is named and never takes the place of what is: weights in files, and after a step of training."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from clipgap.augment import SemanticAugmentations
from clipgap.clip import load_clip
from clipgap.data import load_domains
from clipgap.detector import Detector
from clipgap.engine.evaluate import evaluate_run
from clipgap.engine.fit import fit, training_set
from clipgap.engine.fitter import Fitter, Losses
from clipgap.engine.names import half_done
from clipgap.engine.run_folder import RunFolder
from clipgap.engine.train import train
from clipgap.engine.train.augmentation import make_augmentation, refit
from clipgap.engine.train.batches import Batch
from clipgap.engine.train.trainer import Trainer
from clipgap.errors import TrainingError, WeightsError
from tests.runs import copy_without_run, make_trained, run_config


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything fitted and trained once."""
    return make_trained(tmp_path_factory.mktemp("job"))


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "job")
    return tmp_path / "job"


@pytest.fixture
def fresh(made: Path, tmp_path: Path) -> Path:
    """The same inputs and offsets, without the run."""
    return copy_without_run(made, tmp_path / "job")


def break_at(monkeypatch: pytest.MonkeyPatch, last: int) -> None:
    """The optimiser's step number `last` leaves two weights that no loss of this step has seen."""
    step, taken = Trainer.step, []

    def broken(self: Trainer, batch: Batch, seed: int, number: int) -> dict[str, float]:
        figures = step(self, batch, seed, number)
        taken.append(seed)
        if len(taken) == last:
            with torch.no_grad():
                self.detector.backbone.layer3[0].conv1.weight.view(-1)[:2] = torch.tensor([math.nan, math.inf])
        return figures

    monkeypatch.setattr(Trainer, "step", broken)


@pytest.mark.parametrize(("last", "kept"), [(4, 2), (2, None)], ids=["the very last step", "before any was saved"])
def test_weights_broken_by_a_step_are_named_and_not_saved(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, last: int, kept: int | None
) -> None:
    break_at(monkeypatch, last)
    name = r"backbone\.layer3\.0\.conv1\.weight"
    with pytest.raises(TrainingError, match=rf"^train, step {last}: 2 weights are not finite, the first in {name}"):
        train(run_config(fresh), show=False)
    run = fresh / "run"
    assert (run / "model.safetensors").is_file() is (run / "checkpoint.pt").is_file() is (kept is not None)
    if kept is not None:
        Detector.load(run)
        assert torch.load(run / "checkpoint.pt", weights_only=True)["step"] == kept
    validated = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in validated if "validation" in line] == ([kept] if kept else [])


def test_a_checkpoint_that_is_not_finite_is_not_gone_on_with(folder: Path) -> None:
    path = folder / "run" / "checkpoint.pt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["detector"]["rpn.head.cls_logits.bias"][0] = math.nan
    torch.save(checkpoint, path)
    run = RunFolder(folder / "run")
    config, record = run.config(), json.loads((folder / "run/environment.json").read_text())
    with pytest.raises(WeightsError, match=r"checkpoint\.pt: 1 weight is not finite, the first in rpn\.head\.cls_log"):
        run.resume(config, record)


def test_a_detector_that_is_not_finite_is_named(folder: Path) -> None:
    path = folder / "run" / "model.safetensors"
    state = load_file(path)
    state["rpn.head.bbox_pred.weight"].view(-1)[:12] = math.nan
    save_file(state, path)
    config = path.with_name("config.yaml")  # as a training of before there were hashes would have left it
    lines = config.read_text().splitlines(keepends=True)[1:]
    config.write_text("".join(line for line in lines if not line.startswith("weights: ")))
    message = r"model\.safetensors: 12 weights are not finite, the first in rpn\.head\.bbox_pred\.weight: train again"
    with pytest.raises(WeightsError, match=message):
        evaluate_run(folder / "run", run_config(folder))


def test_offsets_that_are_not_finite_are_named(folder: Path) -> None:
    path = folder / "aug.safetensors"
    augmentations = SemanticAugmentations.load(path)
    augmentations.offsets[0, :3, 0, 0] = math.inf
    augmentations.save(path)
    with pytest.raises(WeightsError, match=r"aug\.safetensors: 3 weights are not finite, the first in offsets: fit"):
        SemanticAugmentations.load(path)


def test_a_clip_that_is_not_finite_is_named(folder: Path) -> None:
    state = torch.load(folder / "clip.pt", weights_only=True)
    state["visual.conv1.weight"][0, 0, 0, 0] = math.nan
    torch.save(state, folder / "clip.pt")
    with pytest.raises(WeightsError, match=r"clip\.pt: 1 weight is not finite, the first in visual\.conv1\.weight"):
        load_clip(run_config(folder).clip)


@pytest.fixture
def diverging(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Fitting breaks the offsets in the step whose number, from 1, is put into the list."""
    at, move, taken = [], Fitter.move, []

    def broken(self: Fitter, *arguments: object) -> Losses:
        losses = move(self, *arguments)  # type: ignore[arg-type]
        taken.append(losses)
        if len(taken) in at:
            self.offsets[1].data[0, 0, 0] = math.nan
        return losses

    monkeypatch.setattr(Fitter, "move", broken)
    return at


@pytest.mark.parametrize("step", [2, 3])
def test_offsets_broken_by_a_step_are_named_and_not_saved(
    folder: Path, diverging: list[int], step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipgap.engine.fit.SAVE_EVERY", 2)
    diverging.append(step)
    out = folder / "other.safetensors"
    with pytest.raises(TrainingError, match=rf"^fit, step {step}: the offsets are not finite; lower fit\.lr"):
        fit(run_config(folder), out, show=False)
    assert not out.exists()
    assert half_done(out).exists() is (step == 3)


def test_offsets_broken_by_the_last_step_of_a_refit_are_named(folder: Path, diverging: list[int]) -> None:
    config = run_config(folder, "augment.refit_every=2")
    clip = load_clip(config.clip)
    dataset = training_set(load_domains(config.data).source)
    augmentation, _ = make_augmentation(config, clip, dataset)
    assert augmentation is not None
    augment = augmentation.offsets
    assert augment is not None
    before: Tensor = augment.pooled.clone()
    diverging.append(config.fit.steps)
    with pytest.raises(TrainingError, match="train, step 2: offsets fitted again are not finite"):
        refit(augment, clip, dataset, config, 2)
    assert torch.equal(augment.pooled, before)


def test_a_fit_that_leads_nowhere_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(run_config(folder, "fit.lr=1000"), folder / "far.safetensors")
    said = capsys.readouterr().err.replace("\n", " ")
    assert "warning: offsets lead no nearer to 'an image taken on a fog day'" in said
    assert "than none do; lower fit.lr, or fit longer" in said
