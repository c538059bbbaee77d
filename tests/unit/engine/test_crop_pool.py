"""The pool of crops: the same features as the crops', another draw every step, a file where memory would not do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from clipgap.augment import SemanticAugmentations
from clipgap.clip import load_clip
from clipgap.engine import crop_pool
from clipgap.engine.crop_pool import CropPool
from clipgap.engine.fit import fit
from clipgap.engine.fitter import Fitter, make_fitter
from clipgap.prompts import PromptSet
from tests.runs import make_run, run_config


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("pool"))


@pytest.fixture(scope="module")
def fitter(folder: Path) -> Fitter:
    config = run_config(folder)
    return make_fitter(load_clip(config.clip), PromptSet.from_config(config.data.prompts), config, torch.device("cpu"))


def batches() -> list[Tensor]:
    return [torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(n)) for n in range(3)]


def test_a_pool_holds_the_features_of_its_crops(fitter: Fitter) -> None:
    pool = CropPool(fitter, iter(batches()), 10)
    whole = fitter.features(torch.cat(batches()))[:10]
    torch.testing.assert_close(pool.features.float(), whole, atol=1e-2, rtol=1e-3)
    drawn = pool.draw(6, seed=0, step=0)
    assert all(any(torch.equal(one, mine.float()) for mine in pool.features) for one in drawn.features)
    torch.testing.assert_close(drawn.z, fitter.look(drawn.features).z)
    assert torch.equal(pool.draw(6, 0, 0).features, drawn.features)
    assert not torch.equal(pool.draw(6, 0, 1).features, drawn.features)
    assert not torch.equal(pool.draw(6, 1, 0).features, drawn.features)


def test_a_large_pool_lies_in_a_file_that_goes_with_it(fitter: Fitter, monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = CropPool(fitter, iter(batches()), 12)
    monkeypatch.setattr(crop_pool, "IN_MEMORY", 1000)
    in_file = CropPool(fitter, iter(batches()), 12)
    assert torch.equal(in_memory.features, in_file.features)
    assert in_file._folder is not None
    file = Path(in_file._folder.name) / "features"
    assert file.stat().st_size == in_file.features.numel() * 2
    in_file._folder.cleanup()
    assert in_memory._folder is None
    assert not file.exists()


def test_fit_reads_images_for_the_pool_alone_and_resumes_to_the_same(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipgap.engine.fit.SAVE_EVERY", 1)
    config = run_config(folder, "fit.pool=6", "fit.steps=5")
    calls: list[int] = []
    features, move = Fitter.features, Fitter.move
    monkeypatch.setattr(Fitter, "features", lambda self, crops: calls.append(len(crops)) or features(self, crops))
    whole = fit(config, tmp_path / "whole.safetensors", show=False)
    assert calls == [4, 4, 4, 4]  # two batches for the pool of 6, the held-out one for the record's two figures

    def break_off(self: Fitter, *arguments: object) -> object:
        if float(self.offsets[0].detach().abs().max()) > 0.025:
            raise KeyboardInterrupt
        return move(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Fitter, "move", break_off)
    with pytest.raises(KeyboardInterrupt):
        fit(config, tmp_path / "again.safetensors", show=False)
    monkeypatch.setattr(Fitter, "move", move)
    resumed = fit(config, tmp_path / "again.safetensors", resume=True, show=False)
    assert torch.equal(resumed.offsets, whole.offsets)
    assert torch.equal(SemanticAugmentations.load(tmp_path / "again.safetensors").offsets, whole.offsets)
