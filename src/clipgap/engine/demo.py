"""The demo: a detector trained without any lever and one by the recipe `robust`, on the miniature world."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from clipgap.config import RunConfig, load_config
from clipgap.data import load_domains
from clipgap.detector import Detector
from clipgap.engine.evaluate import evaluate_run
from clipgap.engine.kept import Kept
from clipgap.engine.predict import PredictSettings, Truth, predict
from clipgap.engine.predict.drawing import marks_of
from clipgap.engine.predict.sheet import Panel, sheet
from clipgap.engine.progress import log, progress_bar
from clipgap.engine.run_folder import RunFolder
from clipgap.engine.runtime import pick_device
from clipgap.engine.train import train
from clipgap.errors import DataError
from clipgap.files import alone_in, require_new, sweep, write_bytes, write_text
from clipgap.world import DOMAINS, write_world

SHOWN = 6
"""Pictures of a domain that are drawn."""
DRAW_SCORE = 0.5
"""Least score of a detection that is drawn."""
NOTE = (
    "The first test picture of every domain.",
    f"Boxes: detections of score {DRAW_SCORE} and more.",
    "Dashed, white: what is true.",
    "Both were trained on daytime_clear only.",
)
"""What is written on the sheet."""
LENGTHS: dict[str, tuple[int, tuple[str, ...]]] = {
    "whole": (1000, ("train.steps=400", "train.lr_steps=[300]")),
    "quick": (300, ("train.steps=120", "train.lr_steps=[90]")),
}
"""Scenes to train on, and the settings that differ from the preset."""
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "base": ("base: no lever", ("recipe=null", "augment.kind=none")),
    "robust": ("recipe: robust", ("recipe=robust",)),
}
"""What is compared: name of its folders, title, and what it sets."""


@dataclass(frozen=True)
class Compared:
    """AP50 (0-100) of every domain, and its mean over targets, by the kind of training; and where the pictures are."""

    scores: dict[str, dict[str, float]]
    pictures: Path
    sheet: Path

    @property
    def gain(self) -> dict[str, float]:
        """What the recipe has more than the base, domain by domain."""
        base, recipe = self.scores.values()
        return {name: recipe[name] - value for name, value in base.items()}


def draw_world(folder: Path, seed: int, scenes: int, held_out: int, workers: int, kind: str = "first") -> None:
    """`write_world` with a progress bar."""
    with progress_bar("draw", scenes + 6 * held_out) as report:
        write_world(folder, seed, scenes, held_out, workers, report, kind)


def run_demo(out: Path, quick: bool = False, overrides: tuple[str, ...] = ()) -> Compared:
    """Draw a world, train on clear day without and with the recipe, score five domains, draw what both detect.

    What is in `out` already is not done again: an interrupted demo goes on when it is called again.

    Raises:
        DataError: `out` holds a demo of other settings, or something else.
    """
    scenes, shorter = LENGTHS["quick" if quick else "whole"]
    settings = [f"data.root={json.dumps(str(out / 'world'))}", *shorter, *overrides]
    configs = {
        name: load_config("mini_world", [*settings, *own, f"run.out={json.dumps(str(out / f'run_{name}'))}"])
        for name, (_, own) in KINDS.items()
    }
    with alone_in(out):
        sweep(out)
        return _run(out, configs, scenes)


def _run(out: Path, configs: dict[str, RunConfig], scenes: int) -> Compared:
    _claim(out, configs, scenes)
    log.print("1/4 draw a world: five domains, seven classes", style="bold")
    run = configs["base"].run
    if not (out / "world").exists():
        draw_world(out / "world", run.seed, scenes, max(scenes // 5, 1), max(run.workers, 1))
    scores = {}
    for number, (name, config) in enumerate(configs.items(), start=2):
        title = KINDS[name][0]
        log.print(f"{number}/4 train on daytime_clear only, {title}; score five domains", style="bold")
        scores[title] = _scores(config, out / f"run_{name}")
    log.print("4/4 detect with both, in pictures that were not trained on", style="bold")
    for name in KINDS:
        _detect(out, name, configs[name])
    compared = Compared(scores, out / "predictions", out / "compared.jpg")
    if not compared.sheet.exists():
        _compare(out, configs["base"], compared.sheet)
    return compared


def _claim(out: Path, configs: dict[str, RunConfig], scenes: int) -> None:
    """Write down which demo the folder is of, or make sure that it is the same."""
    places = {"run": {"out", "device", "workers"}, "data": {"root"}}
    said = {"scenes": scenes} | {name: one.model_dump(mode="json", exclude=places) for name, one in configs.items()}
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
        table = evaluate_run(run, config, kept=Kept.beside(run, pick_device(config.run)))
        write_text(file, json.dumps(table.to_json(), indent=1))
    content = json.loads(file.read_text(encoding="utf-8"))
    return {name: one["ap50"] for name, one in content["domains"].items()} | {
        "mean over targets": content["mean_targets"]
    }


def _detect(out: Path, name: str, config: RunConfig) -> None:
    """Fill `predictions/NAME/DOMAIN` for every domain that has none yet."""
    folders = {domain: out / "predictions" / name / domain for domain in DOMAINS}
    missing = {domain: found for domain, found in folders.items() if not (found / "detections.json").exists()}
    if not missing:
        return
    detector = Detector.load(out / f"run_{name}", pick_device(config.run)).for_inference()
    for domain, found in missing.items():
        shutil.rmtree(found, ignore_errors=True)
        predict(detector, _pictures(out / "world" / domain), found, PredictSettings(DRAW_SCORE), show=False)


def _compare(out: Path, config: RunConfig, file: Path) -> None:
    """One picture of every domain, by base and recipe, with what is true."""
    domains = load_domains(config.data)
    truth = Truth("the world", domains)
    columns = []
    for domain in DOMAINS:
        path = _pictures(out / "world" / domain)[0]
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        column = []
        for name, (title, _) in KINDS.items():
            found = _found(out / "predictions" / name / domain)
            marks = marks_of(found, config.data.classes, DRAW_SCORE, truth.boxes(path, picture.size))
            column.append(Panel(f"{domain}, {title}", picture, marks))
        columns.append(column)
    encoded = io.BytesIO()
    sheet(columns, NOTE).save(encoded, format="JPEG", quality=92)
    write_bytes(file, encoded.getbuffer())


def _found(folder: Path) -> list[dict[str, Any]]:
    """What was detected in the first of a domain's pictures."""
    results = json.loads((folder / "detections.json").read_text(encoding="utf-8"))
    return [one for one in results if one["image_id"] == 1]


def _pictures(domain: Path) -> list[Path]:
    """The first pictures that nothing was trained on."""
    names = sorted((domain / "VOC2007" / "JPEGImages").glob("*.jpg"))
    return [path for path in names if domain.name != "daytime_clear" or path.name.startswith("test")][:SHOWN]
