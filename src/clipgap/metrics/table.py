"""The per-domain table: what a detector is worth where it was trained, and where it was not."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.box import SIMPLE
from rich.table import Table
from rich.text import Text

from clipgap.files import write_text
from clipgap.metrics.result import Result

MEAN = "mean of targets"
Role = Literal["source", "target"]


@dataclass(frozen=True)
class DomainScore:
    """One domain's result."""

    name: str
    role: Role
    result: Result


@dataclass(frozen=True)
class ScoreTable:
    """One detector's results on the source and on every target domain."""

    metric: str
    iou: float
    domains: list[DomainScore]
    detector: str
    """Which CLIP, weights and augmentation the detector was made with; shown with every table."""
    notes: list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        """Name of the source domain."""
        return next(domain.name for domain in self.domains if domain.role == "source")

    @property
    def mean_targets(self) -> float | None:
        """The headline figure, mean of targets; targets without boxes are left out."""
        found = [domain.result.headline for domain in self.domains if domain.role == "target"]
        known = [value for value in found if value is not None]
        return float(np.mean(known)) if known else None

    def to_json(self) -> dict[str, Any]:
        """Plain values; `iou` only where the metric has one."""
        return {
            "metric": self.metric,
            **({} if self.metric == "coco" else {"iou": self.iou}),
            "detector": self.detector,
            "notes": self.notes,
            "source": self.source,
            "domains": {
                domain.name: {
                    **domain.result.figures,
                    "per_class": domain.result.per_class,
                    "images": domain.result.images,
                    "boxes": domain.result.boxes,
                }
                for domain in self.domains
            },
            "mean_targets": self.mean_targets,
        }

    def write_csv(self, path: str | Path) -> None:
        """A row a domain, and one for the mean of the targets; an empty field where there is nothing to find."""
        first = self.domains[0].result
        rows: list[list[Any]] = [["domain", "role", *first.figures, *first.per_class, "images", "boxes"]]
        for domain in self.domains:
            figures = [*domain.result.figures.values(), *domain.result.per_class.values()]
            rows.append([domain.name, domain.role, *figures, domain.result.images, domain.result.boxes])
        rows.append([MEAN, "", self.mean_targets, *[""] * (len(rows[0]) - 3)])
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        write_text(Path(path), text.getvalue())

    def render(self) -> Table:
        """The table for a terminal: a row a domain, a column a class."""
        first = self.domains[0].result
        at = "" if self.metric == "coco" else f", IoU {self.iou:g}"
        lines = [self.detector, *self.notes]
        table = Table(title=f"{self.metric}{at}", title_justify="left", box=SIMPLE, pad_edge=False, padding=0)
        table.caption, table.caption_justify = Text("\n".join(lines)), "left"
        table.add_column("domain", no_wrap=True)
        for name in (*first.figures, *first.per_class, "images", "boxes"):
            table.add_column(Text(name), justify="right", overflow="fold")
        for i, domain in enumerate(self.domains):
            last_of_role = i + 1 == len(self.domains) or self.domains[i + 1].role != domain.role
            figures = [*domain.result.figures.values(), *domain.result.per_class.values()]
            counts = str(domain.result.images), str(domain.result.boxes)
            table.add_row(Text(domain.name), *map(_shown, figures), *counts, end_section=last_of_role)
        table.add_row(MEAN, _shown(self.mean_targets), style="bold")
        return table


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
