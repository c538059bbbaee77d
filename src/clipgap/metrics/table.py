"""The per-domain table: what a detector is worth where it was trained, and where it was not."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from rich.box import SIMPLE
from rich.table import Table

from clipgap.metrics.result import Result

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
        """The headline figure, mean over targets; targets without boxes are left out."""
        found = [domain.result.headline for domain in self.domains if domain.role == "target"]
        known = [value for value in found if value is not None]
        return float(np.mean(known)) if known else None

    @property
    def headline_name(self) -> str:
        """Name of the figure in the mean: `ap50`, or `ap` for COCO."""
        return next(iter(self.domains[0].result.figures))

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
        """A row a domain, and one for the mean over targets; an empty field where there is nothing to find."""
        first = self.domains[0].result
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["domain", "role", *first.figures, *first.per_class, "images", "boxes"])
            for domain in self.domains:
                figures = [*domain.result.figures.values(), *domain.result.per_class.values()]
                writer.writerow([domain.name, domain.role, *figures, domain.result.images, domain.result.boxes])
            writer.writerow(["mean over targets", "target", self.mean_targets])

    def render(self) -> Table:
        """The table for a terminal: a row a domain, a column a class."""
        first = self.domains[0].result
        at = "" if self.metric == "coco" else f", IoU {self.iou:g}"
        lines = [self.detector, *self.notes]
        table = Table(title=f"{self.metric}{at}", title_justify="left", box=SIMPLE, pad_edge=False, padding=0)
        table.caption, table.caption_justify = "\n".join(lines), "left"
        table.add_column("domain", no_wrap=True)
        for name in (*first.figures, *first.per_class, "images", "boxes"):
            table.add_column(name, justify="right", overflow="fold")
        for i, domain in enumerate(self.domains):
            last_of_role = i + 1 == len(self.domains) or self.domains[i + 1].role != domain.role
            figures = [*domain.result.figures.values(), *domain.result.per_class.values()]
            counts = str(domain.result.images), str(domain.result.boxes)
            table.add_row(domain.name, *map(_shown, figures), *counts, end_section=last_of_role)
        table.add_row("mean of targets", _shown(self.mean_targets), style="bold")
        return table


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
