"""What a run computes on: the device that `auto` comes to, and what half precision has to remember."""

from __future__ import annotations

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.accelerators import MPSAccelerator

from clipgap.augment import FeatureAugmentation, OffsetFeatures, scale_deviation
from clipgap.augment.levers import Placed
from clipgap.config import RunSection, load_config
from clipgap.engine.runtime import BoxKeepingPrecision, make_fabric
from clipgap.engine.train.trainer import Trainer
from clipgap.errors import ConfigError
from tests.unit.detector.test_model import images, make_detector, targets

CONFIG = load_config("mini_world", ["train.lr=0.001"])


def run_section(precision: str, device: str = "auto") -> RunSection:
    return RunSection(out="run", precision=precision, device=device)  # type: ignore[arg-type]


@pytest.fixture
def apple(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with an Apple GPU, as far as Fabric asks."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(MPSAccelerator, "is_available", staticmethod(lambda: True))


@pytest.mark.usefixtures("apple")
@pytest.mark.parametrize("device", ["auto", "mps"])
def test_half_precision_on_an_apple_gpu_is_of_that_gpu(device: str) -> None:
    fabric = make_fabric(run_section("bf16-mixed", device))
    precision = fabric.strategy.precision
    assert isinstance(precision, BoxKeepingPrecision)
    assert (fabric.device.type, precision.device) == ("mps", "mps")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_half_precision_on_a_cpu_is_of_the_cpu(precision: str) -> None:
    fabric = make_fabric(run_section(precision, "cpu"))
    assert fabric.device.type == "cpu"
    assert getattr(fabric.strategy.precision, "device", "cpu") == "cpu"


def trainer(precision: str, augment: OffsetFeatures | None = None) -> Trainer:
    half = None if precision == "32-true" else BoxKeepingPrecision(precision, "cpu")  # type: ignore[arg-type]
    fabric = Fabric(accelerator="cpu", devices=1, plugins=half)
    levers = FeatureAugmentation([Placed(augment, None)]) if augment else None
    return Trainer(make_detector(), CONFIG, levers, fabric)


def test_a_checkpoint_remembers_how_gradients_are_scaled() -> None:
    first, other = trainer("16-mixed"), trainer("16-mixed")
    first.fabric.strategy.precision.load_state_dict(
        {**first.fabric.strategy.precision.state_dict(), "scale": 128.0, "_growth_tracker": 7}
    )
    other.load_state(first.state())
    remembered = other.fabric.strategy.precision.state_dict()
    assert (remembered["scale"], remembered["_growth_tracker"]) == (128.0, 7)


@pytest.mark.parametrize("precision", ["32-true", "16-mixed"])
def test_a_checkpoint_of_before_goes_on_too(precision: str) -> None:
    state = trainer(precision).state()
    assert state.pop("average")
    assert bool(state.pop("precision")) is (precision == "16-mixed")
    trainer(precision).load_state(state)


def test_a_deviation_is_taken_within_the_image_not_its_padding() -> None:
    """Images of 96 x 128 and 96 x 144 pixels: the first one's map has 6 x 8 cells and is padded to 6 x 9."""
    scales = torch.linspace(0.5, 3, 128)[None]
    ours = trainer("32-true", OffsetFeatures(torch.zeros(1, 128), 1.0, scales))
    before, after = [], []
    ours.detector.backbone.register_forward_hook(lambda _, __, features: before.append(features), prepend=True)
    ours.detector.backbone.register_forward_hook(lambda _, __, features: after.append(features))
    ours.step((images(), targets()), seed=0)
    raw, moved = before[0].detach(), after[0].detach()
    assert moved.shape[2:] == (6, 9)
    alone = scale_deviation(raw[:1, :, :6, :8], scales[0, :, None, None])
    torch.testing.assert_close(moved[:1, :, :6, :8], alone)
    torch.testing.assert_close(moved[1:], scale_deviation(raw[1:], scales[0, :, None, None]))


def test_half_precision_steps_as_far_as_whole() -> None:
    moved = []
    for precision in ("16-mixed", "32-true"):
        one = trainer(precision)
        scaling = one.fabric.strategy.precision
        scaling.load_state_dict({**scaling.state_dict(), **({"scale": 128.0} if scaling.state_dict() else {})})
        weight = one.detector.rpn.head.cls_logits.weight
        before = weight.detach().clone()
        one.step((images(2), targets(2)), 0)
        moved.append(float((weight.detach() - before).norm()))
    assert moved[0] == pytest.approx(moved[1], rel=0.1)


def test_as_many_processes_as_torchrun_starts_must_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match=r"run\.devices=1, but torchrun has started 2 processes here: `--set run\."):
        make_fabric(run_section("32-true", "cpu"))


def test_deterministic_runs_are_asked_for_of_torch() -> None:
    try:
        make_fabric(RunSection(device="cpu", deterministic=True))
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
