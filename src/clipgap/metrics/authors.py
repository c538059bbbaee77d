"""What the authors' evaluator does to detections before it compares them (METHOD, section 5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
AUTHORS_POINTS = np.arange(0.0, 1.1, 0.1)
"""Their recall points. Multiples of 0.1 are a hair too much at 0.3, 0.6 and 0.7, which a recall of 3 in 10, 6 in 10 or
7 in 10 does not reach; it shows only on recalls that are just these."""


def authors_rounding(boxes: Array, scores: Array) -> tuple[Array, Array]:
    """Detections as the authors' evaluator takes them: it writes them down, and reads what it wrote.

    They are written as the corners of the first and the last pixel inside, counted from 1, with one decimal, and scores
    with three. Theirs is the IoU of pixels counted inclusively (both ends count, hence + 1 on every side): on corners
    (x1 + 1, y1 + 1, x2, y2) and VOC's own integers that is the plain IoU of continuous boxes. So what is left of their
    rule is the rounding. That they train on boxes which end a pixel further up and left than those they score on is a
    matter of training (`data.voc_boxes: authors`).

    Args:
        boxes: (N, 4) xyxy, continuous, in pixels.
        scores: (N,) in [0, 1].

    Returns:
        Both in float64, rounded.
    """
    first = np.array([1.0, 1.0, 0.0, 0.0])
    written = boxes.astype(np.float64).reshape(-1, 4) + first
    return _rounded(written, 1) - first, _rounded(scores.astype(np.float64), 3)


def _rounded(values: Array, decimals: int) -> Array:
    """To the nearest decimal, as text is: NumPy's own rounding scales first, and is off where that is inexact."""
    return np.array([round(value, decimals) for value in values.ravel().tolist()], np.float64).reshape(values.shape)
