"""What tables of scores have in common: the rule in words and as plain values, means of what is known, CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clipgap.config import Scoring
from clipgap.files import write_text
from clipgap.metrics.result import Result


def rule_in_words(metric: str, iou: float, scoring: Scoring) -> str:
    """The metric with its IoU and whose rules it goes by; COCO's has neither."""
    if metric == "coco":
        return metric
    whose = ", the authors' scoring" if scoring == "authors" else ""
    return f"{metric}, IoU {iou:g}{whose}"


def rule_as_values(metric: str, iou: float, scoring: Scoring) -> dict[str, Any]:
    """The same for JSON: `iou` where the metric has one, `scoring` where it is another."""
    return {
        "metric": metric,
        **({} if metric == "coco" else {"iou": iou}),
        **({} if scoring == "exact" else {"scoring": scoring}),
    }


def result_as_values(result: Result) -> dict[str, Any]:
    """A result's figures for JSON."""
    return {**result.figures, "per_class": result.per_class}


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """The mean of the figures that there are; None where there is none."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def shown(value: float | None) -> str:
    """A figure on a terminal."""
    return "-" if value is None else f"{value:.1f}"


def write_rows(path: str | Path, rows: Sequence[Sequence[Any]]) -> None:
    """A CSV file; None becomes an empty field."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_text(Path(path), text.getvalue())
