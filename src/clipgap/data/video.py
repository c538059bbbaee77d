"""Videos: their frames, upright and in order."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from clipgap.data.files import refuse_irregular
from clipgap.errors import DataError

USUAL_RATE = 25.0
"""Frames a second of a video that does not say."""
MOST_LOST = 500
"""Frames in a row that are looked past when they cannot be decoded."""


@dataclass(frozen=True)
class Frame:
    """One picture of a video."""

    number: int
    """From 0."""
    time: float
    """Seconds from the video's begin."""
    picture: Image.Image | None
    """None where the frame cannot be decoded, but later ones can."""


class Video:
    """A video file.

    Raises:
        DataError: it is no file, or none that OpenCV reads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._opened() as capture:
            rate = float(capture.get(cv2.CAP_PROP_FPS))
            announced = float(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.rate = rate if math.isfinite(rate) and 0 < rate <= 1000 else USUAL_RATE
        """Frames a second."""
        self.announced = int(announced) if math.isfinite(announced) and announced > 0 else 0
        """Frames that there should be; 0: the file does not say."""

    def frames(self) -> Iterator[Frame]:
        """All frames, upright, in order; those that cannot be decoded have no picture."""
        with self._opened() as capture:
            number, time, lost = 0, 0.0, 0
            while True:
                there, pixels = capture.read()
                if not there or pixels is None:  # at the end, or at a damaged place behind which it goes on
                    lost += 1
                    if lost > MOST_LOST or number + lost >= self.announced:
                        return
                    continue
                for _ in range(lost):
                    time += 1 / self.rate
                    yield Frame(number, round(time, 4), None)
                    number += 1
                lost = 0
                said = float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
                # Some containers know no times: then the rate tells them.
                time = said if said > time or number == 0 else time + 1 / self.rate
                rgb = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if pixels.ndim == 3 else cv2.COLOR_GRAY2RGB)
                yield Frame(number, round(max(time, 0.0), 4), Image.fromarray(np.asarray(rgb, dtype=np.uint8)))
                number += 1

    @contextmanager
    def _opened(self) -> Iterator[cv2.VideoCapture]:
        if not self.path.exists():
            raise DataError(f"{self.path}: no such video")
        refuse_irregular(self.path)
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg writes to stderr what we say in a line
        capture = cv2.VideoCapture(str(self.path))
        try:
            if not capture.isOpened():
                raise DataError(
                    f"{self.path}: not a video that OpenCV reads; replace it, or convert it (ffmpeg -i IN OUT.mp4)"
                )
            yield capture
        finally:
            capture.release()
