"""What stands in the report's tables, part by part, as the template takes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from clipgap.config import MEAN
from clipgap.metrics.calibration import calibration
from clipgap.metrics.confusion import confusion
from clipgap.metrics.curves import Working, best_f1, least_score, working_at
from clipgap.metrics.error_kinds import Kind, error_kinds
from clipgap.metrics.paired import spread
from clipgap.metrics.sizes import by_size
from clipgap.metrics.voc import Style
from clipgap.report.comparison import Comparison
from clipgap.report.comparison_table import written
from clipgap.report.evidence import Evidence, sized
from clipgap.report.pictures import pictures_of
from clipgap.report.plots import reliability_plots

PRECISION = 0.9
"""Of which the score is suggested, beside that of the best F1."""


def table_part(compared: Comparison) -> list[dict[str, Any]]:
    """A row a domain: means and deviations, and differences to the first series."""
    rows = []
    for domain in compared.domains:
        cell = (domain, None)
        values = [compared.values(one, cell) for one in compared.series]
        found = [compared.difference(one, cell) for one in compared.series[1:]]
        result = next((one.result for one in compared.table.domains if one.name == domain), None)
        rows.append({
            "domain": compared.table.mean_name if domain == MEAN else domain,
            "role": "mean" if domain == MEAN else "source" if domain == compared.table.source else "target",
            "values": [spread(one) if one else "-" for one in values],
            "differences": [(written(one), one is not None and one.sure) for one in found],
            "images": result.images if result else "",
            "boxes": result.boxes if result else "",
            "classes": [
                (name, [spread(one) if one else "-" for one in _of_class(compared, domain, name)],
                 [written(compared.difference(one, (domain, name))) for one in compared.series[1:]])
                for name in (compared.classes if result else ())
            ],
        })  # fmt: skip
    return rows


def _of_class(compared: Comparison, domain: str, name: str) -> list[list[float]]:
    return [compared.values(one, (domain, name)) for one in compared.series]


def errors_part(evidence: Sequence[Evidence]) -> list[tuple[str, list[tuple[str, dict[Kind, float | None]]]]]:
    """Of every domain and series, what AP would gain by each kind of error put right."""
    styles: list[Style] = [
        "voc2012" if domain.metric == "voc2012" else "voc2007" for domain in evidence[0].run.table.domains
    ]
    return [
        (split.name, [(one.letter, error_kinds(one.splits[place].outcomes, style)) for one in evidence])
        for place, (split, style) in enumerate(zip(evidence[0].splits, styles, strict=True))
    ]


def sizes_part(evidence: Sequence[Evidence]) -> list[tuple[str, list[tuple[str, dict[str, float | None]]]]]:
    """AP of every domain and series by the size of objects."""
    found = []
    for place, split in enumerate(evidence[0].splits):
        rows = []
        for one in evidence:
            mine = one.splits[place]
            images = sized(mine.found, mine.dataset, one.run.seen)
            rows.append((one.letter, by_size(images, mine.outcomes.classes)))
        found.append((split.name, rows))
    return found


def calibration_part(evidence: Sequence[Evidence]) -> dict[str, Any]:
    """A plot a domain, and D-ECE of every series."""
    found = [[calibration(split.outcomes) for split in one.splits] for one in evidence]
    names = [split.name for split in evidence[0].splits]
    errors = [(name, [one[place].error for one in found]) for place, name in enumerate(names)]
    return {"plots": reliability_plots(names, found), "errors": errors}


def scores_part(evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    """Of every series and class the scores to cut at, chosen on the source, and what they do in every domain."""
    found = []
    for one in evidence:
        rows = []
        for label, name in [(None, "all classes"), *enumerate(one.source.outcomes.classes, start=1)]:
            for rule, chosen in (
                ("best F1", best_f1(one.source.outcomes, label)),
                (f"precision {PRECISION:g}", least_score(one.source.outcomes, PRECISION, label)),
            ):
                score = math.floor(chosen.score * 1000) / 1000 if chosen else None  # as it is shown
                rows.append({"name": name, "rule": rule, "score": score, "does": _does(one, score, label)})
        found.append({"letter": one.letter, "domains": [split.name for split in one.splits], "rows": rows})
    return found


def _does(one: Evidence, score: float | None, label: int | None) -> list[Working | None]:
    return [None if score is None else working_at(split.outcomes, score, label) for split in one.splits]


def _cut(evidence: Evidence) -> float:
    """The score of the best F1 on the source, by which pictures and confusions are of what a user would see."""
    chosen = best_f1(evidence.source.outcomes)
    return chosen.score if chosen else 0.5


def confusion_part(evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    """What every series takes for what, in every domain."""
    found = []
    for one in evidence:
        cut = _cut(one)
        tables = [(split.name, confusion(split.outcomes, cut).tolist()) for split in one.splits]
        found.append({"letter": one.letter, "cut": cut, "classes": one.source.outcomes.classes, "tables": tables})
    return found


def pictures_part(evidence: Sequence[Evidence]) -> dict[str, Any]:
    """Pictures of every domain, by a fixed rule."""
    cut = _cut(evidence[0])
    names = [split.name for split in evidence[0].splits]
    return {"cut": cut, "domains": [(name, pictures_of(evidence, place, cut)) for place, name in enumerate(names)]}
