"""The demo: the whole method on the miniature world, with and without its augmentation, at demo length."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from clipgap.config import RunConfig, load_config
from clipgap.detector import Detector
from clipgap.engine.evaluate import evaluate_run
from clipgap.engine.fit import fit, half_done
from clipgap.engine.predict import predict
from clipgap.engine.progress import log, progress_bar
from clipgap.engine.run_folder import RunFolder
from clipgap.engine.runtime import pick_device
from clipgap.engine.train import train
from clipgap.errors import DataError
from clipgap.files import require_new, write_text
from clipgap.world import DOMAINS, write_world

SHOWN = 6
"""Pictures of a domain that are drawn."""
LENGTHS: dict[str, tuple[int, tuple[str, ...]]] = {
    "whole": (1000, ("train.steps=500", "train.lr_steps=[375]")),
    "quick": (300, ("train.steps=150", "train.lr_steps=[120]", "fit.steps=60")),
}
"""Scenes to train on, and the settings that differ from the preset."""
WITHOUT, WITH = "without augmentation", "with semantic augmentation"


@dataclass(frozen=True)
class Compared:
    """AP of every domain by the kind of training, and where the drawn detections are."""

    scores: dict[str, dict[str, float]]
    pictures: Path


def draw_world(folder: Path, seed: int, scenes: int, held_out: int, workers: int, kind: str = "first") -> None:
    """`write_world` with a progress bar."""
    with progress_bar("draw", scenes + 6 * held_out) as report:
        write_world(folder, seed, scenes, held_out, workers, report, kind)


def run_demo(out: Path, quick: bool = False, overrides: tuple[str, ...] = ()) -> Compared:
    """Draw a world, fit the augmentations, train on clear day twice, score five domains, draw detections.

    What is in `out` already is not done again: an interrupted demo goes on when it is called again.

    Raises:
        DataError: `out` holds a demo of other settings, or something else.
    """
    scenes, shorter = LENGTHS["quick" if quick else "whole"]
    places = {"data.root": out / "world", "augment.file": out / "augmentations.safetensors"}
    settings = [*(f"{key}={json.dumps(str(path))}" for key, path in places.items()), *shorter, *overrides]
    base = load_config("mini_world", settings)
    _claim(out, base, scenes)
    log.print("1/5 draw a world: five domains, seven classes", style="bold")
    if not (out / "world").exists():
        draw_world(out / "world", base.run.seed, scenes, max(scenes // 5, 1), max(base.run.workers, 1))
    log.print("2/5 step one: fit the semantic augmentations, from words and clear-day pictures", style="bold")
    if not places["augment.file"].exists():
        fit(base, places["augment.file"], resume=half_done(places["augment.file"]).exists())
    scores = {}
    for number, (title, kind) in enumerate(((WITHOUT, "none"), (WITH, "fitted")), start=3):
        run = out / f"run_{kind}"
        config = load_config("mini_world", [*settings, f"augment.kind={kind}", f"run.out={json.dumps(str(run))}"])
        log.print(f"{number}/5 step two: train on daytime_clear only, {title}; score five domains", style="bold")
        scores[title] = _scores(config, run)
    log.print("5/5 detect, in pictures that were not trained on", style="bold")
    detector = Detector.load(out / "run_fitted", pick_device(base.run))
    for domain in DOMAINS:
        found = out / "predictions" / domain
        if not (found / "detections.json").exists():
            shutil.rmtree(found, ignore_errors=True)
            predict(detector, _pictures(out / "world" / domain), found, show=False)
    return Compared(scores, out / "predictions")


def _claim(out: Path, config: RunConfig, scenes: int) -> None:
    """Write down which demo the folder is of, or make sure that it is the same."""
    places = {"run": {"out", "device", "workers"}, "data": {"root"}, "augment": {"file"}}
    said = {"scenes": scenes, **config.model_dump(mode="json", exclude=places)}
    file = out / "demo.json"
    if not file.exists():
        require_new(out, "--out")
        write_text(file, json.dumps(said, indent=1))
    elif json.loads(file.read_text(encoding="utf-8")) != said:
        raise DataError(f"{out}: holds a demo of other settings; choose another --out, or move it away")


def _scores(config: RunConfig, run: Path) -> dict[str, float]:
    file = run / "scores.json"
    if not file.exists():
        train(config, resume=RunFolder(run).config_file.is_file())
        write_text(file, json.dumps(evaluate_run(run, config).to_json(), indent=1))
    content = json.loads(file.read_text(encoding="utf-8"))
    return {name: one["ap50"] for name, one in content["domains"].items()} | {
        "mean over targets": content["mean_targets"]
    }


def _pictures(domain: Path) -> list[Path]:
    """The first pictures that nothing was trained on."""
    names = sorted((domain / "VOC2007" / "JPEGImages").glob("*.jpg"))
    return [path for path in names if domain.name != "daytime_clear" or path.name.startswith("test")][:SHOWN]
