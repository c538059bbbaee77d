"""What `predict` is to look at: files, folders, globs, lists of them, videos.

`clipgap.data` brings torch, seconds that a mistyped name is not worth: it is imported where something is read.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clipgap.engine.predict.folder import ASKED, LINES
from clipgap.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv"})
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""How an address on the net begins; a drive of Windows has one letter only."""
NO_FILE = "is no file but a pipe, a socket or a device"


def is_video(path: Path) -> bool:
    """Whether the name ends as videos' do, in any case."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".")


def looks_like_input(word: str) -> bool:
    """Whether a word means what is to be predicted on, and no folder of a detector.

    Lists, globs, folders with images or videos, and names of images and videos do, whether they are there or not.
    """
    path = Path(word)
    if os.path.isdir(path):
        return bool(_pictured(path.rglob("*")))
    named = path.suffix and _pictured([path])  # what has no suffix is no name of an image: torch can wait
    return word.startswith("@") or glob.has_magic(word) or bool(named)


def find_inputs(inputs: Sequence[str | Path], without: Path | None = None) -> list[Path]:
    """The images and videos that are meant; every file once, in the order given, those of a folder sorted.

    Args:
        inputs: files, folders (searched to the bottom, without results of predictions in them), globs that the shell
            has left alone (`**`: any folders), and `@list.txt`: a text file with one of these a line, relative to where
            the list is.
        without: a folder whose files are not meant: where the results go.

    Raises:
        DataError: a path that is not there or is no file, or a folder, glob or list that leads to nothing.
    """
    found: list[Path] = []
    for text in map(str, inputs):
        found += _listed(Path(text[1:])) if text.startswith("@") else _one(text, Path())
    kept = list(dict.fromkeys(found))
    if without is not None:
        results = Path(os.path.abspath(without))
        kept = [path for path in kept if results not in Path(os.path.abspath(path)).parents]
    if not kept:
        raise DataError("no images or videos to predict on; name files, folders, globs or @list.txt")
    return kept


def read_input(path: Path) -> Image.Image | DataError:
    """The picture in a file, or why there is none: one bad file does not end a folder."""
    from clipgap.data import read_image

    try:
        return read_image(path)
    except DataError as error:
        return error


def short_names(files: list[Path]) -> list[str]:
    """A name without suffix for every file, numbered where two images or two videos would have the same."""
    taken: set[tuple[bool, str]] = set()  # folded: some file systems do not tell A from a
    names = []
    for file in files:
        name, number = file.stem, 1
        while (is_video(file), name.casefold()) in taken:
            number += 1
            name = f"{file.stem}_{number}"
        taken.add((is_video(file), name.casefold()))
        names.append(name)
    return names


def _listed(file: Path) -> list[Path]:
    from clipgap.data.files import read_lines

    if file.exists() and not file.is_file():
        raise DataError(f"{file}: {NO_FILE}; @ takes a text file with a path a line")
    lines = read_lines(file)
    if not lines:
        raise DataError(f"{file}: an empty list; write a path a line")
    found: list[Path] = []
    for number, line in lines:
        try:
            found += _one(line, file.parent)
        except DataError as error:
            raise DataError(f"{file}, line {number}: {error}") from None
    return found


def _one(text: str, folder: Path) -> list[Path]:
    """The files that one word leads to, which is relative to `folder`."""
    path = folder / text
    if not text:
        raise DataError("an input without a name; give a file or folder")
    if os.path.isdir(path):
        inside = _pictured(_below(path))
        if not inside:
            raise DataError(f"{path}: no images in this folder, and no videos")
        return inside
    if os.path.isfile(path):
        return [path]
    if os.path.exists(path):
        raise DataError(f"{path}: {NO_FILE}; predict reads files and folders")
    if ADDRESS.match(text):
        raise DataError(f"{text}: predict reads files only; download it first (curl -LO ...) and give the file")
    if not glob.has_magic(text):
        raise DataError(f"{path}: no such file or folder")
    matches = [Path(match) for match in glob.iglob(os.path.join(glob.escape(str(folder)), text), recursive=True)]
    inside = _pictured(_opened(matches))
    if not inside:
        told = f"{len(matches)} matches, but no images or videos" if matches else "nothing is called that"
        raise DataError(f"{path}: {told}; correct the pattern")
    return inside


def _opened(matches: Iterable[Path]) -> Iterator[Path]:
    """Matches, with what is in those that are folders."""
    for match in matches:
        if match.is_dir():
            yield from _below(match)
        else:
            yield match


def _below(folder: Path) -> Iterator[Path]:
    """What is in a folder, but for the pictures that predictions have drawn there: they are no photographs."""
    drawn = {asked.parent for asked in folder.rglob(ASKED) if (asked.parent / LINES).is_file()} - {folder}
    return (path for path in folder.rglob("*") if drawn.isdisjoint(path.parents))


def _pictured(paths: Iterable[Path]) -> list[Path]:
    from clipgap.data.files import is_image_name

    named = {path for path in paths if is_image_name(path) or is_video(path)}
    return sorted(path for path in named if not path.is_dir())
