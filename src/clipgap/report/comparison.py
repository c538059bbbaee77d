"""Series of runs against the first: means, deviations, and differences paired by seed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clipgap.config import MEAN
from clipgap.metrics import ScoreTable
from clipgap.metrics.paired import Interval, interval
from clipgap.report.series import Scored, Series, differing_settings

Cell = tuple[str, str | None]
"""A domain (or `MEAN`) and a class; None: all classes."""
FEW = 5
"""Seeds below which an interval is told to be of few."""


@dataclass(frozen=True)
class Comparison:
    """Series of runs, scored by one rule on the same domains. Figures are in 0 to 100."""

    series: list[Series[Scored]]

    @property
    def table(self) -> ScoreTable:
        """The first of all tables: rows and columns are those of every one."""
        return self.series[0].runs[0].table

    @property
    def domains(self) -> list[str]:
        """The source, the targets, and where there are some their mean."""
        names = [domain.name for domain in self.table.domains]
        return [*names, MEAN] if len(names) > 1 else names

    @property
    def classes(self) -> list[str]:
        """In the detectors' order."""
        return list(self.table.domains[0].result.per_class)

    @property
    def settings(self) -> dict[str, list[object]]:
        """In what the series differ, with the value of each."""
        return differing_settings(self.series)

    def values(self, series: Series[Scored], cell: Cell) -> list[float]:
        """The figures of its runs, those without any left out."""
        return [value for run in series.runs if (value := figure(run.table, cell)) is not None]

    def difference(self, series: Series[Scored], cell: Cell) -> Interval | None:
        """To the first series, paired by seed; None where either has no figure.

        Where they have no seed in common it is that of their means, of 0 seeds.
        """
        first = self.series[0]
        pairs = [
            (figure(mine.table, cell), figure(theirs.table, cell)) for mine, theirs in paired(series.runs, first.runs)
        ]
        known = [one - other for one, other in pairs if one is not None and other is not None]
        if known:
            return interval(known)
        mine, theirs = self.values(series, cell), self.values(first, cell)
        if pairs or not mine or not theirs:
            return None
        return Interval(statistics.mean(mine) - statistics.mean(theirs), None, None, 0)

    def caveats(self) -> list[str]:
        """What is to be known before anything is concluded."""
        counts = {one.letter: len(paired(one.runs, self.series[0].runs)) for one in self.series[1:]}
        apart = [letter for letter, count in counts.items() if count == 0]
        alone = [letter for letter, count in counts.items() if count == 1]
        few = [f"{letter} {count}" for letter, count in counts.items() if 1 < count < FEW]
        first = self.series[0].letter
        found = []
        others = [one.letter for one in self.series[1:] if _of_other_images(one.runs, self.series[0].runs)]
        if others:
            found.append(f"{', '.join(others)}: scored on other images than {first}: differences are of the images too")
        if apart:
            found.append(
                f"{', '.join(apart)}: no seed in common with {first}: nothing is paired, and nothing is proven"
            )
        if alone:
            found.append(f"{', '.join(alone)}: one seed: a difference may be chance; nothing is proven")
        if few:
            found.append(f"few seeds (pairs: {', '.join(few)}): at least {FEW} are needed to rely on an interval")
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain values: every series with its runs' tables, means, deviations and differences to the first."""
        table = self.table.to_json()
        kept = {key: table[key] for key in ("metric", "iou", "scoring", "source") if key in table}
        settings = self.settings
        return kept | {
            "series": [self._series(one, place, settings) for place, one in enumerate(self.series)],
            "notes": self.caveats(),
        }

    def _series(self, series: Series[Scored], place: int, settings: dict[str, list[object]]) -> dict[str, Any]:
        told: dict[str, Any] = {
            "name": series.letter,
            "runs": [{"run": str(run.path), "seed": run.seed, **run.table.to_json()} for run in series.runs],
            "settings": {key: values[place] for key, values in settings.items()},
            "domains": {domain: self._figures(series, domain) for domain in self.domains},
        }
        return told

    def _figures(self, series: Series[Scored], domain: str) -> dict[str, Any]:
        classes = [] if domain == MEAN else self.classes
        told = self._figure(series, (domain, None))
        return told | {"per_class": {name: self._figure(series, (domain, name)) for name in classes}}

    def _figure(self, series: Series[Scored], cell: Cell) -> dict[str, Any]:
        values, found = self.values(series, cell), self.difference(series, cell)
        told: dict[str, Any] = {
            "mean": statistics.mean(values) if values else None,
            "deviation": statistics.stdev(values) if len(values) > 1 else None,
        }
        if series is not self.series[0]:
            told["difference"] = found and {
                "mean": found.mean,
                "low": found.low,
                "high": found.high,
                "pairs": found.count,
            }
        return told


def paired(mine: Sequence[Scored], theirs: Sequence[Scored]) -> list[tuple[Scored, Scored]]:
    """The runs of every seed that both have; detectors of unknown seed are of none."""
    by_seed = {run.seed: run for run in theirs if run.seed is not None}
    return [(run, by_seed[run.seed]) for run in mine if run.seed in by_seed]


def _of_other_images(mine: Sequence[Scored], theirs: Sequence[Scored]) -> bool:
    """Whether runs that are compared were scored on different images or boxes."""
    both = paired(mine, theirs) or [(mine[0], theirs[0])]
    return any(one.images != other.images for one, other in both)


def figure(table: ScoreTable, cell: Cell) -> float | None:
    """One figure of a table."""
    domain, name = cell
    if domain == MEAN:
        return table.mean_targets
    result = next(one.result for one in table.domains if one.name == domain)
    return result.per_class[name] if name else result.headline
