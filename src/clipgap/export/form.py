"""What every form of an exported detector is: files that are written, and what runs them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

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
    def write(cls, detector: Detector, folder: Path) -> None:
        """The files, of a detector that is folded."""
        ...

    @classmethod
    def differs(cls, detector: Detector, folder: Path) -> float | None:
        """The largest difference between their numbers and PyTorch's, on images of another size than were traced; None
        where there is nothing to compare."""
        ...

    def detect(self, images: Sequence[Array]) -> list[Found]:
        """Detections of images (3, H, W) in [0, 1]."""
        ...
