"""The folder that `predict` writes: what is done is on disk after every image, so that it can go on.

predict.json        what was asked: the detector, the inputs, the settings; `--resume` must ask for the same
detections.jsonl    a line an input, in order, written as soon as it is done (and its picture drawn)
detections.json     at the end: COCO results of all images
images.json         at the end: what the ids stand for
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from clipgap.engine.progress import log
from clipgap.errors import DataError
from clipgap.files import append_whole, require_new, require_place, sweep, write_text, write_then_rename, writes_to
from clipgap.parse import parse_json

ASKED, RESULTS, LINES = "predict.json", "detections.json", "detections.jsonl"
Line = dict[str, Any]
"""What is known about one input: `id` (from 1), `file_name`, and `detections` of an image, `frames` and `boxes` of a
video, or `error`."""


class LineFile:
    """A file of JSON lines that grows: every line is in the file when `add` returns.

    Args:
        path: the file; lines that are there are read, from the first damaged one on they are cut off.
        key: the entry that numbers the lines.
        first: its value in the first line.
        keep: what of a line is kept in memory.
    """

    def __init__(self, path: Path, key: str, first: int, keep: Callable[[Line], Line] = lambda line: line) -> None:
        self.path, self._key, self._first, self._keep = path, key, first, keep
        self.lines: list[Line] = []
        """What is kept of them."""
        with writes_to(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab", buffering=0)
            self._cut(self._take_in())

    @property
    def next(self) -> int:
        """The number of the line to come."""
        return self._first + len(self.lines)

    def add(self, line: Line) -> None:
        """Write a line; one that is there already is not written again."""
        if line[self._key] == self.next:
            with writes_to(self.path):
                append_whole(self._file, json.dumps(line).encode() + b"\n")
            self.lines.append(self._keep(line))

    def whole(self) -> Iterator[Line]:
        """All of every line, from the file."""
        with self.path.open("rb") as file:
            yield from map(json.loads, file)

    def close(self) -> None:
        """Give the file back to the system."""
        self._file.close()

    def _cut(self, size: int) -> None:
        """Leave so many bytes; what is lost with a damaged line, more than the last one cut short, is kept beside."""
        with self.path.open("rb") as file:
            file.seek(size)
            lost = file.read()
        if b"\n" in lost:
            beside = self.path.with_name(f"{self.path.name}.damaged")
            beside.write_bytes(lost)
            done = f"the {len(self.lines)} lines before it are gone on with; the others are in {beside}"
            log.print(f"warning: {self.path}: line {len(self.lines) + 1} is damaged: {done}", style="yellow")
        self._file.truncate(size)

    def _take_in(self) -> int:
        """Take in the whole lines; how many bytes they are."""
        size = 0
        with self.path.open("rb") as file:
            for text in file:
                try:
                    line = json.loads(text)
                    whole = text.endswith(b"\n") and line[self._key] == self.next
                    kept = self._keep(line) if whole else {}
                except (ValueError, TypeError, KeyError):
                    whole = False
                if not whole:  # cut short by whatever ended the run, or damaged
                    break
                self.lines.append(kept)
                size += len(text)
        return size


class ResultFolder:
    """The folder of one prediction, new or to be gone on with.

    Args:
        path: the folder.
        files: all inputs.
        settings: what else decides the results, in words of the command line.
    """

    def __init__(self, path: Path, files: Sequence[Path], settings: Mapping[str, Any]) -> None:
        self.path, self._total = path, len(files)
        self.results, self.images = path / RESULTS, path / "images.json"
        self.drawn, self.videos = path / "drawn", path / "videos"
        self._asked_file, self._lines_file = path / ASKED, path / LINES
        self._asked = {**settings, "inputs": [str(file) for file in files]}
        if not all(file.is_absolute() for file in files):
            self._asked["folder"] = os.getcwd()

    def open(self, resume: bool) -> LineFile:
        """Begin, or go on after the lines that are there.

        A folder in which the very same prediction was left unfinished is gone on with, asked for or not: a full disk
        must not leave anything in the way of the command that is given again.

        Raises:
            DataError: the folder holds something else, or there is nothing to go on with.
        """
        require_free(self.path, resume)
        before = self._before()
        if before is not None and before != self._asked:
            if not resume:
                require_new(self.path, "--out")
            raise DataError(_difference(self.path, before, self._asked))
        if before is None:
            write_text(self._asked_file, json.dumps(self._asked, indent=1))
        for folder in (self.path, self.drawn, self.videos):
            sweep(folder)
        return LineFile(self._lines_file, "id", 1, _without_boxes)

    def finish(self, lines: LineFile, classes: Sequence[str]) -> None:
        """Write the COCO files, of the images alone."""
        images = [line for line in lines.lines if "detections" in line]
        named = [{key: line[key] for key in ("id", "file_name", "width", "height")} for line in images]
        categories = [{"id": k, "name": name} for k, name in enumerate(classes, start=1)]
        write_text(self.images, json.dumps({"images": named, "categories": categories}, indent=1))
        write_then_rename(self.results, partial(write_results, lines))

    def discard(self) -> None:
        """Take away what `open` made, because nothing came of it."""
        for file in (self._asked_file, self._lines_file):
            file.unlink(missing_ok=True)
        for folder in (self.drawn, self.videos):
            shutil.rmtree(folder, ignore_errors=True)

    def _before(self) -> dict[str, Any] | None:
        """What the prediction in the folder was asked for; None if there is none."""
        try:
            content = parse_json(self._asked_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            raise DataError(f"{self._asked_file}: damaged; choose another --out, or move the folder away") from None
        return content if isinstance(content, dict) else {}


def _without_boxes(line: Line) -> Line:
    """A line with the number of its detections in their place: those of 100,000 images would take gigabytes."""
    return line | {"detections": len(line["detections"])} if "detections" in line else line


def write_results(lines: LineFile, file: Path) -> None:
    """A list of COCO results, as `json.dumps` has it."""
    with file.open("w", encoding="utf-8") as opened:
        comma = "["
        for line in lines.whole():
            for found in line.get("detections", ()):
                opened.write(comma + json.dumps({"image_id": line["id"], **found}))
                comma = ", "
        opened.write("]" if comma == ", " else "[]")


def require_free(path: Path, resume: bool) -> None:
    """Make sure, as far as that can be seen without the detector, that a prediction can begin or go on in a folder.

    Raises:
        DataError: the folder holds something else, or there is nothing to go on with.
    """
    begun = (path / ASKED).is_file()
    if resume and not begun:
        raise DataError(f"{path}: no prediction to resume ({ASKED} is not there); leave --resume out")
    if not resume and (not begun or (path / RESULTS).exists()):
        require_new(path, "--out")
    require_place(path, "--out")


def _difference(path: Path, before: dict[str, Any], now: dict[str, Any]) -> str:
    """The first thing that is asked for otherwise than before."""
    key = next(key for key in (*now, *before) if before.get(key) != now.get(key))
    old, new = before.get(key), now.get(key)
    if key == "folder":
        return f"--resume: {path} was begun in the folder {old}, and its inputs are relative to it; go there"
    if key == "inputs":
        strange = sorted(set(old or []) ^ set(new or [])) or ["their order"]
        return f"--resume: other inputs ({len(new or [])}) than {path} was begun with ({len(old or [])}): {strange[0]}"
    return f"--resume: {key} is {new}, but {path} was begun with {old}"
