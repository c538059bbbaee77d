"""The per-domain table: what a detector is worth where it was trained, and where it was not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.box import SIMPLE
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from clipgap.config import MEAN, Scoring
from clipgap.metrics.result import Result
from clipgap.metrics.telling import mean_of_known, result_as_values, rule_as_values, rule_in_words, shown, write_rows

SHOWN = 3
"""Figures that a terminal shows, of COCO's twelve; JSON and CSV have all."""
Role = Literal["source", "target"]


@dataclass(frozen=True)
class DomainScore:
    """One domain's result."""

    name: str
    role: Role
    result: Result
    metric: str
    """What it is scored by."""


@dataclass(frozen=True)
class ScoreTable:
    """One detector's results on the source and on every target domain."""

    metric: str
    """What domains are scored by that name no other."""
    iou: float
    domains: list[DomainScore]
    detector: str
    """Which CLIP, weights and augmentation the detector was made with; shown with every table."""
    notes: list[str] = field(default_factory=list)
    scoring: Scoring = "exact"
    """By whose rules detections are compared with VOC's boxes."""

    @property
    def source(self) -> str:
        """Name of the source domain."""
        return next(domain.name for domain in self.domains if domain.role == "source")

    @property
    def mean_targets(self) -> float | None:
        """The headline figure, mean of targets; targets without boxes are left out."""
        found = [domain.result.headline for domain in self.domains if domain.role == "target"]
        return mean_of_known(found)

    @property
    def mean_name(self) -> str:
        """What the mean is of: `mean of targets`, or of how many of them where some have nothing to find."""
        found = [domain.result.headline is not None for domain in self.domains if domain.role == "target"]
        return f"mean of {sum(found)} of {len(found)} targets" if 0 < sum(found) < len(found) else MEAN

    @property
    def rule(self) -> str:
        """The metric in words, with its IoU, whose rules it goes by, and the domains that have another."""
        others = [f"; {domain.name} by {domain.metric}" for domain in self.domains if domain.metric != self.metric]
        return f"{rule_in_words(self.metric, self.iou, self.scoring)}{''.join(others)}"

    def to_json(self) -> dict[str, Any]:
        """Plain values; `iou` where the metric has one, `scoring` and a domain's `metric` where they are others."""
        return {
            **rule_as_values(self.metric, self.iou, self.scoring),
            "detector": self.detector,
            "notes": self.notes,
            "source": self.source,
            "domains": {
                domain.name: {
                    **({} if domain.metric == self.metric else {"metric": domain.metric}),
                    **result_as_values(domain.result),
                    "images": domain.result.images,
                    "boxes": domain.result.boxes,
                }
                for domain in self.domains
            },
            "mean_targets": self.mean_targets,
        }

    def write_csv(self, path: str | Path) -> None:
        """A row a domain, and one for the mean of the targets; an empty field where there is nothing to find.

        Where domains are scored by different metrics, the last column names each one's.
        """
        first = self.domains[0].result
        mixed = any(domain.metric != self.metric for domain in self.domains)
        last = ["metric"] if mixed else []
        rows: list[list[Any]] = [["domain", "role", *first.figures, *first.per_class, "images", "boxes", *last]]
        for domain in self.domains:
            figures = [*domain.result.figures.values(), *domain.result.per_class.values()]
            last = [domain.metric] if mixed else []
            rows.append([domain.name, domain.role, *figures, domain.result.images, domain.result.boxes, *last])
        rows.append([self.mean_name, "", self.mean_targets, *[""] * (len(rows[0]) - 3)])
        write_rows(path, rows)

    def render(self) -> RenderableType:
        """For a terminal: a row a domain, a column a class; what is too wide goes on in a further block below."""
        return _Blocks(self)


@dataclass(frozen=True)
class _Blocks:
    table: ScoreTable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = self.table
        yield Text(table.rule, style="italic")
        names, *columns = self._columns()
        # SIMPLE has one blank between columns and one at either edge; names over a third of the width are folded.
        left = options.max_width - min(_width(names), options.max_width // 3) - 2
        block: list[list[str]] = []
        for column in columns:
            if block and sum(_width(other) + 1 for other in [*block, column]) > left:
                yield self._block([names, *block])
                block = []
            block.append(column)
        yield self._block([names, *block])
        yield Text("\n".join([table.detector, *table.notes]))

    def _columns(self) -> list[list[str]]:
        """Every column from its head to the mean of the targets."""
        results = [domain.result for domain in self.table.domains]
        first = results[0]
        columns = [["domain", *(domain.name for domain in self.table.domains), self.table.mean_name]]
        for i, name in enumerate(list(first.figures)[:SHOWN]):
            mean = "" if i else shown(self.table.mean_targets)
            columns.append([name, *(shown(result.figures[name]) for result in results), mean])
        columns += [[name, *(shown(result.per_class[name]) for result in results), ""] for name in first.per_class]
        columns.append(["images", *(str(result.images) for result in results), ""])
        columns.append(["boxes", *(str(result.boxes) for result in results), ""])
        return columns

    def _block(self, columns: list[list[str]]) -> Table:
        roles = [domain.role for domain in self.table.domains]
        block = Table(box=SIMPLE, pad_edge=False, padding=0)
        for i, column in enumerate(columns):
            block.add_column(Text(column[0]), justify="right" if i else "left", no_wrap=i > 0, overflow="fold")
        for i, (role, *cells) in enumerate(zip(roles, *(column[1:-1] for column in columns), strict=True)):
            last_of_role = i + 1 == len(roles) or roles[i + 1] != role
            block.add_row(*map(Text, cells), end_section=last_of_role)
        if any(column[-1] for column in columns[1:]):
            block.add_row(*(column[-1] for column in columns), style="bold")
        return block


def _width(column: list[str]) -> int:
    return max(map(cell_len, column))
