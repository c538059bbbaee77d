"""What `clipgap evaluate --corruptions --out` has left, as a table of colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipgap.config import EvaluateConfig
from clipgap.engine.names import hash_of_detector
from clipgap.engine.robustness_folder import ASKED, LINES
from clipgap.errors import DataError
from clipgap.parse import UnreadableError, parse_json
from clipgap.report.series import Series


@dataclass(frozen=True)
class Heat:
    """One detector under corruption."""

    letter: str
    clean: float | None
    severities: list[int]
    rows: dict[str, list[float | None]]
    """AP (0-100) of every corruption, by severity."""


def heat_of(folder: Path, series: Sequence[Series[Any]], rule: EvaluateConfig) -> Heat:
    """Read a folder of results.

    Args:
        folder: what `clipgap evaluate --corruptions --out` wrote.
        series: of which one has the detector.
        rule: by which the source is scored in the report.

    Raises:
        DataError: it is none, not done, of a detector that is not in the report, or by another rule.
    """
    try:
        asked = parse_json((folder / ASKED).read_text(encoding="utf-8"))
        lines = [parse_json(line) for line in (folder / LINES).read_text(encoding="utf-8").splitlines()]
        of = asked["the detector"]
        other = [key for key in ("metric", "iou", "scoring") if asked[f"evaluate.{key}"] != getattr(rule, key)]
        values = {(line["corruption"], line["severity"]): _headline(line) for line in lines}
    except (OSError, UnreadableError, AttributeError, TypeError, KeyError, ValueError, StopIteration):
        said = "no whole results of `clipgap evaluate --corruptions --out`; --resume goes on with what is there"
        raise DataError(f"{folder}: {said}") from None
    if other or not values:
        said = f"by another evaluate.{other[0]} than the report" if other else "nothing is done yet: --resume goes on"
        raise DataError(f"{folder}: {said}")
    letter = next((one.letter for one in series if any(hash_of_detector(run.path) == of for run in one.runs)), None)
    if letter is None:
        raise DataError(f"{folder}: the results of a detector that is not in this report: name its run too")
    names = list(dict.fromkeys(name for name, severity in values if severity))
    severities = sorted({severity for _, severity in values if severity})
    rows = {name: [values.get((name, severity)) for severity in severities] for name in names}
    return Heat(letter, values.get(("clean", 0)), severities, rows)


def _headline(line: dict[str, Any]) -> float | None:
    value = next(iter(line["figures"].values()))
    return None if value is None else float(value)
