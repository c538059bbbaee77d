"""The demo: the whole job, short, on a small set of pictures that it draws itself."""

from __future__ import annotations

import json
from pathlib import Path

from clipgap.config import RunConfig, load_config
from clipgap.detector import Detector
from clipgap.engine.evaluate import evaluate_run
from clipgap.engine.fit import fit
from clipgap.engine.predict import predict
from clipgap.engine.runtime import log, pick_device
from clipgap.engine.train import train
from clipgap.files import require_new
from clipgap.metrics import ScoreTable
from clipgap.world import write_demo_set

SHOWN = 12
"""Pictures of a domain that are drawn; of day, the first are the validation split."""


def run_demo(out: Path, overrides: tuple[str, ...] = ()) -> ScoreTable:
    """Draw a set, fit the augmentations, train, score every domain and draw detections, all below `out`.

    Raises:
        DataError: `out` holds something already.
    """
    require_new(out, "--out")
    data, offsets, run = out / "data", out / "augmentations.safetensors", out / "run"
    config = demo_config(data, offsets, run, overrides)
    log.print("1/5 draw three domains: day, fog, night", style="bold")
    write_demo_set(data, config.run.seed)
    log.print("2/5 step one: fit the semantic augmentations to the words", style="bold")
    fit(config, offsets)
    log.print("3/5 step two: train the detector on day", style="bold")
    train(config)
    log.print("4/5 score every domain", style="bold")
    table = evaluate_run(run, config)
    log.print("5/5 detect, in pictures that were not trained on", style="bold")
    detector = Detector.load(run, pick_device(config.run))
    shown = [data / "day" / "JPEGImages" / f"day_{i:03d}.jpg" for i in range(SHOWN)]
    shown += [data / "fog" / "JPEGImages" / f"fog_{i:03d}.jpg" for i in range(SHOWN)]
    predict(detector, shown, out / "predictions")
    return table


def demo_config(data: Path, offsets: Path, run: Path, overrides: tuple[str, ...] = ()) -> RunConfig:
    """The demo preset with its own folders put in."""
    places = {"data.root": data, "augment.file": offsets, "run.out": run}
    return load_config("demo", [*(f"{key}={json.dumps(str(path))}" for key, path in places.items()), *overrides])
