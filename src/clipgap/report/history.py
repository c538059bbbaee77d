"""What a training has told of itself, step by step."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from clipgap.engine.run_folder import RunFolder

LOSSES = "loss_"
SMOOTH = 0.9
"""Share of what was before in a smoothed loss."""
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class History:
    """Points (step, value) of one run."""

    losses: Points
    """The sum of the losses, an exponential mean over the lines before."""
    validation: Points
    """AP (0-100) on the source's validation split."""


def history_of(run: Path) -> History:
    """Read a run's metrics; empty where it has none."""
    file = RunFolder(run).metrics
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
    told = [line for text in lines if (line := _read(text))]
    scores = [(one["step"], one["validation"]) for one in told if "validation" in one]
    return History(_smoothed(told), scores)


def _smoothed(lines: Sequence[dict[str, Any]]) -> Points:
    told = [(one["step"], [v for key, v in one.items() if key.startswith(LOSSES)]) for one in lines]
    sums = [(step, sum(losses)) for step, losses in told if losses]  # a step that was left out has none
    smooth = accumulate((value for _, value in sums), lambda mean, value: SMOOTH * mean + (1 - SMOOTH) * value)
    return [(step, value) for (step, _), value in zip(sums, smooth, strict=True)]


def _read(text: str) -> dict[str, Any] | None:
    """The numbers of a line; None of one that is being written, or that is none of ours."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    known = {key: value for key, value in line.items() if _is_number(value)} if isinstance(line, dict) else {}
    return known if "step" in known else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
