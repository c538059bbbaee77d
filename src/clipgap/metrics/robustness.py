"""The table of a detector under corruption: mPC and rPC (Michaelis et al. 2019, arXiv 1907.07484, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clipgap.config import Scoring
from clipgap.metrics.result import Result
from clipgap.metrics.telling import mean_of_known, result_as_values, rule_as_values, rule_in_words, shown, write_rows


@dataclass(frozen=True)
class RobustnessTable:
    """One detector's results on one split, as it is and under corruptions. Figures are in 0 to 100."""

    metric: str
    iou: float
    source: str
    """The domain's name."""
    split: str | None
    """Its split or splits, in words."""
    seed: int
    """Of the corruptions' random numbers."""
    clean: Result
    scores: dict[str, dict[int, Result]]
    """By corruption and severity."""
    detector: str
    notes: list[str] = field(default_factory=list)
    scoring: Scoring = "exact"

    @property
    def severities(self) -> list[int]:
        """The severities, of which every corruption has each."""
        return list(next(iter(self.scores.values())))

    def mean(self, corruption: str) -> float | None:
        """The headline figure under a corruption, mean over severities; None where there is nothing to find."""
        return mean_of_known([result.headline for result in self.scores[corruption].values()])

    @property
    def mpc(self) -> float | None:
        """Mean performance under corruption: the headline figure, mean over corruptions of means over severities."""
        return mean_of_known([self.mean(name) for name in self.scores])

    @property
    def rpc(self) -> float | None:
        """Relative performance under corruption, percent: mPC over the clean figure; None where that is 0."""
        clean, mpc = self.clean.headline, self.mpc
        return 100 * mpc / clean if clean and mpc is not None else None

    def to_json(self) -> dict[str, Any]:
        """Plain values; `iou` where the metric has one, `scoring` where it is another."""
        return {
            **rule_as_values(self.metric, self.iou, self.scoring),
            "detector": self.detector,
            "notes": self.notes,
            "source": self.source,
            "split": self.split,
            "seed": self.seed,
            "images": self.clean.images,
            "boxes": self.clean.boxes,
            "mpc": self.mpc,
            "rpc": self.rpc,
            "clean": result_as_values(self.clean),
            "corruptions": {name: self._of(name) for name in self.scores},
        }

    def _of(self, corruption: str) -> dict[str, Any]:
        severities = {str(severity): result_as_values(one) for severity, one in self.scores[corruption].items()}
        return {"mean": self.mean(corruption), "severities": severities}

    def write_csv(self, path: str | Path) -> None:
        """A row a corruption and severity, after that of `clean`, severity 0; an empty field: nothing to find."""
        rows: list[list[Any]] = [["corruption", "severity", *self.clean.figures, *self.clean.per_class]]
        results = [("clean", 0, self.clean)]
        results += [(name, severity, one) for name, some in self.scores.items() for severity, one in some.items()]
        rows += [[name, severity, *one.figures.values(), *one.per_class.values()] for name, severity, one in results]
        write_rows(path, rows)

    def render(self) -> RenderableType:
        """For a terminal: a row a corruption, a column a severity; below it clean, mPC and rPC."""
        rule = rule_in_words(self.metric, self.iou, self.scoring)
        where = f"{self.source}/{self.split}, {self.clean.images} images, {self.clean.boxes} boxes"
        table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("corruption", no_wrap=True)
        first, *others = map(str, self.severities)
        for title in (f"severity {first}", *others):
            table.add_column(title, justify="right")
        table.add_column("mean", justify="right")
        for name, results in self.scores.items():
            table.add_row(name, *(shown(one.headline) for one in results.values()), shown(self.mean(name)))
        headline = next(iter(self.clean.figures))
        figures = f"clean {headline} {shown(self.clean.headline)}   mPC {shown(self.mpc)}   rPC {shown(self.rpc)} %"
        last = "\n".join([self.detector, *self.notes])
        return Group(Text(f"{rule}; {where}", style="italic"), table, Text(figures, style="bold"), Text(last))
