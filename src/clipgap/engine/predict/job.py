"""Run a detector over files, folders and videos: COCO results and pictures with the boxes drawn in."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from PIL import Image

from clipgap.config import PredictFormat
from clipgap.engine.predict.drawing import TrueBoxes, draw, marks_of
from clipgap.engine.predict.folder import Line, LineFile, ResultFolder
from clipgap.engine.predict.formats import Labels, write_labels
from clipgap.engine.predict.inputs import find_inputs, is_video, read_input, short_names
from clipgap.engine.predict.outcome import Predictions, finished
from clipgap.engine.predict.truth import Truth
from clipgap.engine.predict.video import frames_announced
from clipgap.engine.predict.watch import watch
from clipgap.engine.progress import Report, log, progress_bar
from clipgap.engine.runtime import in_threads
from clipgap.errors import DataError, Interrupted
from clipgap.files import alone_in, write_bytes
from clipgap.group import ALONE, Group

if TYPE_CHECKING:
    import supervision

DRAWERS = 2
"""Threads that draw beside the detector."""


class Predictor(Protocol):
    """What can look at a picture: a `Detector`, or an exported one."""

    @property
    def classes(self) -> list[str]: ...
    def predict(self, images: Image.Image, /) -> supervision.Detections: ...


@dataclass(frozen=True)
class PredictSettings:
    """What decides, beside detector and inputs, what is written."""

    draw_score: float = 0.3
    """Least score of a detection that is drawn."""
    detector: str = ""
    """Which detector it is, for example a hash of its weights: `--resume` goes on with this one only."""
    truth: Truth | None = None
    """True boxes to draw beside the detections."""
    format: PredictFormat = "coco"
    """In what detections of at least `draw_score` are written too, beside COCO results."""


def predict(
    detector: Predictor,
    inputs: Sequence[str | Path],
    out: Path,
    settings: PredictSettings | None = None,
    *,
    resume: bool = False,
    show: bool = True,
    group: Group = ALONE,
) -> Predictions:
    """Detect in every image and video (see `find_inputs`) and write into `out`:

    `detections.json`    COCO results: image_id, category_id, bbox (x, y, w, h in pixels), score
    `images.json`        what the ids stand for: COCO's `images` and `categories`
    `drawn/...`          the images with the detections of at least `draw_score`
    `yolo/`, `voc/` or `labelstudio.json`    where `format` asks for it
    `videos/...`         of every video one with the detections drawn in, and a line of JSON a frame
    `detections.jsonl`, `predict.json`    what is done and what was asked: see `folder`

    Files are read and pictures drawn in threads beside the detector. An interrupted prediction goes on with `resume`
    and ends with the same files. Of several processes each takes every n-th input.

    Raises:
        DataError: nothing to read, nothing that can be read, `out` holds something else, or cannot be written.
        Interrupted: by Ctrl-C; what is done is kept.
        LostError: another process has ended.
    """
    settings = settings or PredictSettings()
    files = find_inputs(inputs, without=out)
    truth = settings.truth.name if settings.truth else None
    asked = {"detector": settings.detector, "--draw-score": settings.draw_score, "--truth": truth}
    folder = ResultFolder(out, files, asked)
    with group.kept(), group.by_main(partial(_opened, folder, resume)) as lines:
        job = _Job(detector, settings, folder, lines, group)
        try:
            job.run(files, show and group.main)
        except KeyboardInterrupt:
            kind = "inputs" if any(map(is_video, files)) else "images"
            done = len(lines.lines) if lines else 0
            raise Interrupted(f"{done} of {len(files)} {kind} done{job.within}, in {out}") from None
        return group.main_does(partial(_finished, folder, cast(LineFile, lines), files, detector.classes, settings))


def _finished(
    folder: ResultFolder, lines: LineFile, files: list[Path], classes: list[str], settings: PredictSettings
) -> Predictions:
    """Write what is written at the end."""
    told = finished(folder, lines, classes)
    if settings.format != "coco":
        names = short_names(files)
        images = [line for line in lines.whole() if "detections" in line]
        own = [f"{names[line['id'] - 1]}{Path(line['file_name']).suffix}" for line in images]
        write_labels(settings.format, folder.path, Labels(images, own, classes, settings.draw_score))
    return told


@contextmanager
def _opened(folder: ResultFolder, resume: bool) -> Iterator[LineFile]:
    """The lines of a folder that is this process's alone."""
    with alone_in(folder.path):
        lines = folder.open(resume)
        try:
            yield lines
        finally:
            lines.close()


def coco_results(found: Any) -> list[dict[str, Any]]:
    """`supervision.Detections` of one image as COCO results without its id; `category_id` counts from 1."""
    xywh = np.concatenate([found.xyxy[:, :2], found.xyxy[:, 2:] - found.xyxy[:, :2]], axis=1)
    return [
        {
            "category_id": int(class_id) + 1,
            "bbox": [round(float(value), 2) for value in box],
            "score": round(float(score), 5),
        }
        for box, score, class_id in zip(xywh, found.confidence, found.class_id, strict=True)
    ]


@dataclass(frozen=True)
class _Task:
    """An input that has been looked at: what to write down, and, of an image, what to draw and where."""

    line: Line
    picture: Image.Image | None = None
    path: Path = Path()


class _Job:
    """What one process does: `lines` are the main one's."""

    def __init__(
        self,
        detector: Predictor,
        settings: PredictSettings,
        folder: ResultFolder,
        lines: LineFile | None,
        group: Group,
    ) -> None:
        self.detector, self.settings, self.folder, self.lines, self.group = detector, settings, folder, lines, group
        self.within = ""
        """How far the video is that is being watched."""

    def run(self, files: list[Path], show: bool) -> None:
        """Detect, draw, and write a line as soon as all of an input is done; what is done already is left out."""
        done = self.group.exchange(len(self.lines.lines) if self.lines else 0)[0]
        if done and show:
            log.print(f"{self.folder.path}: goes on after the first {done} of {len(files)}", highlight=False)
        left = range(done, len(files))
        mine = slice(self.group.rank, None, self.group.size)
        own, before = left[mine], sum(map(frames_announced, files[:done][mine]))
        waiting: deque[Future[Line]] = deque()
        with (
            progress_bar("predict", before + sum(map(frames_announced, files[done:][mine])), before, show) as report,
            ThreadPoolExecutor(DRAWERS) as pool,
        ):
            try:
                for task in self._tasks(files, own, report):
                    waiting.append(pool.submit(self._draw, task))
                    self._write_down(waiting, 2 * DRAWERS)
            except KeyboardInterrupt:
                if self.group.size == 1:
                    self._write_down(waiting, 0)
                raise
            self._write_down(waiting, 0)
            if len(own) * self.group.size < len(left):
                self._add(None)

    def _write_down(self, waiting: deque[Future[Line]], most: int) -> None:
        """Add the lines of what is drawn, in order, and wait for it where more than `most` are not."""
        while waiting and (len(waiting) > most or waiting[0].done()):
            self._add(waiting[0].result())
            waiting.popleft()

    def _add(self, mine: Line | None) -> None:
        """Write down a line of every process, in order; None: one has none any more."""
        for line in self.group.exchange(mine):
            if line and self.lines:
                self.lines.add(line)

    def _tasks(self, files: list[Path], numbers: Sequence[int], report: Report) -> Iterator[_Task]:
        names = short_names(files)
        read = (files[number] for number in numbers)
        # One thread reads: `read_image` silences warnings, which threads share.
        pictures = in_threads(lambda file: None if is_video(file) else read_input(file), read, threads=1)
        for number, picture in zip(numbers, pictures, strict=True):
            file = files[number]
            about: Line = {"id": number + 1, "file_name": str(file)}
            if picture is None:
                yield _Task(about | self._watch(file, names[number], report))
                continue
            if isinstance(picture, DataError):
                yield _Task(about | {"error": str(picture)})
            else:
                about |= {"width": picture.width, "height": picture.height}
                yield _Task(
                    about | {"detections": self.look(picture)}, picture, self.folder.drawn / f"{names[number]}.jpg"
                )
            report()

    def _draw(self, task: _Task) -> Line:
        if task.picture is None:
            return task.line
        file, line = Path(task.line["file_name"]), task.line
        truth = self.settings.truth.boxes(file, task.picture.size) if self.settings.truth else None
        scene = self.paint(task.picture, line["detections"], truth)
        encoded = io.BytesIO()
        scene.save(encoded, format="JPEG", quality=92)
        write_bytes(task.path, encoded.getbuffer(), lasting=False)
        return line | ({"true_boxes": len(truth.names)} if truth else {})

    def look(self, picture: Image.Image) -> list[dict[str, Any]]:
        """What the detector finds in a picture."""
        return coco_results(self.detector.predict(picture))

    def paint(self, picture: Image.Image, found: list[dict[str, Any]], truth: TrueBoxes | None = None) -> Image.Image:
        """A picture with what was found."""
        return draw(picture, marks_of(found, self.detector.classes, self.settings.draw_score, truth))

    def _watch(self, file: Path, name: str, report: Report) -> Line:
        def seen(frames: int, more: int) -> None:
            self.within = f" and {frames} frames of {file}"
            report(more)

        line = watch(file, self.folder.videos / name, self, seen)
        self.within = ""
        return line
