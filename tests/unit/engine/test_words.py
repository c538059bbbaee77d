"""A training with words of its own, a learned background and score fusion: it resumes, is stored whole, is scored."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from clipgap.clip import load_clip
from clipgap.detector import Detector
from clipgap.engine.evaluate import evaluate_run
from clipgap.engine.train import train
from tests.runs import make_run, run_config

CLASSIFIER = "roi_heads.box_predictor.classifier."
LEVERS = (
    "augment.kind=none",
    "data.prompts.class_template=['a photo of a {}', 'the {}']",
    "data.prompts.class_names={motor: [motorcycle, motorbike]}",
    "detector.background=learned",
    "detector.fusion=0.35",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_run(tmp_path_factory.mktemp("levers"))
    train(run_config(folder, *LEVERS), show=False)
    return folder


def state_of(run: Path) -> dict[str, Tensor]:
    return Detector.load(run).state_dict()


def test_the_words_and_the_tower_from_before_the_training_are_in_the_detector(made: Path) -> None:
    state, clip = state_of(made / "run"), load_clip(run_config(made).clip)
    car, motor = state[f"{CLASSIFIER}class_embeddings"][2:4]
    torch.testing.assert_close(car, clip.embed_groups([["a photo of a car", "the car"]])[0])
    names = ["a photo of a motorcycle", "a photo of a motorbike", "the motorcycle", "the motorbike"]
    torch.testing.assert_close(motor, clip.embed_groups([names])[0])
    frozen = {name.removeprefix("frozen_clip."): tensor for name, tensor in state.items() if "frozen_clip" in name}
    before = {f"trunk.{name}": tensor for name, tensor in clip.trunk.state_dict().items()}
    before |= {f"roi_part.{name}": tensor for name, tensor in clip.roi_part.state_dict().items()}
    assert frozen.keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in frozen.items())
    trained = state["roi_heads.box_head.layer4.0.conv1.weight"]
    assert not torch.equal(trained, frozen["roi_part.layer4.0.conv1.weight"])


def test_a_run_that_goes_on_has_the_same_weights(made: Path) -> None:
    out, halves = f"run.out={made / 'halves'}", ("train.lr_steps=[3]", "train.steps=2")
    train(run_config(made, *LEVERS, out, *halves), show=False)
    train(run_config(made, *LEVERS, out), resume=True, show=False)
    whole, resumed = state_of(made / "run"), state_of(made / "halves")
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())


def test_it_is_scored(made: Path) -> None:
    table = evaluate_run(made / "run", run_config(made, *LEVERS), show=False)
    assert [domain.name for domain in table.domains] == ["day", "fog", "night"]


def test_the_background_has_words_of_its_own(made: Path) -> None:
    words = ("augment.kind=none", "detector.background=text", "data.prompts.background=an empty road")
    train(run_config(made, *words, "train.steps=1", f"run.out={made / 'text'}"), show=False)
    expected = load_clip(run_config(made).clip).embed_text(["an empty road"])[0]
    assert torch.equal(state_of(made / "text")[f"{CLASSIFIER}background"], expected)
