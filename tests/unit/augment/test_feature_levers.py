"""Levers of features: statistics over an image's own cells, their draws, and where in the trunk they act."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.unit.detector.test_model import images, make_detector, targets
from torch import Tensor, nn

from clipgap.augment import FeatureAugmentation, OffsetFeatures, StyleBank, mean_and_deviation, restyle
from clipgap.augment.levers import Placed, moved_by
from clipgap.augment.mixstyle import MixStyle
from clipgap.augment.norm import NormPerturbation
from clipgap.classes import make_lever
from clipgap.config import FEATURES, load_config
from clipgap.errors import ConfigError

CELLS = [(4, 6), (3, 8)]


def features() -> Tensor:
    return torch.randn(2, 5, 4, 8, generator=torch.Generator().manual_seed(1)) + 2


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lever_of(kind: str) -> nn.Module:
    if kind == "pin":
        return StyleBank(torch.randn(3, 5), torch.rand(3, 5) + 0.5, 1.0)
    lever: nn.Module = make_lever(FEATURES[kind], "augment.kind", 1.0)
    return lever


def test_statistics_are_of_the_cells_without_the_padding() -> None:
    mean, deviation = mean_and_deviation(features(), CELLS)
    own = features()[0, :, :4, :6]
    torch.testing.assert_close(mean[0, :, 0, 0], own.mean((1, 2)))
    torch.testing.assert_close(deviation[0, :, 0, 0], (own.var((1, 2), correction=0) + 1e-6).sqrt())


@pytest.mark.parametrize("kind", [*FEATURES, "pin"])
def test_a_lever_draws_from_its_generator_and_knows_its_probability(kind: str) -> None:
    lever: Any = lever_of(kind)
    moved = lever(features(), generator(), CELLS)
    assert torch.equal(moved, lever(features(), generator(), CELLS))
    assert any(not torch.equal(moved, lever(features(), generator(seed), CELLS)) for seed in range(1, 5))
    lever.probability = 0.0
    assert torch.equal(lever(features(), generator(), CELLS), features())


def test_norm_shakes_means_and_deviations_and_nothing_else() -> None:
    moved = NormPerturbation(1.0)(features(), generator(), CELLS)
    before, after = mean_and_deviation(features(), CELLS), mean_and_deviation(moved, CELLS)
    factors = after[0] / before[0]
    assert float(factors.std()) == pytest.approx(0.75, abs=0.4)
    whitened = [(one - mean) / deviation for one, (mean, deviation) in ((features(), before), (moved, after))]
    torch.testing.assert_close(whitened[0].abs(), whitened[1].abs(), rtol=1e-4, atol=1e-4)


def test_mixstyle_stays_between_two_images_of_the_batch() -> None:
    moved = MixStyle(1.0)(features(), generator(3), CELLS)
    means = mean_and_deviation(features(), CELLS)[0]
    new = mean_and_deviation(moved, CELLS)[0]
    low, high = means.amin(0), means.amax(0)
    assert bool(((new >= low - 1e-4) & (new <= high + 1e-4)).all())


def test_a_style_takes_the_place_of_the_images_own() -> None:
    mean, deviation = torch.full((2, 5, 1, 1), 3.0), torch.full((2, 5, 1, 1), 0.5)
    new = mean_and_deviation(restyle(features(), mean, deviation, CELLS), CELLS)
    torch.testing.assert_close(new[0], mean)
    torch.testing.assert_close(new[1], deviation, rtol=1e-3, atol=1e-3)


def test_levers_act_where_they_are_placed_in_training_only_and_not_on_clip_itself() -> None:
    detector = make_detector()
    lever = NormPerturbation(1.0)
    augment = FeatureAugmentation([Placed(lever, "layer1"), Placed(OffsetFeatures(torch.ones(1, 128), 1.0), None)])
    draws = generator()
    augment.attach(detector.transform, detector.backbone, draws)
    seen: dict[str, Tensor] = {}
    for name in ("stem", "layer1", "layer3"):
        getattr(detector.backbone, name).register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
    detector.eval()
    detector(images())
    plain = dict(seen)
    detector.train()
    draws.manual_seed(0)
    detector(images(), targets())
    assert torch.equal(seen["stem"], plain["stem"])
    assert not torch.equal(seen["layer1"], plain["layer1"])
    before = draws.get_state()
    detector.backbone.layer1(seen["stem"])  # as CLIP's own trunk, which shares the part, does when offsets are refitted
    assert torch.equal(draws.get_state(), before)


class Own(nn.Module):
    def __init__(self, body: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.body = body

    def forward(self, features: Tensor, generator: torch.Generator, cells: object = None) -> object:
        return self.body(features)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda features: features[..., ::2], r":Own made \(2, 5, 4, 4\) of torch\.float32 of features \(2, 5, 4, 8\)"),
        (lambda features: features.double(), "float64"),
        (lambda features: None, ":Own gave NoneType, not features"),
        (lambda features: features @ features, r":Own failed \(RuntimeError: "),
    ],
)
def test_a_lever_that_breaks_the_rules_is_named(body: Callable[[Tensor], object], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"augment\.kind: .*{message}"):
        moved_by(Own(body), features(), generator(), None)


@pytest.mark.parametrize(
    ("kind", "kinds", "offsets"),
    [
        ("none", (), None),
        ("fitted", ("fitted",), "fitted"),
        ("[norm, random]", ("norm", "random"), "random"),
        ("[]", (), None),
    ],
)
def test_kinds_are_a_word_or_a_list(kind: str, kinds: tuple[str, ...], offsets: str | None) -> None:
    augment = load_config("mini_world", [f"augment.kind={kind}"]).augment
    assert augment.kinds == kinds
    assert augment.offsets == offsets


@pytest.mark.parametrize("kind", ["[fitted, random]", "[norm, norm]", "nrom"])
def test_kinds_that_cannot_be_are_told(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"augment"):
        load_config("mini_world", [f"augment.kind={kind}"])


def test_every_kind_of_the_config_is_a_module() -> None:
    from clipgap.classes import make_lever

    for kind, path in FEATURES.items():
        assert isinstance(make_lever(path, kind, 0.5), nn.Module)
