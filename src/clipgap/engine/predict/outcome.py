"""What a prediction ends with: COCO files, and what is to be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clipgap.engine.predict.folder import LineFile, ResultFolder
from clipgap.errors import DataError


@dataclass(frozen=True)
class Predictions:
    """What a prediction wrote, and which files it could not read."""

    results: Path
    images: int
    videos: int
    detections: int
    """In images and videos."""
    unreadable: list[str]
    warnings: list[str]
    """What is to be known about files that were read."""
    with_truth: int
    """Images whose true boxes are drawn."""


def finished(folder: ResultFolder, done: LineFile, classes: list[str]) -> Predictions:
    """Write what is written at the end; where nothing came of it, take away the folder.

    Raises:
        DataError: nothing could be read.
    """
    lines = done.lines
    unreadable = [line["error"] for line in lines if "error" in line]
    if len(unreadable) == len(lines):
        folder.discard()
        more = f"\nand {len(unreadable) - 3} more; nothing was written" if len(unreadable) > 3 else ""
        raise DataError("\n".join(unreadable[:3]) + more)
    folder.finish(done, classes)
    images = [line for line in lines if "detections" in line]
    videos = [line for line in lines if "frames" in line]
    return Predictions(
        results=folder.results,
        images=len(images),
        videos=len(videos),
        detections=sum(line["detections"] for line in images) + sum(line["boxes"] for line in videos),
        unreadable=unreadable,
        warnings=[line["warning"] for line in videos if "warning" in line],
        with_truth=sum("true_boxes" in line for line in images),
    )
