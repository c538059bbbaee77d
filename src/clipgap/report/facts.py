"""What was trained on what, with which words, by which command, where and for how long."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from clipgap.config import RunConfig
from clipgap.detector.spec import WEIGHTS_FILE
from clipgap.engine.run_folder import RunFolder
from clipgap.files import hash_of_file
from clipgap.report.series import Scored, Series

Fact = tuple[str, str]
"""What it is, and what is known of it."""


def facts_of(series: Series[Scored], run: Scored) -> list[Fact]:
    """What there is to know of a series, of one of its runs where they may differ."""
    found: list[Fact] = [("runs", series.name), ("detector", run.table.detector)]
    found += [("seeds", ", ".join(str(seed) for seed in series.seeds if seed is not None) or "not known")]
    if run.made:
        found += config_facts(run.made)
    found += [("notes", "; ".join(run.table.notes))] if run.table.notes else []
    found += record_facts(RunFolder(run.path).record())
    return [*found, *_weights(run)]


def config_facts(config: RunConfig) -> Iterator[Fact]:
    """What a run's settings say."""
    data = config.data
    yield "trained on", f"{data.source.name} ({data.source.split_name('train')}) in {data.root}"
    yield "classes", ", ".join(data.classes)
    if data.prompts and data.prompts.source:
        yield "source prompt", data.prompts.source
    if data.prompts and data.prompts.targets:
        yield "target prompts", "; ".join(data.prompts.targets)
    steps = f"{config.train.steps:,} steps of {config.train.batch_size} images, lr {config.train.lr:g}"
    yield "schedule", f"{steps}, {config.run.precision}"


def record_facts(record: dict[str, Any]) -> Iterator[Fact]:
    """What its record says: `RunFolder.record`; what is not of its kind is left out."""
    if not record:
        return
    command, gpus, packages = (record.get(key) for key in ("command", "gpus", "packages"))
    yield "command", " ".join(map(str, command)) if isinstance(command, list) else str(command)
    seconds, resumed = record.get("seconds"), record.get("resumed")
    if isinstance(seconds, int | float) and math.isfinite(seconds):
        more = f", in {1 + len(resumed)} sittings" if isinstance(resumed, list) and resumed else ""
        yield "duration", f"{timedelta(seconds=round(seconds))}{more}"
    cards = (
        ", ".join(map(str, gpus)) if isinstance(gpus, list) and gpus else f"CPU, {record.get('threads', '?')} threads"
    )
    yield "machine", f"{record.get('platform', '?')}; {cards}"
    if isinstance(packages, dict):
        yield "versions", ", ".join(f"{name} {packages[name]}" for name in ("clipgap", "torch") if packages.get(name))


def _weights(run: Scored) -> Iterator[Fact]:
    if (run.path / WEIGHTS_FILE).is_file():
        yield "weights (SHA-256)", hash_of_file(run.path / WEIGHTS_FILE)
