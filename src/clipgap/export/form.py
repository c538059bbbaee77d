"""What every form of an exported detector is: files that are written, and what runs them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from clipgap.detector import Detector, DetectorSpec

Array = npt.NDArray[Any]
Found = tuple[Array, Array, Array]
"""Boxes (D, 4) xyxy in the resized image, scores (D,) and labels (D,) from 0; the best first."""


class Form(Protocol):
    """An exported detector, ready to run."""

    files: ClassVar[tuple[str, ...]]

    def __init__(self, folder: Path, spec: DetectorSpec, threads: int = 0) -> None: ...

    @classmethod
    def write(cls, detector: Detector, folder: Path) -> float:
        """The files, of a detector that is folded; how much their numbers differ from PyTorch's."""
        ...

    def detect(self, images: Sequence[Array]) -> list[Found]:
        """Detections of images (3, H, W) in [0, 1]."""
        ...


def in_original(found: Found, size: tuple[int, int], original: tuple[int, int]) -> Found:
    """Detections of a resized image, of that (height, width), in the pixels of the original."""
    boxes, scores, labels = found
    (height, width), (rows, columns) = original, size
    boxes = clip(boxes * np.array([width / columns, height / rows] * 2, dtype=np.float32), height, width)
    keep = not_empty(boxes)
    return boxes[keep], scores[keep], labels[keep]


def clip(boxes: Array, height: int, width: int) -> Array:
    """Boxes (..., 4) xyxy within an image."""
    clipped: Array = np.clip(boxes, 0, np.array([width, height, width, height], dtype=np.float32))
    return clipped


def not_empty(boxes: Array) -> Array:
    """Which boxes (N, 4) have an area and finite corners (N,)."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray((sides > 0).all(1) & np.isfinite(boxes).all(1))
