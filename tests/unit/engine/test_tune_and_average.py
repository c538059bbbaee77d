"""How the tower learns and which weights are kept: rates, gradients, averages; each against its formula."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor

from clipgap.config import AverageConfig, TrainConfig, TuneConfig, load_config
from clipgap.detector import Detector
from clipgap.engine.train import train
from clipgap.engine.train.average import WeightAverage, fresh_statistics
from clipgap.engine.train.trainer import Trainer
from clipgap.engine.train.tune import Subspace, Tuning
from clipgap.errors import ConfigError
from tests.runs import make_trained, run_config
from tests.unit.detector.test_model import images, make_detector, targets

CONV = "backbone.layer3.0.conv1.weight"


def trainer(*settings: str, batch_norm: str = "frozen") -> Trainer:
    config = load_config("mini_world", ["train.lr=0.01", f"batch_norm={batch_norm}", *settings])
    return Trainer(make_detector(batch_norm), config, None, Fabric(accelerator="cpu", devices=1))


def weights_after(steps: int, *settings: str) -> dict[str, Tensor]:
    one = trainer(*settings)
    for step in range(steps):
        one.set_lr(step)
        one.step((images(), targets()), seed=step, step=step)
    return {name: tensor.clone() for name, tensor in one.detector.state_dict().items()}


def moved(settings: str, steps: int = 1) -> dict[str, float]:
    """How far every parameter has gone from where it began."""
    start = make_detector().state_dict()
    after = weights_after(steps, settings)
    return {name: float((after[name] - start[name]).abs().max()) for name in after}


def test_a_rate_is_a_factor_on_one_part_alone() -> None:
    plain, slow = moved("tune.rates={}"), moved("tune.rates={layer3: 0.1, rpn: 0}")
    assert slow[CONV] == pytest.approx(0.1 * plain[CONV], rel=1e-3)
    assert slow["rpn.head.cls_logits.weight"] == 0
    name = "roi_heads.box_predictor.bbox_pred.weight"
    assert slow[name] == plain[name] > 0


def test_heads_are_warmed_before_the_tower_moves() -> None:
    assert moved("tune.warm_heads=2", 2)[CONV] == 0
    assert moved("tune.warm_heads=2", 2)["rpn.head.cls_logits.weight"] > 0
    assert moved("tune.warm_heads=2", 3)[CONV] > 0


def edited(config: TuneConfig) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A convolution's gradient before and after the edit, its weights, and those that it began with."""
    detector = make_detector().train()
    tuning = Tuning(detector, config, TrainConfig(weight_decay=0.1))
    weight = dict(detector.named_parameters())[CONV]
    origin = weight.detach().clone()
    draw = torch.Generator().manual_seed(0)
    weight.data += 0.1 * torch.randn(weight.shape, generator=draw)
    gradient = torch.randn(weight.shape, generator=draw)
    weight.grad = gradient.clone()
    tuning.edit(0)
    return gradient, weight.grad, weight.detach(), origin


def test_pull_back_adds_the_distance_from_clip() -> None:
    before, after, weight, origin = edited(TuneConfig(pull_back=0.5))
    torch.testing.assert_close(after, before + 0.5 * (weight - origin))
    before, after, weight, origin = edited(TuneConfig(pull_back=0.5, pull_back_by="filter"))
    ratio = before.flatten(1).norm(dim=1) / weight.flatten(1).norm(dim=1)
    torch.testing.assert_close(after, before + 0.5 * ratio[:, None, None, None] * (weight - origin))


def test_low_rank_changes_what_the_smallest_components_span_and_nothing_else() -> None:
    before, after, weight, origin = edited(TuneConfig(low_rank=4))
    left, _, right = torch.linalg.svd(origin.flatten(1), full_matrices=False)
    large = left[:, :-4].T @ after.flatten(1) @ right[:-4].T
    assert float(large.abs().max()) < 1e-5
    wanted = before + 0.1 * weight  # the decay is projected too
    small = left[:, -4:].T @ after.flatten(1) @ right[-4:].T
    torch.testing.assert_close(small, left[:, -4:].T @ wanted.flatten(1) @ right[-4:].T, rtol=1e-4, atol=1e-5)
    subspace = Subspace.smallest(origin, 4)
    torch.testing.assert_close(subspace.project(after), after, rtol=1e-4, atol=1e-5)


def test_low_rank_takes_linear_layers_and_convolutions_alone() -> None:
    detector = make_detector().train()
    tuning = Tuning(detector, TuneConfig(low_rank=2), TrainConfig())
    taken = {name for name, parameter in detector.named_parameters() if parameter in tuning.subspaces}
    assert CONV in taken
    assert "roi_heads.box_head.pool.q_proj.weight" in taken
    assert not {name for name in taken if not name.endswith("weight") or name.startswith("rpn")}


def test_a_moving_average_and_a_window_are_what_their_formulas_say() -> None:
    detector = make_detector().train()
    weight = dict(detector.named_parameters())[CONV]
    for config, share in (
        (AverageConfig(over="ema", decay=0.9), lambda n: 1 - min(0.9, (1 + n) / (10 + n))),
        (AverageConfig(over="window", window_start=2), lambda n: 1 / (n - 2)),
    ):
        average, expected = WeightAverage(detector, config), None
        for done in range(1, 6):
            weight.data.fill_(float(done**2))
            average.take(done)
            if config.over == "ema" or done > 2:
                expected = float(done**2) if expected is None else expected + share(done) * (done**2 - expected)
        assert float(average.mean[CONV].flatten()[0]) == pytest.approx(expected)
        own = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
        with average.swapped():
            assert float(weight.detach().flatten()[0]) == pytest.approx(expected)
        assert all(torch.equal(tensor, own[name]) for name, tensor in detector.state_dict().items())


def test_wise_goes_back_to_clip_in_the_tower_alone() -> None:
    detector = make_detector().train()
    average = WeightAverage(detector, AverageConfig(tuned=0.25))
    parameters = dict(detector.named_parameters())
    start = parameters[CONV].detach().clone()
    for parameter in parameters.values():
        parameter.data += 1
    with average.swapped():
        torch.testing.assert_close(parameters[CONV].detach(), start + 0.25)
        name = "roi_heads.box_predictor.bbox_pred.bias"
        assert float(parameters[name].detach().mean()) == 1.0


def test_batch_norm_gets_the_statistics_of_the_averaged_weights() -> None:
    config = load_config("mini_world", ["batch_norm=train", "average.over=ema", "train.lr=0.01"])
    batches = [(images(), targets())] * 2
    fabric = Fabric(accelerator="cpu", devices=1)
    one = Trainer(make_detector("train"), config, None, fabric, lambda: iter(batches))
    for step in range(3):
        one.step((images(), targets()), seed=step, step=step)
    norm = one.detector.backbone.layer1[0].bn1
    seen: list[Tensor] = []
    with one.average.swapped():
        settled = norm.running_mean.clone()
        handle = norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        one.detector.eval()(images())
        handle.remove()
    torch.testing.assert_close(settled, seen[0].mean((0, 2, 3)), rtol=1e-3, atol=1e-4)
    assert not torch.equal(norm.running_mean, settled)
    assert norm.momentum == 0.1


def test_fresh_statistics_are_the_plain_mean_over_batches_of_norms_that_train() -> None:
    norm, frozen = torch.nn.BatchNorm2d(1), torch.nn.BatchNorm2d(1).eval()
    assert norm.running_mean is not None
    assert frozen.running_mean is not None
    frozen.running_mean.fill_(7)  # as the frozen CLIP of `detector.fusion` has its own
    with fresh_statistics(torch.nn.ModuleList([norm, frozen])):
        for value in (1.0, 3.0):
            norm(torch.full((2, 1, 2, 2), value))
    assert (float(norm.running_mean), float(frozen.running_mean), frozen.momentum) == (2.0, 7.0, 0.1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trained(tmp_path_factory.mktemp("levers"))


EVERYTHING = (
    "diversify={kinds: [photometric, fourier, random_conv, oa_mix], probability: 1, views: 2}",
    "align={classes: 1, boxes: 1}",
    "augment.kind=[fitted, norm, mixstyle, pin]",
    "augment.probability=1",
    "tune={rates: {layer3: 0.5}, warm_heads: 1, pull_back: 0.01, pull_back_by: filter, low_rank: 8}",
    "average={over: ema, tuned: 0.9}",
)


def test_all_levers_together_train_are_resumed_and_repeat_bit_by_bit(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(name: str, resume: bool = False) -> dict[str, Tensor]:
        config = run_config(made, *EVERYTHING, f"run.out={made / name}")
        return Detector.load(train(config, resume=resume, show=False).path).state_dict()

    first = run("one")
    told = Detector.load(made / "one").spec.description
    assert "two views; both views aligned; tuned by rates {'layer3': 0.5}, warm_heads 1, pull_back 0.01" in told
    assert told.endswith("low_rank 8; weights averaged (ema); 0.9 of the tuned tower")
    step, taken = Trainer.step, []

    def break_off(self: Trainer, *arguments: object) -> dict[str, float]:
        taken.append(arguments)
        if len(taken) == 4:
            raise KeyboardInterrupt
        return step(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "step", break_off)
    with pytest.raises(KeyboardInterrupt):
        run("two")
    monkeypatch.setattr(Trainer, "step", step)
    resumed = run("two", resume=True)
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in first.items())
    lines = (made / "one" / "metrics.jsonl").read_text()
    assert "loss_align_classes" in lines
    assert "loss_align_boxes" in lines


def test_each_lever_changes_what_is_trained(made: Path) -> None:
    plain = Detector.load(made / "run").state_dict()
    for number, setting in enumerate((*EVERYTHING[4:], "augment.kind=[fitted, pin]", "diversify={kinds: [fourier]}")):
        config = run_config(made, setting, "augment.probability=1", f"run.out={made / f'each{number}'}")
        other = Detector.load(train(config, show=False).path).state_dict()
        assert any(not torch.equal(tensor, other[name]) for name, tensor in plain.items()), setting


def test_a_lever_that_cannot_be_is_told_before_anything_is_written(made: Path) -> None:
    for setting, message in (
        ("diversify.kinds=[nowhere:Lever]", "cannot import nowhere"),
        ("augment.kind=nowhere:Lever", "cannot import nowhere"),
        ("augment.kind=clipgap.prompts:PromptSet", "cannot be made"),
    ):
        with pytest.raises(ConfigError, match=message):
            train(run_config(made, setting, f"run.out={made / 'none'}"), show=False)
        assert not (made / "none").exists()
