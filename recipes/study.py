"""The paper's question asked properly: does each part help on domains the detector never saw?

    python -m recipes.study mini_world            the table of docs/results.md, on the miniature weather world
    python -m recipes.study photos                the same rows on the photographs, from the same tiny CLIP
    python -m recipes.study mini_world --print    only the table of the results that are there

Rows of one seed share their scenes and the order of the data, so differences are paired. Every run leaves one JSON and
is not done again: the table can be completed in several sittings. Settings that are tried on development worlds come by
`--worlds`, `--seeds`, `--set` and a folder of their own (`--out`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shlex
import shutil
import statistics
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from scipy.stats import t as student

from clipgap.config import RunConfig, load_config
from clipgap.engine.evaluate import evaluate_run
from clipgap.engine.fit import fit
from clipgap.engine.progress import log
from clipgap.engine.train import train
from clipgap.world import DOMAINS, write_domain, write_world

THREE, FIVE = (0, 1, 2), (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Row:
    """One kind of training: its name in the table, what it sets, and for how many seeds."""

    title: str
    settings: tuple[str, ...]
    seeds: tuple[int, ...]
    extra: bool = False
    """Not in the main table; done after it."""


@dataclass(frozen=True)
class Study:
    """Rows on one kind of data. `worlds` has a world for every seed, or none where the data are given."""

    config: str
    rows: dict[str, Row]
    worlds: tuple[int, ...] = ()
    scenes: int = 0
    held_out: int = 0


LINEAR = ("detector.classifier=linear", "detector.pooling=mean", "augment.kind=none")
RANDOM_INIT = ("clip.pretrained=random", "detector.frozen=[]", "batch_norm=train")
MIXED = "data.source={name: mixed, format: voc, root: mixed/VOC2007, train: train}"
ROWS = {
    "random_init": Row("random init", (*LINEAR, *RANDOM_INIT), THREE),
    "clip_init": Row("CLIP init", LINEAR, THREE),
    "text": Row("+ text classifier", ("detector.pooling=mean", "augment.kind=none"), THREE),
    "attention": Row("+ attention pooling", ("augment.kind=none",), FIVE),
    "random": Row("random offsets, same pooled norm", ("augment.kind=random",), FIVE),
    "permuted": Row("fitted offsets, channels permuted", ("augment.kind=permuted",), FIVE),
    "paper": Row("semantic augmentation (paper)", ("augment.kind=fitted",), FIVE),
    "upper_bound": Row("upper bound: a fifth in each domain", ("augment.kind=none", MIXED), FIVE),
}
DAY = "an image taken during the day"


def _prompts(*targets: str) -> str:
    """The setting that makes the target prompts these."""
    return "data.prompts=" + json.dumps({"source": DAY, "targets": list(targets)})


OTHER_WEATHER = tuple(
    f"an image taken on a {w} {t}" for w in ("snow", "cloudy", "stormy") for t in ("day", "evening", "night")
)
THE_FOUR = ("fog day", "clear night", "rain evening", "rain night")
WRONG = ("an image of a kitchen", "a painting of flowers", "a photo of a cat on a sofa", "a page of a book")
LAYER3 = "detector.frozen=[stem, layer1, layer2, layer3]"
FROZEN = {
    "layer3_none": ("layer3 frozen, no augmentation", ("augment.kind=none", LAYER3)),
    "layer3_random": ("layer3 frozen, random offsets", ("augment.kind=random", LAYER3)),
    "layer3": ("layer3 frozen, semantic augmentation", (LAYER3,)),
    "layer3_p_100": ("layer3 frozen, semantic augmentation, probability 1", (LAYER3, "augment.probability=1.0")),
    "layer3_random_p_100": (
        "layer3 frozen, random offsets, probability 1",
        ("augment.kind=random", LAYER3, "augment.probability=1.0"),
    ),
    "layer3_upper": ("layer3 frozen, upper bound", ("augment.kind=none", MIXED, LAYER3)),
}
"""The rows that ask what the augmentation is worth on the features that it was fitted to."""
SHORT_FIT = ("fit.offsets=channel", "fit.lr=0.1", "fit.steps=20")
"""Step one in seconds (docs/performance.md)."""
EXTRAS = {
    "bn_train_none": ("BatchNorm train, no augmentation", (LAYER3, "augment.kind=none", "batch_norm=train")),
    "bn_train": ("BatchNorm train, semantic augmentation", (LAYER3, "batch_norm=train")),
    "channel": ("offsets as one number a channel", (LAYER3, "fit.offsets=channel")),
    "refit": ("layer3 trained, one number a channel, again every 100 steps", (*SHORT_FIT, "augment.refit_every=100")),
    "other_weather": ("prompts that name no target (snow, cloudy, stormy)", (LAYER3, _prompts(*OTHER_WEATHER))),
    "only_fog": ("one prompt: fog day", (LAYER3, _prompts("an image taken on a fog day"))),
    "only_night": ("one prompt: clear night", (LAYER3, _prompts("an image taken on a clear night"))),
    "wrong": ("wrong prompts (a kitchen, ...)", (LAYER3, _prompts(*WRONG))),
    "deviation": ("mean and deviation", (LAYER3, "fit.offsets=deviation")),
    "the_four": ("four prompts: the targets", (LAYER3, _prompts(*(f"an image taken on a {n}" for n in THE_FOUR)))),
    "p_25": ("probability 0.25", (LAYER3, "augment.probability=0.25")),
}
"""Variants, layer3 frozen where nothing else is said: with layer3 trained there is no effect that could change."""
ROWS |= {name: Row(title, settings, FIVE, extra=True) for name, (title, settings) in FROZEN.items()}
ROWS |= {name: Row(title, settings, THREE, extra=True) for name, (title, settings) in EXTRAS.items()}
ROWS["dense"] = Row("roi: dense, semantic augmentation", ("detector.roi=dense",), FIVE, extra=True)
"""The price of the fastest setting (docs/performance.md)."""
OWN_BASE = ("bn_train_none", "bn_train", "refit")
"""Variants that are not compared with the rows of layer3 frozen."""
DIFFERENCES = (
    *(("paper", other) for other in ("attention", "random", "permuted", "clip_init")),
    *(("attention", "text"), ("text", "clip_init"), ("clip_init", "random_init")),
    *(("upper_bound", other) for other in ("attention", "clip_init")),
    *(("layer3", other) for other in ("layer3_none", "layer3_random")),
    *(("layer3_p_100", other) for other in ("layer3_none", "layer3_random_p_100")),
    ("layer3_upper", "layer3_none"),
    ("bn_train", "bn_train_none"),
    ("dense", "paper"),
    *(("refit", other) for other in ("attention", "paper")),
    *((name, other) for name in EXTRAS if name not in OWN_BASE for other in ("layer3_none", "layer3")),
)
"""Rows that are compared, seed by seed."""
GAPS = (
    *(("paper", start, "upper_bound") for start in ("attention", "clip_init")),
    *((name, "layer3_none", "layer3_upper") for name in ("layer3", "layer3_p_100", "deviation")),
)
"""Rows, where they start from, and how far one can get: how much of the way do they go?"""
STUDIES = {
    # The test worlds: seeds drawn at random (secrets.randbelow) after world and schedule were frozen (docs/log.md).
    "mini_world": Study("mini_world", ROWS, worlds=(609551, 968249, 516515, 951553, 225236), scenes=1000, held_out=200),
    "photos": Study(
        "recipes/photos.yaml", {name: row for name, row in ROWS.items() if name != "upper_bound" and not row.extra}
    ),
}


@dataclass(frozen=True)
class Task:
    """One run of a row: everything a worker process needs."""

    study: str
    row: str
    seed: int
    settings: tuple[str, ...]
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
        study = STUDIES[self.study]
        settings = [*self.settings, *study.rows[self.row].settings, f"run.seed={self.seed}", f"run.out={self.folder}"]
        settings.append("run.workers=0")
        config = load_config(study.config, settings)
        relevant = [config.data.root, config.data.prompts, config.clip, config.batch_norm, config.image, config.fit]
        digest = hashlib.sha256(f"{relevant} {self.seed}".encode()).hexdigest()[:10]
        return load_config(
            study.config, [*settings, f"augment.file={self.out}/offsets_{self.seed}_{digest}.safetensors"]
        )


def main() -> None:
    """Run what is missing, then print the table."""
    options = _options()
    study = STUDIES[options.study]
    out = options.out or Path("runs/study") / options.study
    if not options.print:
        tasks = list(_tasks(options, study, out))
        _in_processes(fit_offsets, _first_of_each_fit(tasks), options.workers)
        _in_processes(run_once, tasks, options.workers)
    print(render(read_results(out), study))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=list(STUDIES))
    parser.add_argument("--rows", nargs="+", help="only these rows (the main ones by default)")
    parser.add_argument("--seeds", type=int, nargs="+", help="only these seeds")
    parser.add_argument("--worlds", type=int, nargs="+", help="other worlds: one for each of the seeds 0, 1, ...")
    parser.add_argument("--set", nargs="+", default=[], help="settings for every row")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, one thread each")
    parser.add_argument("--out", type=Path, help="folder of results (runs/study/STUDY by default)")
    parser.add_argument("--print", action="store_true", help="run nothing")
    return parser.parse_args()


def _tasks(options: argparse.Namespace, study: Study, out: Path) -> Iterable[Task]:
    """The runs that are missing, seed by seed."""
    out.mkdir(parents=True, exist_ok=True)
    worlds = options.worlds or study.worlds
    names = options.rows or [name for name, row in study.rows.items() if not row.extra]
    for seed in options.seeds or FIVE:
        settings = list(options.set)
        if worlds:
            settings.append(f"data.root={_world(out, worlds[seed], study, options.workers)}")
        for name in names:
            task = Task(options.study, name, seed, tuple(settings), out)
            if (options.seeds or seed in study.rows[name].seeds) and not task.result.is_file():
                yield task


def _world(out: Path, seed: int, study: Study, workers: int) -> Path:
    """The world of a seed, drawn if it is not there yet, with a folder `mixed` for the upper bound."""
    world = out / f"world_{seed}"
    if not world.is_dir():
        write_world(world, seed, study.scenes, study.held_out, workers, lambda pictures: None)
    if not (world / "mixed").is_dir():
        write_domain(world / "mixed", tuple(DOMAINS), seed, {"train": study.scenes}, workers, lambda pictures: None)
    return world


def _first_of_each_fit(tasks: list[Task]) -> list[Task]:
    files = {task.config().augment.file: task for task in reversed(tasks) if task.config().augment.kind != "none"}
    return [task for file, task in files.items() if file and not Path(file).is_file()]


def _in_processes(function: Any, tasks: list[Task], workers: int) -> None:
    if not tasks:
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        waiting = {pool.submit(function, task): task for task in tasks}
        for number, done in enumerate(as_completed(waiting), start=1):
            task = waiting[done]
            log.print(f"{function.__name__} {number}/{len(tasks)}: {task.row}, seed {task.seed}: {done.result()}")


def fit_offsets(task: Task) -> str:
    """Step one of a run."""
    config = task.config()
    fitted = fit(config, Path(str(config.augment.file)), show=False)
    return f"direction loss {fitted.record['direction_loss']:.3f}"


def run_once(task: Task) -> str:
    """Step two of a run and its scores."""
    config, began = task.config(), time.perf_counter()
    shutil.rmtree(task.folder, ignore_errors=True)
    train(config, show=False)
    trained = time.perf_counter()
    scored = load_config(STUDIES[task.study].config, [*task.settings, "run.workers=0"])
    table = evaluate_run(task.folder, scored, show=False).to_json()
    validation = [json.loads(line) for line in (task.folder / "metrics.jsonl").read_text().splitlines()]
    record = {
        "row": task.row,
        "seed": task.seed,
        "settings": [*task.settings, *STUDIES[task.study].rows[task.row].settings],
        "command": shlex.join(["python", "-m", "recipes.study", *sys.argv[1:]]),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, 1 thread a run, torch {torch.__version__}",
        "seconds": {"train": round(trained - began), "score": round(time.perf_counter() - trained)},
        "validation": next((line["validation"] for line in reversed(validation) if "validation" in line), None),
        **table,
    }
    task.result.write_text(json.dumps(record, indent=1), encoding="utf-8")
    shutil.rmtree(task.folder)
    scores = {name: round(one["ap50"], 1) for name, one in table["domains"].items()}
    return f"{scores}, {record['seconds']}, validation {record['validation']}"


def read_results(out: Path) -> list[dict[str, Any]]:
    """All results in a folder."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(out.glob("*_*.json"))]


def render(results: list[dict[str, Any]], study: Study) -> str:
    """Markdown tables, of the main rows and then of the others: means, paired differences, and gaps closed."""
    tables = [table for extra in (False, True) for table in _tables(results, study, extra)]
    return "\n\n".join(tables) or "no results"


def _tables(results: list[dict[str, Any]], study: Study, extra: bool) -> Iterable[str]:
    titles = {name: row.title for name, row in study.rows.items()}
    rows = [name for name, row in study.rows.items() if row.extra is extra]
    domains = [*results[0]["domains"], None] if results else []
    columns = ["seeds", *(domain or "mean of targets" for domain in domains)]
    lines = []
    for name in rows:
        if mine := [result for result in results if result["row"] == name]:
            lines.append([titles[name], len(mine), *(_spread([_score(one, d) for one in mine]) for d in domains)])
    yield from _markdown(["row", *columns], lines)
    lines = []
    for name, other in DIFFERENCES:
        pairs = _pairs(results, name, other)
        if name in rows and len(pairs) > 1:
            cells = [_interval([_score(a, d) - _score(b, d) for a, b in pairs]) for d in domains]
            lines.append([f"{titles[name]} - {titles[other]}", len(pairs), *cells])
    yield from _markdown(["paired difference", *columns], lines)
    lines = []
    for name, start, upper in GAPS:
        gains, gaps = (_gains(results, one, start) for one in (name, upper))
        if name in rows and gains and gaps:
            gain, gap = statistics.mean(gains), statistics.mean(gaps)
            seeds = f"{len(gains)}, {len(gaps)}"
            lines.append([titles[name], titles[start], seeds, f"{gain:+.1f} of {gap:.1f}: {gain / gap:.0%}"])
    yield from _markdown(
        ["gap to the upper bound closed by", "starting from", "seeds of gain, of gap", "mean of targets"], lines
    )


def _markdown(head: list[str], lines: list[list[Any]]) -> Iterable[str]:
    """One table, or none where it would have no lines."""
    if lines:
        cells = [head, ["---"] * len(head), *lines]
        yield "\n".join("| " + " | ".join(map(str, line)) + " |" for line in cells)


def _gains(results: list[dict[str, Any]], name: str, start: str) -> list[float]:
    return [_score(a, None) - _score(b, None) for a, b in _pairs(results, name, start)]


def _score(result: dict[str, Any], domain: str | None) -> float:
    return float(result["domains"][domain]["ap50"] if domain else result["mean_targets"])


def _pairs(results: list[dict[str, Any]], name: str, other: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    by_key = {(result["row"], result["seed"]): result for result in results}
    seeds = sorted({result["seed"] for result in results})
    return [(by_key[name, s], by_key[other, s]) for s in seeds if (name, s) in by_key and (other, s) in by_key]


def _spread(values: list[float]) -> str:
    """Mean ± standard deviation."""
    deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{deviation}"


def _interval(differences: list[float]) -> str:
    """Mean and 95 % t-interval of paired differences."""
    mean, count = statistics.mean(differences), len(differences)
    half = float(student.ppf(0.975, count - 1)) * statistics.stdev(differences) / count**0.5
    return f"{mean:+.1f} [{mean - half:+.1f}, {mean + half:+.1f}]"


if __name__ == "__main__":
    main()
