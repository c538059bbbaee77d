"""The stored results of a study: one JSON a run."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

from recipes.study.rows import Row, Study

from clipgap.errors import DataError


def read_results(out: Path) -> list[dict[str, Any]]:
    """All results in a folder.

    Raises:
        DataError: one of them is damaged.
    """
    return [read_result(path) for path in sorted(out.glob("*_*.json"))]


def read_result(path: Path) -> dict[str, Any]:
    """One result, with the keys that all have.

    Raises:
        DataError: it is damaged.
    """
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        figures = [result["mean_targets"], *(one["ap50"] for one in result["domains"].values())]
        sound = isinstance(result["row"], str) and isinstance(result["seed"], int) and isfinite(sum(figures))
        sound = sound and isinstance(result["settings"], list)
    except (ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise DataError(f"{path}: damaged, or no result of a study; move it away, and its run is done again")
    return result


def rows_of(results: list[dict[str, Any]], study: Study) -> dict[str, Row]:
    """The rows that results are there of but the study has not in its table: developments, by their names."""
    return {one["row"]: Row(one["row"], tuple(one["settings"]), ()) for one in results if one["row"] not in study.rows}
