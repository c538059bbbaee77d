"""What `clipgap evaluate --corruptions --out` has left, as a table of colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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


def heat_of(folder: Path, series: Sequence[Series[Any]]) -> Heat:
    """Read a folder of results.

    Raises:
        DataError: it is none, or of a detector that is not in the report.
    """
    try:
        asked = parse_json((folder / ASKED).read_text(encoding="utf-8"))
        lines = [parse_json(line) for line in (folder / LINES).read_text(encoding="utf-8").splitlines()]
        of = asked["the detector"]
        values = {(line["corruption"], line["severity"]): next(iter(line["figures"].values())) for line in lines}
    except (OSError, UnreadableError, TypeError, KeyError, ValueError, StopIteration):
        raise DataError(f"{folder}: no results of `clipgap evaluate --corruptions --out`") from None
    letter = next((one.letter for one in series if any(hash_of_detector(run.path) == of for run in one.runs)), None)
    if letter is None:
        raise DataError(f"{folder}: the results of a detector that is not in this report: name its run too")
    names = list(dict.fromkeys(name for name, severity in values if severity))
    severities = sorted({severity for _, severity in values if severity})
    rows = {name: [values.get((name, severity)) for severity in severities] for name in names}
    return Heat(letter, values.get(("clean", 0)), severities, rows)
