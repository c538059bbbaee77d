"""How results look on a terminal."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from clipgap.augment import SemanticAugmentations
from clipgap.engine.progress import log
from clipgap.engine.train import Trained
from clipgap.metrics import RobustnessTable, ScoreTable

USELESS = 1.0
"""AP in 0-100 below which a detector is of no use."""
stdout = Console(width=None if sys.stdout.isatty() else 1000)
"""In a file or a pipe nothing is wrapped or cut, however long a line is."""


def say(line: str) -> None:
    """One plain line on stdout."""
    stdout.print(line, highlight=False, markup=False, soft_wrap=True)


def give_table(table: ScoreTable | RobustnessTable, csv: Path | None, as_json: bool) -> None:
    """The per-domain table, or the one under corruption: printed, as JSON, and into a file where one is named."""
    if as_json:
        typer.echo(json.dumps(table.to_json()))
    else:
        stdout.print(table.render())
    if csv:  # at last: what is printed is not lost where there is no room for a file
        table.write_csv(csv)


def fit_table(augmentations: SemanticAugmentations, file: Path) -> None:
    """For every prompt how near the crops come to where they should land."""
    record = augmentations.record
    table = Table(title="cosine between where crops land and where they should (z*)", title_justify="left")
    table.add_column("target prompt")
    for name in ("before", "after", "pooled (step two)"):
        table.add_column(name, justify="right")
    for prompt, row in zip(augmentations.prompts.targets, record["cosines"], strict=True):
        table.add_row(Text(prompt), *(f"{row[name]:.3f}" for name in ("before", "after", "pooled")))
    stdout.print(table)
    losses = f"direction loss {record['direction_loss']:.4f}, l1 loss {record['l1_loss']:.4f}"
    say(f"{record['clip']}; last step: {losses}")
    say(f"{file}: {len(augmentations.prompts.targets)} offsets of {list(augmentations.offsets.shape[1:])}")


def tell_trained(result: Trained, steps: int) -> None:
    """Which weights were kept, how good they are, and how long it took; a warning where they find next to nothing."""
    took = f"{steps} steps in {timedelta(seconds=round(result.seconds))}"
    if result.best is None:
        say(f"{result.path}: the weights of step {result.best_step}; {took}")
        return
    said = f"{result.figure} {result.best:.1f} on {result.split}"
    say(f"{result.path}: the weights of step {result.best_step}, {said}; {took}")
    if result.best < USELESS:
        log.print(f"{said} after {steps} steps: it finds next to nothing; train longer (train.steps)", style="yellow")


def print_comparison(scores: dict[str, dict[str, float]], gain: dict[str, float]) -> None:
    """Two trainings and what the second has more: a line each, a column a domain."""
    table = Table(title="AP50", title_justify="left")
    table.add_column("", no_wrap=True)
    for domain in gain:
        table.add_column(domain.replace("_", "_\n").replace(" over ", "\nover "), justify="right")  # 80 letters wide
    for title, row in scores.items():
        table.add_row(title, *(f"{row[domain]:.1f}" for domain in gain))
    table.add_section()
    table.add_row("gain", *(f"{value:+.1f}" for value in gain.values()))
    stdout.print(table)
