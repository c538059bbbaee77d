"""A video, watched frame by frame: a line of JSON for every frame, and a video of what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from clipgap.data.video import Video
from clipgap.engine.predict.folder import Line, LineFile
from clipgap.engine.predict.video import write_video
from clipgap.errors import DataError


class Eye(Protocol):
    """What detects in pictures, and draws what it found (COCO results)."""

    def look(self, picture: Image.Image, /) -> list[dict[str, Any]]: ...
    def paint(self, picture: Image.Image, found: list[dict[str, Any]], /) -> Image.Image: ...


def watch(file: Path, out: Path, eye: Eye, seen: Callable[[int, int], None]) -> Line:
    """Detect in a video and write `out`.jsonl, a line a frame as soon as it is looked at, and `out`.mp4 at the end.

    Frames whose line is there already are not looked at again, only drawn: a video cannot be gone on with.

    Args:
        file: the video.
        out: where results go, without suffix.
        eye: what looks and draws.
        seen: told how many frames are done, and how many of the frames announced that are since it was told last.

    Returns:
        What is to be known about it: `frames` and `boxes`, perhaps a `warning`; or `error`: why nothing was written.
    """
    try:
        video = Video(file)
    except DataError as error:
        seen(0, 1)
        return {"error": str(error)}
    lines = LineFile(out.with_name(f"{out.name}.jsonl"), "frame", 0)

    def drawn() -> Iterator[Image.Image]:
        scene = None
        for frame in video.frames():
            if frame.number == lines.next:
                known = (
                    {"error": "cannot be decoded"} if frame.picture is None else {"detections": eye.look(frame.picture)}
                )
                lines.add({"frame": frame.number, "time": frame.time} | known)
            if frame.picture is not None:
                scene = eye.paint(frame.picture, lines.lines[frame.number]["detections"])
            seen(lines.next, 1)
            if scene is not None:  # in place of a lost frame the one before it
                yield scene

    try:
        written = write_video(out.with_name(f"{out.name}.mp4"), video.rate, drawn)
    finally:
        lines.close()
    seen(lines.next, max(video.announced - lines.next, 0))
    if not written:
        lines.path.unlink()
        return {"error": f"{file}: not one frame can be decoded; replace it, or convert it (ffmpeg -i IN OUT.mp4)"}
    return _summary(file, lines.lines, video.announced)


def _summary(file: Path, frames: list[Line], announced: int) -> Line:
    lost = [line["frame"] for line in frames if "error" in line]
    boxes = sum(len(line["detections"]) for line in frames if "error" not in line)
    told = [f"{len(lost)} frames, the first is {lost[0]}, cannot be decoded"] if lost else []
    if len(frames) < announced:
        told.append(f"ends after {len(frames)} of {announced} frames: cut short, or broken there")
    warning = {"warning": f"{file}: {'; '.join(told)}"} if told else {}
    return {"frames": len(frames), "boxes": boxes, **warning}
