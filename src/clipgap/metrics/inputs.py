"""What both metrics refuse to score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def require_finite(image: int, found: Mapping[str, Any], target: Mapping[str, Any]) -> None:
    """Make sure that one image's boxes (N, 4) and scores (N,) are numbers.

    Raises:
        ValueError: one is infinite or no number; names the image and the row, both counted from 0.
    """
    for what, values in (
        ("predicted box", found["boxes"]),
        ("score", found["scores"]),
        ("true box", target["boxes"]),
    ):
        rows = np.asarray(values)
        finite = np.isfinite(rows)
        if not finite.all():
            i = int(np.argwhere(~finite)[0, 0])
            raise ValueError(f"image {image}: {what} {i} is not finite: {rows[i].tolist()}")
