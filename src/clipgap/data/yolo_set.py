"""Which images are in a split of a YOLO data set: folders and lists, as the description names them or as they lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from clipgap.data.files import images_under, is_image_name, read_lines
from clipgap.data.places import Place, same_split, spellings
from clipgap.data.records import Fault
from clipgap.data.yolo_description import NOTHING, Description
from clipgap.errors import DataError, there_are

ALL = "all"
"""The split of all images, where nothing has that name."""
LAYOUTS = ("images/{}", "{}/images", "{}", "obj_{}_data", "{}.txt", "data/{}.txt")
"""Where the images of a split are looked for that the description does not name; a file is a list of them."""
SPLITS = ("train", "val", "valid", "validation", "test")
"""Names that an error looks for when it tells what there is."""
DEEPEST = 64
"""Folders of a path whose ends are tried, and that are looked for under other names: no data set lies deeper, and each
is a look at the disk."""


@dataclass
class SplitImages:
    """The images of a split, each with its place in a folder or list, and what is wrong with them."""

    listed: list[tuple[str, Path]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def images_of(description: Description, place: Place, split: str) -> SplitImages:
    """The images of a split.

    A split is a list file (`.txt`), a key of the description, or a folder or list that has its name: `val`, `valid` and
    `validation` are one. `all` is every image.

    Raises:
        DataError: there is no such split, or its list cannot be read.
    """
    images = SplitImages()
    for source in _sources(description, place, split):
        if os.path.isdir(source):
            name = os.path.relpath(source, place.root)
            images.listed += [(f"folder {name}", path) for path in images_under(source)]
        elif is_image_name(source):
            images.listed.append(("", source))
        else:
            _read_list(source, _Folders(_bases(description, place, source.parent), place), images)
    return images


def _sources(description: Description, place: Place, split: str) -> list[Path]:
    """The folders, lists and images that make up a split."""
    if split.lower().endswith(".txt"):
        return [_source(description, place, split)]
    said = (_entries(description, name) for name in same_split(split))
    entries = next((entries for entries in said if entries), [])
    return [_source(description, place, entry) for entry in entries] or [_laid_out(description, place, split)]


def _entries(description: Description, split: str) -> list[str]:
    """What the description says of a split.

    Raises:
        DataError: it is no path and no list of paths.
    """
    entry = description.entries.get(split)
    if entry is None or entry in NOTHING:
        return []
    entries = [entry] if isinstance(entry, str) else entry
    if not isinstance(entries, list) or not entries or not all(isinstance(one, str) for one in entries):
        raise DataError(f"{description.file}: no split {split!r} can be read: it must be a path or a list of paths")
    return entries


def _source(description: Description, place: Place, entry: str) -> Path:
    """The folder or list of an entry.

    Raises:
        DataError: there is none, or it is outside of the data set's folder.
    """
    stray: ValueError | None = None
    bases = _bases(description, place)
    for name in (end for same in _same_paths(entry) for end in _suffixes(same)):
        try:
            found = place.find(name, *bases)
        except ValueError as error:
            stray = stray or error
            continue
        if found:
            return found
    if stray:
        raise DataError(f"{description.file}: {stray}")
    where = " or ".join(dict.fromkeys(str(base) for base in bases))
    raise DataError(f"{description.file}: no folder or list of images {entry[:200]!r} in {where}")


def _bases(description: Description, place: Place, *more: Path) -> list[Path]:
    own = [place.root / place.images] if place.images else []
    return list(dict.fromkeys([description.folder, place.root, *own, *more]))


def _same_paths(entry: str) -> Iterator[str]:
    """A path, and with `val`, `valid` and `validation` in each other's place: exports mix them up."""
    yield entry
    parts = entry.replace("\\", "/").split("/")
    for number, part in enumerate(parts[:DEEPEST]):
        for other in same_split(part)[1:]:
            yield "/".join([*parts[:number], other, *parts[number + 1 :]])


def _suffixes(entry: str) -> Iterator[str]:
    """A path, and its ever shorter ends: paths of another machine end as ours do. Not the bare end `images`."""
    yield entry
    parts = [part for part in PurePosixPath(entry.replace("\\", "/")).parts if part not in ("..", "/")]
    for start in range(max(len(parts) - DEEPEST, 0), len(parts)):
        end = "/".join(parts[start:])
        if end != entry and end.casefold() != "images":
            yield end


def _laid_out(description: Description, place: Place, split: str) -> Path:
    found = _by_layout(place, split)
    if found is None and split == ALL:
        return place.root / place.images if place.images else place.folder("images", ".")
    if found is None:
        known = dict.fromkeys(name for name in SPLITS if _is_there(description, place, name))
        raise DataError(
            f"{description.file}: no split {split!r} ({there_are(split, known)}); a split is a key of this file, a "
            f"folder, a list (.txt), or `{ALL}`"
        )
    return found


def _is_there(description: Description, place: Place, name: str) -> bool:
    entry = description.entries.get(name)
    return (entry is not None and entry not in NOTHING) or _by_layout(place, name, exactly=True) is not None


def _by_layout(place: Place, split: str, exactly: bool = False) -> Path | None:
    names = (split,) if exactly else same_split(split)
    layouts = (f"{place.images}/{{}}", *LAYOUTS) if place.images else LAYOUTS
    paths = [layout.format(name) for name in names for layout in layouts]
    found = next((path for path in paths if os.path.exists(place.root / path)), None)
    path = place.root / found if found else next(filter(None, (_in_any_case(place.root, path) for path in paths)), None)
    return path if path and place.holds(path) else None


def _in_any_case(folder: Path, path: str) -> Path | None:
    """What is there of that path, when capitals do not matter."""
    for part in PurePosixPath(path).parts:
        names = sorted(os.listdir(folder)) if folder.is_dir() else []
        name = next((name for name in names if name.casefold() == part.casefold()), None)
        if name is None:
            return None
        folder = folder / name
    return folder


class _Folders:
    """Finds the images that a list names. Folders are looked for and listed once, not once an image."""

    def __init__(self, bases: list[Path], place: Place) -> None:
        self._bases, self._place = bases, place
        self._found: dict[str, list[tuple[Path, bool]]] = {}
        self._listed: dict[Path, set[str]] = {}

    def find(self, line: str) -> Path | None:
        """The image of a line: the name as it stands, else the longest end of it that there is.

        Raises:
            ValueError: what there is of that name is outside of the data set's folder.
        """
        folder, _, name = line.strip("\"'").replace("\\", "/").rpartition("/")
        if line.startswith("/") and not folder:
            folder = "/"
        if folder not in self._found:
            self._found[folder] = list(self._candidates(folder))
        stray: Path | None = None
        for candidate, allowed in self._found[folder]:
            spelling = self._spelling(candidate, name) if allowed else None
            if spelling:
                return candidate / spelling
            if not allowed and stray is None and name and os.path.lexists(candidate / name):
                stray = candidate / name
        if stray is not None:
            raise ValueError(self._place.refusal(stray))
        return None

    def _candidates(self, folder: str) -> Iterator[tuple[Path, bool]]:
        """The folders that may be meant, each with whether it may be read."""
        ends = dict.fromkeys([*_suffixes(folder), ""] if folder else [""])
        paths = dict.fromkeys(base / one for end in ends for base in self._bases for one in spellings(end))
        for path in paths:
            if os.path.isdir(path):
                yield path, self._place.outside or self._place.holds(path)

    def _spelling(self, folder: Path, name: str) -> str | None:
        if folder not in self._listed:
            self._listed[folder] = set(os.listdir(folder))
        return next((spelling for spelling in spellings(name) if spelling in self._listed[folder]), None)


def _read_list(file: Path, folders: _Folders, images: SplitImages) -> None:
    for number, line in read_lines(file):
        where = f"line {number}"
        try:
            path = folders.find(line)
        except ValueError as error:
            images.faults.append(Fault(file, where, str(error), "error"))
            continue
        if path is None:
            message = "no such image: add it, correct the line, or remove it"
            images.faults.append(Fault(file, where, message, "error", line[:200]))
        else:
            images.listed.append((f"{where} of {file.name}", path))
