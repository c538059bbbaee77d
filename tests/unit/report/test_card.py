"""A model card of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from clipgap.engine.evaluate import evaluate_run
from clipgap.engine.kept import Kept
from clipgap.engine.names import hash_of_detector
from clipgap.errors import WeightsError
from clipgap.report.card import model_card
from tests.runs import make_trained, run_config


def test_it_says_what_a_reader_asks(tmp_path: Path) -> None:
    made = make_trained(tmp_path)
    run, config = made / "run", run_config(made)
    assert "Not scored" in model_card(run)
    table = evaluate_run(run, config, show=False, kept=Kept(run / "detections", hash_of_detector(run), "cpu"))
    card = model_card(run, "me/streets", "cc-by-4.0")
    head = yaml.safe_load(card.split("---")[1])
    assert head == {"library_name": "clipgap", "pipeline_tag": "object-detection", "license": "cc-by-4.0"}
    for part in (
        'Detector.from_pretrained("me/streets")',
        "- target prompts: an image taken on a fog day; an image taken on a clear night",
        "- trained on: day (train)",
        "weights (SHA-256)",
        f"| mean of targets | {table.mean_targets:.1f} |",
        "| day (source) |",
        "## Caveats",
        "One training run",
    ):
        assert part in card, part
    settings = yaml.safe_load(card.split("```yaml\n")[1].split("```")[0])
    assert settings["train"]["steps"] == 4


def test_no_run_has_no_card(tmp_path: Path) -> None:
    with pytest.raises(WeightsError):
        model_card(tmp_path)
