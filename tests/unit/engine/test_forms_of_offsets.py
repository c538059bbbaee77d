"""What an offset can be, and when it is fitted: deviation, some prompts a step, bfloat16, again in training."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from clipgap.augment import OffsetFeatures, SemanticAugmentations, scale_deviation
from clipgap.clip import load_clip
from clipgap.config import RunConfig
from clipgap.data import load_domains
from clipgap.detector import Detector
from clipgap.engine.fit import fit, training_set
from clipgap.engine.fitter import Fitter, chosen_prompts, make_fitter
from clipgap.engine.train import job, train
from clipgap.engine.train.augmentation import make_augmentation, refit
from clipgap.engine.train.batches import Batch
from clipgap.engine.train.trainer import Trainer
from clipgap.errors import ConfigError, WeightsError
from clipgap.prompts import PromptSet
from tests.runs import make_run, run_config

DEVIATION = "fit.offsets=deviation"
AGAIN = "augment={file: %s, refit_every: 2, probability: 1}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_run(tmp_path_factory.mktemp("forms"))
    fit(run_config(folder), folder / "aug.safetensors", show=False)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "job")
    return tmp_path / "job"


def again(folder: Path) -> str:
    return AGAIN % (folder / "aug.safetensors")


def make(folder: Path, *overrides: str) -> Fitter:
    config = run_config(folder, *overrides)
    return make_fitter(load_clip(config.clip), PromptSet.from_config(config.data.prompts), config, torch.device("cpu"))


def offsets_of(config: RunConfig) -> OffsetFeatures:
    augment, _ = make_augmentation(config, load_clip(config.clip), training_set(load_domains(config.data).source))
    assert augment is not None
    assert augment.offsets is not None
    return augment.offsets


def crops(seed: int = 0) -> Tensor:
    return torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


def test_a_deviation_is_scaled_about_the_mean_of_its_channel() -> None:
    features = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    scaled = scale_deviation(features, torch.tensor([0.5, 1.0, 2.0])[:, None, None])
    torch.testing.assert_close(scaled.mean((2, 3)), features.mean((2, 3)))
    torch.testing.assert_close(scaled.std((2, 3)), features.std((2, 3)) * torch.tensor([0.5, 1.0, 2.0]))


def test_the_fitted_deviation_is_the_one_that_lands_where_it_says(folder: Path) -> None:
    """Against the formula written out: V_b(scaled features + offset)."""
    fitter = make(folder, DEVIATION)
    before = fitter.pooled_objective(fitter.embed(crops()))
    for _ in range(5):
        fitter.step(crops())
    assert fitter.pooled_objective(fitter.embed(crops())) < before
    assert fitter.scales is not None
    assert float((fitter.scales - 1).abs().mean()) > 0.01
    with torch.no_grad():
        features = scale_deviation(fitter.clip.trunk(crops()), fitter.scales[1, :, None, None]) + fitter.offsets[1]
        landed = F.normalize(fitter.clip.roi_part(features)[0], dim=-1)
        found = fitter._land(fitter.embed(crops()), fitter.offsets[1], fitter.log_scales[1])
    torch.testing.assert_close(found, landed, atol=1e-5, rtol=1e-4)


def test_deviation_goes_through_its_file_into_training(folder: Path) -> None:
    file = folder / "deviation.safetensors"
    fitted = fit(run_config(folder, DEVIATION), file, show=False)
    read = SemanticAugmentations.load(file)
    assert fitted.scales is not None
    assert read.scales is not None
    assert torch.equal(read.scales, fitted.scales)
    assert read.offsets.shape == (2, 128, 1, 1)
    config = run_config(folder, f"augment.file={file}")
    augment = offsets_of(config)
    features = torch.randn(1, 128, 3, 3, generator=torch.Generator().manual_seed(0))
    moved = OffsetFeatures(augment.pooled[:1], 1.0, read.scales[:1])(features, torch.Generator().manual_seed(0))
    expected = scale_deviation(features, read.scales[0, :, None, None]) + read.pooled[0, :, None, None]
    torch.testing.assert_close(moved, expected)


@pytest.mark.parametrize("kind", ["random", "permuted"])
def test_controls_of_a_deviation_are_as_strong(folder: Path, kind: str) -> None:
    file = folder / "deviation.safetensors"
    scales = fit(run_config(folder, DEVIATION), file, show=False).scales
    config = run_config(folder, f"augment.file={file}", f"augment.kind={kind}")
    augment = offsets_of(config)
    assert augment.scales is not None
    assert scales is not None
    torch.testing.assert_close(augment.scales.log().norm(dim=1), scales.log().norm(dim=1))
    assert not torch.equal(augment.scales, scales)


def test_a_step_moves_only_the_prompts_that_it_draws(folder: Path) -> None:
    fitter = make(folder)
    fitter.step(crops(), [1])
    assert [bool(offset.detach().any()) for offset in fitter.offsets] == [False, True]
    moved = fitter.offsets[1].detach().clone()
    fitter.step(crops(), [0])
    assert torch.equal(fitter.offsets[1], moved)


def test_prompts_are_drawn_from_the_seed_and_all_have_their_turn(folder: Path) -> None:
    config = run_config(folder, "fit.prompts_per_step=2")
    drawn = [tuple(chosen_prompts(config, 5, step)) for step in range(20)]
    assert drawn == [tuple(chosen_prompts(config, 5, step)) for step in range(20)]
    assert {j for pair in drawn for j in pair} == set(range(5))
    assert all(len(set(pair)) == 2 for pair in drawn)
    assert chosen_prompts(run_config(folder), 5, 0) == [0, 1, 2, 3, 4]
    with pytest.raises(ConfigError, match=r"fit\.prompts_per_step=3: there are 2 target prompts"):
        fit(run_config(folder, "fit.prompts_per_step=3"), show=False)


def test_half_precision_fits_nearly_the_same_and_keeps_float32(folder: Path) -> None:
    whole, half = make(folder), make(folder, "run.precision=bf16-mixed")
    one, other = whole.step(crops()), half.step(crops())
    assert float(other.direction) == pytest.approx(float(one.direction), rel=0.02)
    assert float(other.direction) != float(one.direction)
    assert half.embed(crops()).z.dtype == half.offsets[0].dtype == torch.float32


def test_offsets_are_fitted_again_on_the_tower_as_it_is_by_then(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the trained weights, into what training uses; and a run that was broken off after it ends the same."""
    seen: list[tuple[int, Tensor, Tensor]] = []

    def note(augment: OffsetFeatures, *arguments: object) -> None:
        before = augment.pooled.clone()
        refit(augment, *arguments)  # type: ignore[arg-type]
        seen.append((int(str(arguments[-1])), before, augment.pooled.clone()))

    monkeypatch.setattr(job, "refit", note)
    settings = (again(folder), "train.lr=0.05")
    run = train(run_config(folder, *settings), show=False)
    assert [step for step, _, _ in seen] == [2]  # four steps; after the last there is nothing to train
    assert not torch.equal(seen[0][1], seen[0][2])
    whole = Detector.load(run.path).state_dict()
    step, taken = Trainer.step, []

    def break_off(self: Trainer, batch: Batch, seed: int, number: int) -> dict[str, float]:
        taken.append(seed)
        if len(taken) == 4:
            raise KeyboardInterrupt
        return step(self, batch, seed, number)

    out = f"run.out={folder / 'other'}"
    monkeypatch.setattr(Trainer, "step", break_off)
    with pytest.raises(KeyboardInterrupt):
        train(run_config(folder, *settings, out), show=False)
    monkeypatch.setattr(Trainer, "step", step)
    resumed = Detector.load(train(run_config(folder, *settings, out), resume=True, show=False).path).state_dict()
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("augment.kind=random",), "only fitted offsets can be fitted again"),
        ((DEVIATION,), "has other prompts or another fit.offsets"),
        (("data.prompts={source: day, targets: [fog, night]}",), "has other prompts or another fit.offsets"),
    ],
)
def test_what_cannot_be_fitted_again_is_refused(folder: Path, settings: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train(run_config(folder, again(folder), *settings), show=False)


def test_a_run_that_grows_is_fitted_again_as_one_that_was_longer_from_the_start(folder: Path) -> None:
    settings = (again(folder), "train.lr=0.05", "train.validate_every=4")
    whole = train(run_config(folder, *settings), show=False)
    grown = f"run.out={folder / 'grown'}"
    train(run_config(folder, *settings, grown, "train.steps=2"), show=False)
    train(run_config(folder, *settings, grown), resume=True, show=False)
    one, other = (Detector.load(path).state_dict() for path in (whole.path, folder / "grown"))
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_other_offsets_than_the_runs_own_are_refused_when_it_goes_on(folder: Path) -> None:
    train(run_config(folder, "train.steps=2"), show=False)
    whole = (folder / "aug.safetensors").read_bytes()
    (folder / "aug.safetensors").unlink()
    fit(run_config(folder, "data.prompts={source: day, targets: [fog]}"), folder / "aug.safetensors", show=False)
    with pytest.raises(ConfigError, match=r"--resume: augment\.file holds other offsets"):
        train(run_config(folder), resume=True, show=False)
    (folder / "aug.safetensors").write_bytes(whole)
    torch.save([1], folder / "run" / "checkpoint.pt")
    with pytest.raises(WeightsError, match=r"checkpoint\.pt: damaged"):
        train(run_config(folder), resume=True, show=False)
    torch.save({"step": 1}, folder / "new.safetensors.resume")
    with pytest.raises(WeightsError, match=r"new\.safetensors\.resume: damaged"):
        fit(run_config(folder), folder / "new.safetensors", resume=True, show=False)
