"""The runs of a study: worlds, offsets and trainings, in processes; each leaves one JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Iterable
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import torch
from recipes.study.rows import EIGHT, SEEN, Study
from recipes.study.scoring import score_run
from recipes.study.studies import STUDIES
from recipes.study.task import Task

from clipgap.config import load_config
from clipgap.engine.fit import fit
from clipgap.engine.names import METRICS
from clipgap.engine.progress import log
from clipgap.engine.run_folder import RunFolder
from clipgap.engine.train import train
from clipgap.errors import DataError
from clipgap.files import alone_in, is_ours
from clipgap.processes import pool
from clipgap.world import KINDS, write_domain, write_world


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
            Task(options.study, name, seed, settings, row.settings, out, row.of, options.keep)
            for name, row in ((name, study.rows[name]) for name in names)
            if options.seeds or seed in row.seeds
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
    trained = [task for task in reversed(tasks) if not task.of]
    files = {task.config().augment.file: task for task in trained if task.config().augment.offsets}
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
    """Step two of a run, unless it is of another's detector, and its scores."""
    began = time.perf_counter()
    lines = _in_the_folder_of(task) if task.of else _trained(task)
    trained = time.perf_counter()
    scores = score_run(task.folder, task.scored(), STUDIES[task.study])
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
    if not (task.keep or task.of):
        shutil.rmtree(task.folder)
    said = {name: round(one["ap50"], 1) for name, one in scores["domains"].items()}
    return f"{said}, {record['seconds']}, validation {record['validation']}"


def _trained(task: Task) -> list[dict[str, Any]]:
    """Train, and give what the training told of itself."""
    _clear(task.folder)
    train(task.config(), show=False)
    return [json.loads(line) for line in (task.folder / METRICS).read_text(encoding="utf-8").splitlines()]


def _in_the_folder_of(task: Task) -> list[dict[str, Any]]:
    """Nothing to tell; but the detector has to be there.

    Raises:
        DataError: it is not.
    """
    if not RunFolder(task.folder).config_file.is_file():
        raise DataError(
            f"{task.folder}: row {task.row} scores the detector of row {task.of}, which is not there: run that row "
            "with --keep first (its result, where there is one, has to be moved away for it)"
        )
    return []


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
