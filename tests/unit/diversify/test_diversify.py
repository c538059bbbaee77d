"""Image-level levers: what they must keep, where their randomness comes from, and what each of them does."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clipgap.classes import load_class, make_lever
from clipgap.config import DIVERSIFY, DiversifyConfig, EvaluateConfig, ImageConfig
from clipgap.data import Sample
from clipgap.data.dataset import Target
from clipgap.diversify import Diversifier, make_diversifier
from clipgap.diversify.corrupt import NAMED, high_pass, turn_phase
from clipgap.diversify.fourier import FourierAmplitude
from clipgap.diversify.oa_mix import ObjectAwareMix
from clipgap.diversify.photometric import Photometric
from clipgap.diversify.random_conv import RandomConvolution
from clipgap.diversify.saliency import saliency_of, spectral_residual
from clipgap.engine.train.batches import MakeExample
from clipgap.errors import ConfigError

BOXES = np.array([[10, 20, 40, 50], [60, 5, 90, 60]], np.float32)


def picture(height: int = 64, width: int = 97) -> np.ndarray:
    ramp = np.linspace(20, 220, width, dtype=np.float32)[None, :, None] + np.zeros((height, 1, 3), np.float32)
    noise = np.random.default_rng(0).normal(0, 6, ramp.shape)
    pixels: np.ndarray = np.clip(ramp + noise, 0, 255).astype(np.uint8)
    pixels[20:50, 10:40] = (200, 30, 30)
    return pixels


def sample() -> Sample:
    target: Target = {
        "boxes": torch.from_numpy(BOXES),
        "labels": torch.tensor([1, 2]),
        "difficult": torch.zeros(2, dtype=torch.bool),
        "iscrowd": torch.tensor([False, True]),
        "image_id": "1",
    }
    return Sample(Image.fromarray(picture()), target)


@pytest.mark.parametrize("kind", DIVERSIFY)
def test_a_lever_changes_pixels_from_its_generator_alone_and_leaves_what_it_is_given(kind: str) -> None:
    lever = make_lever(DIVERSIFY[kind], "diversify.kinds", 1.0)
    pixels, boxes = picture(), BOXES.copy()
    one, same = (lever(pixels, boxes, np.random.default_rng(5)) for _ in range(2))
    others = [lever(pixels, boxes, np.random.default_rng(seed)) for seed in range(6)]
    assert one.shape == pixels.shape
    assert one.dtype == np.uint8
    assert np.array_equal(one, same)
    assert not all(np.array_equal(one, other) for other in others)
    assert np.mean([np.abs(o.astype(int) - pixels).mean() for o in others]) > 1
    assert np.array_equal(pixels, picture())
    assert np.array_equal(boxes, BOXES)


@pytest.mark.parametrize("kind", DIVERSIFY)
def test_a_lever_takes_an_image_without_boxes_and_one_of_a_few_pixels(kind: str) -> None:
    lever = make_lever(DIVERSIFY[kind], "diversify.kinds", 1.0)
    for seed in range(5):
        changed = lever(picture(33, 32), np.zeros((0, 4), np.float32), np.random.default_rng(seed))
        assert changed.shape == (33, 32, 3)


def test_severity_says_how_far_it_goes() -> None:
    def change(severity: float) -> float:
        seeds = range(30)
        lever = Photometric(severity)
        changed = [lever(picture(), BOXES, np.random.default_rng(seed)) for seed in seeds]
        return float(np.mean([np.abs(one.astype(int) - picture()).mean() for one in changed]))

    assert change(0.3) < change(1.0) < change(2.0)


def test_fourier_keeps_the_phase_of_every_frequency() -> None:
    """On a grey picture of little contrast, where nothing is clipped: amplitudes change, phases do not."""
    y, x = np.mgrid[:64, :64]
    wave = 128 + 10 * np.cos(2 * np.pi * 4 * x / 64) + 10 * np.sin(2 * np.pi * 9 * y / 64)
    pixels = np.repeat(wave[..., None], 3, axis=2).astype(np.uint8)
    changed = FourierAmplitude(0.3)(pixels, BOXES, np.random.default_rng(1))
    before, after = (np.fft.fft2(one[..., 0].astype(float)) for one in (pixels, changed))
    for place in ((0, 4), (9, 0)):
        assert abs(np.angle(after[place] / before[place])) < 0.05
        assert abs(abs(after[place] / before[place]) - 1) > 0.02


def test_random_convolution_fills_the_range_and_without_strength_only_stretches() -> None:
    changed = RandomConvolution(1.0)(picture(), BOXES, np.random.default_rng(2))
    assert [int(changed[..., c].min()) for c in range(3)] == [0, 0, 0]
    assert [int(changed[..., c].max()) for c in range(3)] == [255, 255, 255]
    plain = RandomConvolution(1e-9)(picture(), BOXES, np.random.default_rng(2))
    channel = picture()[..., 0].astype(float)
    stretched = (channel - channel.min()) / (channel.max() - channel.min()) * 255
    assert np.abs(plain[..., 0] - stretched).max() <= 1


def test_what_stands_out_is_mixed_more_gently() -> None:
    pixels = np.full((64, 96, 3), 110, np.uint8)
    pixels[:, ::2] += 6
    pixels[24:40, 16:32] = (250, 240, 40)
    salient, dull = (16.0, 24, 32, 40), (64.0, 24, 80, 40)
    boxes = np.array([salient, dull], np.float32)
    found = saliency_of(spectral_residual(pixels), boxes, (64, 96))
    assert found[0] > 2 * found[1]
    lever, changed = ObjectAwareMix(1.0), np.zeros((2,))
    for seed in range(20):
        difference = np.abs(lever(pixels, boxes, np.random.default_rng(seed)).astype(int) - pixels)
        changed += [difference[24:40, 16:32].mean(), difference[24:40, 64:80].mean()]
    assert changed[0] == 0  # the most salient object stays as it is
    assert changed[1] > 0


def test_two_views_are_the_image_and_its_change_with_one_target() -> None:
    diversifier = make_diversifier(DiversifyConfig(kinds=["photometric"], probability=1.0, views=2))
    make = MakeExample(ImageConfig(short_side=64, long_side=128), 0.0, diversifier, 2)
    (original, view), target = make(sample(), torch.Generator().manual_seed(0))
    (plain,), _ = MakeExample(ImageConfig(short_side=64, long_side=128), 0.0)(
        sample(), torch.Generator().manual_seed(0)
    )
    assert torch.equal(original, plain)
    assert original.shape == view.shape
    assert not torch.equal(original, view)
    assert target["labels"].tolist() == [1]


def test_probability_is_the_share_of_images_that_are_changed() -> None:
    diversifier = make_diversifier(DiversifyConfig(kinds=["random_conv", "photometric"], probability=0.3))
    assert diversifier is not None
    image = Image.fromarray(picture())
    changed = [
        diversifier(image, torch.from_numpy(BOXES), torch.Generator().manual_seed(seed)) is not image
        for seed in range(300)
    ]
    assert 60 < sum(changed) < 120
    assert make_diversifier(DiversifyConfig()) is None


def test_depth_is_how_many_levers_follow_on_one_another() -> None:
    class Brighter:
        def __call__(self, pixels: np.ndarray, boxes: np.ndarray, random: np.random.Generator) -> np.ndarray:
            return pixels + np.uint8(random.integers(1, 3))

    plain, changed = Image.new("RGB", (9, 7), (10, 20, 30)), set()
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        seen = np.asarray(Diversifier([Brighter()], 1.0, depth=3)(plain, torch.zeros(0, 4), generator))
        changed |= {int(value) for value in np.unique(seen - np.asarray(plain))}
    assert changed == {3, 4, 5, 6}
    assert DiversifyConfig().depth == 1
    assert make_diversifier(DiversifyConfig(kinds=["photometric"], depth=2)).depth == 2  # type: ignore[union-attr]


def test_off_draws_nothing() -> None:
    """So that a run without levers is the run that it was before there were any."""
    generator = torch.Generator().manual_seed(0)
    MakeExample(ImageConfig(short_side=64, long_side=128), 0.5)(sample(), generator)
    expected = torch.Generator().manual_seed(0)
    torch.rand((), generator=expected)
    assert torch.equal(generator.get_state(), expected.get_state())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere:Lever", r"diversify\.kinds: nowhere:Lever: cannot import nowhere \(ModuleNotFoundError"),
        ("clipgap.diversify:Lever", r"the module clipgap\.diversify has no class Lever"),
        ("clipgap.diversify.diversifier:Diversifier", "cannot be made"),
    ],
)
def test_a_class_that_is_none_is_told_in_one_line(path: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_diversifier(DiversifyConfig(kinds=[path]))


def test_a_lever_that_changes_the_size_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halves.py").write_text(
        "class Halve:\n    def __init__(self, severity): pass\n"
        "    def __call__(self, pixels, boxes, random): return pixels[::2]\n"
    )
    monkeypatch.chdir(tmp_path)
    diversifier = make_diversifier(DiversifyConfig(kinds=["halves:Halve"], probability=1.0))
    assert diversifier is not None
    with pytest.raises(
        ConfigError, match=r"diversify\.kinds: halves:Halve made \(32, 97, 3\) of uint8 .* \(64, 97, 3\)"
    ):
        diversifier(Image.fromarray(picture()), torch.zeros(0, 4), torch.Generator().manual_seed(0))


def test_what_is_trained_on_is_not_what_chooses() -> None:
    chooses = set(EvaluateConfig().select_corruptions)
    assert not chooses & set(NAMED)
    assert not {"fog", "snow", "frost", "spatter"} & set(NAMED)


def test_high_pass_and_phase_do_what_they_say() -> None:
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert set(np.unique(high_pass(flat, 3, np.random.default_rng(0)))) == {128}
    turned = turn_phase(picture(), 5, np.random.default_rng(0))
    assert abs(turned.mean() - picture().mean()) < 3
    before, after = (np.abs(np.fft.fft2(one[..., 0].astype(float))) for one in (picture(), turned))
    assert np.corrcoef(np.log(before.ravel() + 1), np.log(after.ravel() + 1))[0, 1] > 0.8


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise SystemExit(0)", r"own:Own failed \(SystemExit"),
        ("return 1 / 0", r"own:Own failed \(ZeroDivisionError: division by zero\)"),
        ("return None", "own:Own gave NoneType, not the pixels of an image"),
        ("pixels[:] = 0", r"own:Own failed \(ValueError: assignment destination is read-only\)"),
        ("return pixels / 2", r"own:Own made \(64, 97, 3\) of float64"),
    ],
)
def test_a_lever_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, message: str) -> None:
    code = (
        f"class Own:\n    def __init__(self, severity): pass\n    def __call__(self, pixels, boxes, random): {body}\n"
    )
    (tmp_path / "own.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own", raising=False)
    diversifier = make_diversifier(DiversifyConfig(kinds=["own:Own"], probability=1.0))
    assert diversifier is not None
    with pytest.raises(ConfigError, match=message):
        diversifier(Image.fromarray(picture()), torch.zeros(0, 4), torch.Generator().manual_seed(0))
    monkeypatch.delitem(sys.modules, "own", raising=False)


def test_a_module_that_leaves_python_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"leaves:Lever: cannot import leaves \(SystemExit: 3\)"):
        make_diversifier(DiversifyConfig(kinds=["leaves:Lever"]))


def test_every_kind_of_the_config_is_a_class_with_a_docstring() -> None:
    for kind, path in DIVERSIFY.items():
        assert inspect.getdoc(load_class(path, kind))
