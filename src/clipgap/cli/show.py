"""How results look on a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from clipgap.augment import SemanticAugmentations
from clipgap.metrics import ScoreTable

stdout = Console(width=None if sys.stdout.isatty() else 1000)
"""In a file or a pipe nothing is wrapped or cut, however long a line is."""


def say(line: str) -> None:
    """One plain line on stdout."""
    stdout.print(line, highlight=False, markup=False, soft_wrap=True)


def print_table(table: ScoreTable) -> None:
    """The per-domain table."""
    stdout.print(table.render())


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
    say(f"next: clipgap train --config ... --set augment.file={file}")


def print_comparison(scores: dict[str, dict[str, float]]) -> None:
    """Two trainings side by side: a row a domain."""
    table = Table(title="AP50", title_justify="left")
    table.add_column("domain")
    for title in scores:
        table.add_column(title, justify="right")
    table.add_column("difference", justify="right")
    before, after = scores.values()
    for domain, value in before.items():
        table.add_row(domain, f"{value:.1f}", f"{after[domain]:.1f}", f"{after[domain] - value:+.1f}")
    stdout.print(table)
