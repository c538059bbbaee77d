"""The runs of a study: worlds, offsets and trainings, in processes; each leaves one JSON."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Iterable
from concurrent.futures import as_completed
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from recipes.study.rows import EIGHT, SEEN, Row, Study
from recipes.study.scoring import score_run
from recipes.study.studies import STUDIES

from clipgap.config import RunConfig, load_config
from clipgap.engine.fit import fit
from clipgap.engine.progress import log
from clipgap.engine.run_folder import RunFolder
from clipgap.engine.train import train
from clipgap.errors import ConfigError, DataError
from clipgap.files import alone_in, is_ours
from clipgap.processes import pool
from clipgap.world import KINDS, write_domain, write_world


@dataclass(frozen=True)
class Task:
    """One run of a row: everything a worker process needs."""

    study: str
    row: str
    seed: int
    settings: tuple[str, ...]
    """Every row's: `--set`, and where the data are."""
    own: tuple[str, ...]
    """The row's."""
    out: Path

    @property
    def result(self) -> Path:
        """Where its JSON goes."""
        return self.out / f"{self.row}_{self.seed}.json"

    @property
    def folder(self) -> Path:
        """Its run folder; gone when the result is there."""
        return self.out / f"{self.row}_{self.seed}"

    def config(self) -> RunConfig:
        """The resolved config. Offsets are shared by all runs that would fit the same."""
        source = STUDIES[self.study].config
        settings = [*self.settings, *self.own, f"run.seed={self.seed}", f"run.out={self.folder}"]
        settings.append("run.workers=0")
        config = load_config(source, settings)
        relevant = [config.data.root, config.data.prompts, config.clip, config.batch_norm, config.image, config.fit]
        digest = hashlib.sha256(f"{relevant} {self.seed}".encode()).hexdigest()[:10]
        return load_config(source, [*settings, f"augment.file={self.out}/offsets_{self.seed}_{digest}.safetensors"])

    def scored(self) -> RunConfig:
        """What its detector is scored on. A row may train on other data: of its own, only `evaluate` counts here."""
        own = [setting for setting in self.own if setting.startswith("evaluate.")]
        return load_config(STUDIES[self.study].config, [*self.settings, *own, "run.workers=0"])

    def done(self) -> bool:
        """Whether its result is there.

        Raises:
            ConfigError: it is, but of other settings or another world.
            DataError: it is damaged.
        """
        if not self.result.is_file():
            return False
        stored = read_result(self.result)["settings"]
        if _comparable(stored) != _comparable([*self.settings, *self.own]):
            raise ConfigError(
                f"{self.result}: there is a result of row {self.row} with other settings or of another world "
                f"({' '.join(stored)}): give the row another name, or the results another folder (--out)"
            )
        return True


def _comparable(settings: Iterable[str]) -> list[str]:
    """Settings with the world's name alone for where it is: results may have moved since."""
    root = "data.root="
    return [root + Path(one.removeprefix(root)).name if one.startswith(root) else one for one in settings]


def missing(options: argparse.Namespace, study: Study, out: Path) -> Iterable[Task]:
    """The runs that are missing, seed by seed. A world is drawn when the first of its runs is asked for.

    Raises:
        ConfigError: a setting that there is not; a result that is there is of other settings or another world.
    """
    out.mkdir(parents=True, exist_ok=True)
    worlds = options.worlds or study.worlds
    shared = (*study.settings, *options.set)
    names = options.rows or [name for name, row in study.rows.items() if not row.extra]
    for name in names:
        load_config(study.config, [*shared, *study.rows[name].settings])  # wrong ones are told before worlds are drawn
    for seed in options.seeds or EIGHT[: len(worlds) or None]:
        world = out / f"world_{worlds[seed]}" if worlds else None
        settings = (*shared, f"data.root={world}") if world else shared
        tasks = [
            Task(options.study, name, seed, settings, study.rows[name].settings, out)
            for name in names
            if options.seeds or seed in study.rows[name].seeds
        ]
        tasks = [task for task in tasks if not task.done()]
        if tasks and world:
            draw_world(world, worlds[seed], study, options.workers)
        yield from tasks


def draw_world(world: Path, seed: int, study: Study, workers: int) -> None:
    """The world of a seed, where it is not there yet, with a folder `mixed` for the upper bound."""
    if not world.is_dir():
        write_world(world, seed, study.scenes, study.held_out, workers, lambda pictures: None, study.world)
    if not (world / "mixed").is_dir():
        domains = tuple(KINDS[study.world].domains)
        splits = {"train": study.scenes}
        write_domain(world / "mixed", domains, seed, splits, workers, lambda pictures: None, study.world)


def first_of_each_fit(tasks: list[Task]) -> list[Task]:
    """Of the tasks that share offsets that are not there yet, the first of each."""
    files = {task.config().augment.file: task for task in reversed(tasks) if task.config().augment.offsets}
    return [task for file, task in files.items() if file and not Path(file).is_file()]


def in_processes(function: Any, tasks: list[Task], workers: int) -> None:
    """Do every task in processes of one thread each, and say what each came to."""
    if not tasks:
        return
    with pool(workers, _one_thread) as runners:
        waiting = {runners.submit(function, task): task for task in tasks}
        for number, done in enumerate(as_completed(waiting), start=1):
            task = waiting[done]
            log.print(f"{function.__name__} {number}/{len(tasks)}: {task.row}, seed {task.seed}: {done.result()}")


def _one_thread() -> None:
    torch.set_num_threads(1)


def fit_offsets(task: Task) -> str:
    """Step one of a run."""
    config = task.config()
    fitted = fit(config, Path(str(config.augment.file)), show=False)
    return f"direction loss {fitted.record['direction_loss']:.3f}"


def run_once(task: Task) -> str:
    """Step two of a run and its scores."""
    config, began = task.config(), time.perf_counter()
    _clear(task.folder)
    train(config, show=False)
    trained = time.perf_counter()
    scores = score_run(task.folder, task.scored(), STUDIES[task.study])
    lines = [json.loads(line) for line in (task.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    record = {
        "row": task.row,
        "seed": task.seed,
        "settings": [*task.settings, *task.own],
        "command": shlex.join(["python", "-m", "recipes.study", *sys.argv[1:]]),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, 1 thread a run, torch {torch.__version__}",
        "seconds": {"train": round(trained - began), "score": round(time.perf_counter() - trained)},
        **{key: next((line[key] for line in reversed(lines) if key in line), None) for key in SEEN},
        **scores,
    }
    task.result.write_text(json.dumps(record, indent=1), encoding="utf-8")
    shutil.rmtree(task.folder)
    said = {name: round(one["ap50"], 1) for name, one in scores["domains"].items()}
    return f"{said}, {record['seconds']}, validation {record['validation']}"


def _clear(folder: Path) -> None:
    """Away with a run that was not ended.

    Raises:
        DataError: it is something else, or another process is at work there.
    """
    with alone_in(folder):
        left = [path for path in folder.iterdir() if not is_ours(path)]
        if left and not RunFolder(folder).config_file.is_file():
            raise DataError(f"{folder}: not a run, and a run is to go there; move it away, or choose another --out")
        for path in left:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def read_results(out: Path) -> list[dict[str, Any]]:
    """All results in a folder.

    Raises:
        DataError: one of them is damaged.
    """
    return [read_result(path) for path in sorted(out.glob("*_*.json"))]


def read_result(path: Path) -> dict[str, Any]:
    """One result, with the keys that all have.

    Raises:
        DataError: it is damaged.
    """
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        figures = [result["mean_targets"], *(one["ap50"] for one in result["domains"].values())]
        sound = isinstance(result["row"], str) and isinstance(result["seed"], int) and isfinite(sum(figures))
        sound = sound and isinstance(result["settings"], list)
    except (ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise DataError(f"{path}: damaged, or no result of a study; move it away, and its run is done again")
    return result


def rows_of(results: list[dict[str, Any]], study: Study) -> dict[str, Row]:
    """The rows that results are there of but the study has not in its table: developments, by their names."""
    return {one["row"]: Row(one["row"], tuple(one["settings"]), ()) for one in results if one["row"] not in study.rows}
