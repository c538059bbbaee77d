"""Videos: how long they are said to be, and one with detections drawn in, written whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from clipgap.data.video import Video
from clipgap.engine.predict.inputs import is_video
from clipgap.errors import DataError
from clipgap.files import write_all, write_then_rename

CODEC = "mp4v"
"""What every OpenCV writes into an .mp4."""


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
