"""Where the files of a data set are: names as people and tools write them, none outside of the data set's folder."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """A data set's folder, and what the data file says of the folders in it."""

    root: Path
    images: str | None = None
    """Folder of the images, relative to `root`, where it is none of the format's usual ones."""
    annotations: str | None = None
    """Folder of VOC's XML files or YOLO's label files, likewise."""
    outside: bool = False
    """Whether files outside of `root` may be read."""

    def find(self, name: str, *folders: Path) -> Path | None:
        """The first file or folder of that name, as annotation files write names, below the first of `folders`.

        Backslashes are slashes, and accented letters are the same composed and decomposed (NFC, NFD).

        Raises:
            ValueError: what there is of that name lies outside of `root`, and `outside` is not set.
        """
        strays: list[Path] = []
        for path in (folder / spelling for spelling in spellings(name) for folder in folders):
            if not os.path.lexists(path):
                continue
            if self.outside or self.holds(path):
                return path
            strays.append(path)
        if strays:
            raise ValueError(self.refusal(strays[0]))
        return None

    def holds(self, path: Path) -> bool:
        """Whether a path stays inside of `root`, as it is written: links are not followed."""
        return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(self.root))

    def refusal(self, path: Path) -> str:
        """What is wrong with a path outside of `root`, and what to do about it."""
        return (
            f"{os.path.abspath(path)} is outside of the data set's folder {self.root}: "
            "move it there, correct the name, or set outside_root: allow"
        )

    def folder(self, *names: str) -> Path:
        """The first folder in `root` of one of these names, in any case; where there is none, the first name's."""
        entries = sorted(self.root.iterdir(), reverse=True) if self.root.is_dir() else []
        found = {entry.name.casefold(): entry for entry in entries if entry.is_dir()}
        exact = (self.root / name for name in names if (self.root / name).is_dir())
        any_case = (found[name.casefold()] for name in names if name.casefold() in found)
        return next(exact, None) or next(any_case, self.root / names[0])


def spellings(name: str) -> Iterator[str]:
    """A name with slashes, as it stands, composed and decomposed; each spelling once."""
    name = name.replace("\\", "/")
    return iter(dict.fromkeys((name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))))


def same_split(name: str) -> tuple[str, ...]:
    """The names that tools give to the split of this name; itself first."""
    names = ("val", "valid", "validation")
    return (name, *(other for other in names if other != name)) if name in names else (name,)
