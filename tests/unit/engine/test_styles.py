"""The bank of styles of `augment.kind: pin`: what it is fitted to, and whose styles they are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from clipgap.augment import restyle
from clipgap.clip import Clip, load_clip
from clipgap.config import RunConfig
from clipgap.data import load_domains
from clipgap.engine.fit import training_set
from clipgap.engine.train import styles
from clipgap.prompts import PromptSet
from tests.runs import make_run, run_config


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, Clip]:
    config = run_config(make_run(tmp_path_factory.mktemp("styles")), "augment.kind=pin")
    return config, load_clip(config.clip)


def fitted(made: tuple[RunConfig, Clip]) -> tuple[Tensor, Tensor]:
    config, clip = made
    return styles.fit_styles(clip, training_set(load_domains(config.data).source), config, show=False)


def test_styles_bring_crops_nearer_to_their_prompt(
    made: tuple[RunConfig, Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, clip = made
    crops = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(styles, "crop_batches", lambda *_: iter([crops, crops]))
    monkeypatch.setattr(styles, "STEPS", 20)
    means, deviations = fitted(made)
    assert means.shape == deviations.shape == (2 * 4, clip.trunk.layer1[-1].conv3.out_channels)
    assert torch.equal(means, fitted(made)[0])
    before = torch.nn.Sequential(clip.trunk.stem, clip.trunk.layer1)
    after = torch.nn.Sequential(clip.trunk.layer2, clip.trunk.layer3)
    with torch.no_grad():
        features = before(crops)
        for number, text in enumerate(clip.embed_text(PromptSet.from_config(config.data.prompts).targets)):
            own = slice(4 * number, 4 * number + 4)
            moved = restyle(features, means[own, :, None, None], deviations[own, :, None, None])
            cosines = [F.normalize(clip.roi_part(after(one))[0], dim=-1) @ text for one in (features, moved)]
            assert bool((cosines[1] > cosines[0]).all())


def test_styles_of_a_prompt_are_of_all_images_of_its_batch(
    made: tuple[RunConfig, Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    light = torch.linspace(-1, 1, 4).repeat_interleave(4)  # four images of four crops each, as flat as can be
    crops = light[:, None, None, None].expand(16, 3, 64, 64)
    monkeypatch.setattr(styles, "crop_batches", lambda *_: iter([crops, crops]))
    monkeypatch.setattr(styles, "STEPS", 1)
    monkeypatch.setattr(styles, "LR", 0.0)
    means, _ = fitted(made)
    assert len(means[:4].unique(dim=0)) == 4
    assert torch.equal(means[:4], means[4:])
