"""Where YOLO's label files are: in `labels` beside `images`, or beside the images themselves."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from clipgap.data.files import names_image
from clipgap.data.places import Place
from clipgap.data.records import Fault

NO_LABELS = re.compile(
    r"(_?classes|predefined_classes|names|labels|notes|train|val|valid|validation|test|trainval|all|requirements"
    r"|autosplit_.*|readme.*|license.*)\.txt",
    re.IGNORECASE,
)
"""Text files that tools leave among label files."""


def label_file(image: Path) -> Path:
    """Where an image's boxes are expected: the last folder named `images`, in any case, is `labels` there."""
    split = _around_images(str(image.parent))
    folder = Path(split[0], "labels", split[1]) if split else image.parent
    return folder / f"{image.stem}.txt"


class LabelFolders:
    """The label files of a data set. Every folder is listed once, however many images ask."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._listed: dict[str, list[str]] = {}
        self._stems: dict[str, dict[str, str]] = {}
        self._homes: dict[str, list[str]] = {}
        self._users: dict[str, list[str]] = {}

    def of(self, image: Path) -> Path | None:
        """The label file of an image; accented letters are the same composed and decomposed, `.TXT` will do."""
        folder, name = os.path.split(image)
        stem = os.path.splitext(name)[0]
        if folder not in self._homes:
            self._homes[folder] = list(self._candidates(folder))
        for home in self._homes[folder]:
            stems = self._label_stems(home)
            found = stems.get(stem) or (None if stem.isascii() else stems.get(_nfc(stem)))
            if found:
                path = os.path.join(home, found)
                self._users.setdefault(path, []).append(name)
                return Path(path)
        return None

    def expected(self, image: Path) -> Path:
        """Where the label file of an image would be."""
        own = self._own(str(image.parent))
        return Path(own, f"{image.stem}.txt") if own else label_file(image)

    def faults(self) -> list[Fault]:
        """Warnings about label files of several images, and of none. Ask when all images have asked for theirs."""
        message = "is the label file of several images: each is given its boxes"
        shared = [
            Fault(Path(path), "", message, "warning", ", ".join(names))
            for path, names in self._users.items()
            if len(set(names)) > 1
        ]
        return shared + [
            fault for home, folders in self._homes_in_use().items() for fault in self._orphans(home, folders)
        ]

    def _candidates(self, folder: str) -> Iterator[str]:
        """The folders in which label files of a folder of images may be."""
        own = self._own(folder)
        if own:
            yield own
            return
        split = _around_images(folder)
        if split:
            parent, rest = split
            cased = [name for name in self._names(parent) if name.casefold() == "labels"]
            homes = [os.path.join(parent, name, rest).rstrip(os.sep) for name in sorted(cased, reverse=True)]
            yield from (home for home in homes if self._place.outside or self._place.holds(Path(home)))
        yield folder

    def _own(self, folder: str) -> str | None:
        """The folder that the data file names, and below it what the images have below theirs."""
        if not self._place.annotations:
            return None
        root = self._place.root
        split = _around_images(folder)
        if self._place.images or not split:
            inside = os.path.relpath(folder, root / (self._place.images or "."))
        else:
            inside = split[1]
        inside = "" if inside == "." or inside.startswith("..") else inside
        return os.path.join(root, self._place.annotations, inside).rstrip(os.sep)

    def _names(self, folder: str) -> list[str]:
        if folder not in self._listed:
            try:
                self._listed[folder] = sorted(os.listdir(folder or os.curdir))
            except (FileNotFoundError, NotADirectoryError):
                self._listed[folder] = []
        return self._listed[folder]

    def _label_stems(self, folder: str) -> dict[str, str]:
        """From stems, as they stand and composed, to the names of label files."""
        if folder not in self._stems:
            labels = [name for name in self._names(folder) if name[-4:].lower() == ".txt"]
            stems = {name[:-4]: name for name in labels}  # sorted: of a.TXT and a.txt the latter
            for name in labels:
                if not name.isascii():
                    stems.setdefault(_nfc(name[:-4]), name)
            self._stems[folder] = stems
        return self._stems[folder]

    def _homes_in_use(self) -> dict[str, list[str]]:
        """From folders of labels to those of their images. A folder of images is one of labels where it has some."""
        used = {os.path.dirname(path) for path in self._users}
        homes: dict[str, list[str]] = {}
        for folder, candidates in self._homes.items():
            for home in candidates:
                if home != folder or home in used:
                    homes.setdefault(home, []).append(folder)
        for home, folders in list(homes.items()):
            if home not in folders:
                self._add_inner(home, folders, homes)
        return homes

    def _add_inner(self, home: str, folders: list[str], homes: dict[str, list[str]]) -> None:
        """Add the folders within a folder of labels, for which no image asked."""
        for inner, _, _ in os.walk(home):
            own = [os.path.normpath(os.path.join(folder, os.path.relpath(inner, home))) for folder in folders]
            homes.setdefault(inner, own)

    def _orphans(self, home: str, folders: list[str]) -> Iterator[Fault]:
        images = [name for folder in {*folders, home} for name in self._names(folder) if names_image(name)]
        stems = {_nfc(os.path.splitext(name)[0]): name for name in images}
        labels = {_nfc(name[:-4]): name for name in self._label_stems(home).values() if not name.startswith(".")}
        alone = [stem for stem in sorted(labels.keys() - stems.keys()) if not NO_LABELS.fullmatch(labels[stem])]
        near = {_alike(stem): stems[stem] for stem in stems.keys() - labels.keys()} if alone else {}
        for stem in alone:
            meant = near.get(_alike(stem))
            message = "a label file without an image, passed over: name it as its image is named, or remove it"
            yield Fault(Path(home, labels[stem]), "", message, "warning", f"did you mean {meant}?" if meant else "")


def _around_images(folder: str) -> tuple[str, str] | None:
    """What is above and what is below the last folder of a path that is named `images`."""
    parts = Path(folder).parts
    last = next((index for index in reversed(range(len(parts))) if parts[index].casefold() == "images"), None)
    return None if last is None else (os.path.join("", *parts[:last]), os.path.join("", *parts[last + 1 :]))


def _nfc(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _alike(stem: str) -> str:
    """The same for names that differ in how they are encoded, in capitals and in what stands for a space."""
    return re.sub(r"[\s_+-]+", "_", _nfc(unquote(stem)).casefold())
