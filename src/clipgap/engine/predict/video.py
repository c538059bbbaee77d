"""Videos: frames in, a video with the detections drawn in and a line of JSON a frame out."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from clipgap.engine.predict.inputs import NO_FILE, is_video
from clipgap.errors import DataError
from clipgap.files import write_all, write_then_rename

USUAL_RATE = 25.0
"""Frames a second of a video that does not say."""
MOST_LOST = 500
"""Frames in a row that are looked past when they cannot be decoded."""
CODEC = "mp4v"
"""What every OpenCV writes into an .mp4."""


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
        if not self.path.is_file():  # opening a pipe would wait for ever
            raise DataError(f"{self.path}: {NO_FILE}: replace or remove it")
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


def frames_announced(file: Path) -> int:
    """How much of the progress bar a file is: the frames of a video, of anything else one."""
    if not is_video(file):
        return 1
    try:
        return Video(file).announced or 1
    except DataError:
        return 1


def write_video(path: Path, rate: float, pictures: Callable[[], Iterator[Image.Image]]) -> int:
    """Write pictures of one size as an .mp4, whole or not at all; how many they were.

    Raises:
        DataError: it cannot be written, or not whole: for example because the disk is full.
    """
    count = 0

    def write(temporary: Path) -> None:
        nonlocal count
        part = temporary.with_suffix(f"{temporary.suffix}.mp4")  # OpenCV chooses the container by the name
        try:
            count = _encode(part, rate, pictures())
            if count and _frames_in(part) != count:
                part.replace(temporary)
                _require_room(temporary)
                raise DataError(f"{path}: OpenCV could not write the video whole; choose another --out")
            part.replace(temporary) if count else temporary.touch()
        finally:
            part.unlink(missing_ok=True)

    write_then_rename(path, write)
    if not count:
        path.unlink()
    return count


def _require_room(part: Path) -> None:
    """OpenCV says of nothing why it could not be written: ask the system, while what was written is there.

    Raises:
        OSError: there is no room for more.
    """
    with part.open("ab", buffering=0) as file:
        write_all(file, bytes(2**20))


def _encode(path: Path, rate: float, pictures: Iterator[Image.Image]) -> int:
    writer, count, size = None, 0, (0, 0)
    try:
        for picture in pictures:
            if writer is None:
                size = (picture.width + picture.width % 2, picture.height + picture.height % 2)  # the codec wants even
                writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODEC), rate, size)
                if not writer.isOpened():
                    raise DataError(f"{path}: OpenCV cannot write video of {size[0]} x {size[1]} there")
            whole = picture if picture.size == size else picture.crop((0, 0, *size))  # beyond its edges black
            writer.write(cv2.cvtColor(np.asarray(whole), cv2.COLOR_RGB2BGR))
            count += 1
    finally:
        if writer is not None:
            writer.release()
    return count


def _frames_in(path: Path) -> int:
    capture = cv2.VideoCapture(str(path))
    try:
        return int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    finally:
        capture.release()
