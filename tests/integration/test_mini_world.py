"""The method learns on the miniature world: minutes, so `make test-all` runs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipgap.config import load_config
from clipgap.engine.evaluate import evaluate_run
from clipgap.engine.fit import fit
from clipgap.engine.train import train
from clipgap.world import DOMAINS, write_world


@pytest.mark.slow
def test_a_detector_learns_clear_day_and_the_augmentation_changes_what_it_sees_elsewhere(tmp_path: Path) -> None:
    world, offsets = tmp_path / "world", tmp_path / "aug.safetensors"
    write_world(world, 5, 600, 40, 1, lambda pictures: None)
    tables = {}
    for kind in ("none", "fitted"):
        run = tmp_path / kind
        settings = [f"data.root={world}", f"augment.file={offsets}", f"augment.kind={kind}", f"run.out={run}"]
        shorter = ["fit.steps=60", "train.steps=350", "train.lr_steps=[280]"]
        config = load_config("mini_world", [*settings, *shorter, "run.workers=0", "run.device=cpu"])
        if not offsets.exists():
            fitted = fit(config, offsets, show=False)
            assert all(row["pooled"] > row["before"] for row in fitted.record["cosines"])
        train(config, show=False)
        tables[kind] = evaluate_run(run, config, show=False).to_json()
        expected = {
            "model.safetensors",
            "config.yaml",
            "run.yaml",
            "environment.json",
            "metrics.jsonl",
            "checkpoint.pt",
        }
        assert {path.name for path in run.iterdir()} == expected
        assert set(tables[kind]["domains"]) == set(DOMAINS)
        assert tables[kind]["domains"]["daytime_clear"]["ap50"] > 30
    targets = [tables[kind]["mean_targets"] for kind in ("none", "fitted")]
    assert abs(targets[1] - targets[0]) > 0.1
