"""What describes a YOLO data set: data.yaml, or darknet's obj.data with obj.names (CVAT), or classes.txt alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipgap.data.files import read_lines, read_text
from clipgap.data.places import Place
from clipgap.data.records import Fault
from clipgap.errors import DataError
from clipgap.parse import UnreadableError, parse_yaml

OWN = ("data.yaml", "data.yml")
"""Names that come first where several files might be the description."""
NAME_LISTS = ("obj.names", "classes.txt", "_darknet.labels", "predefined_classes.txt")
"""Files with a class name a line."""
NOTHING = ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True, slots=True)
class Description:
    """What a data set says of itself."""

    file: Path
    folder: Path
    """Its `path`: what the entries of the splits are relative to. It is often another machine's: then `root` is."""
    names: Mapping[int, str]
    entries: Mapping[str, Any]
    """By split: text, or a list of texts; other keys are there too."""
    keypoints: int | None = None
    """Numbers of the key points that follow a box: `kpt_shape`'s product."""
    faults: tuple[Fault, ...] = ()


def describe(place: Place) -> Description:
    """Find and read the description: the .yaml with `names`; where there is none, darknet's files or a list of names.

    Raises:
        DataError: there is none, it cannot be read, or there are several.
    """
    root = place.root
    files = [root / name for name in sorted(os.listdir(root)) if name.lower().endswith((".yaml", ".yml"))]
    trees = {file: _tree(file) for file in files if not file.name.startswith(".")}
    own = next((file for file in trees if file.name.lower() in OWN), None)
    named = [file for file, tree in trees.items() if isinstance(tree, dict) and "names" in tree]
    if own is not None and isinstance(trees[own], DataError):
        named = [own]
    if len(named) > 1 and own not in named:
        found = ", ".join(file.name for file in named)
        raise DataError(f"{root}: several files describe a data set, {found}: rename the right one to data.yaml")
    if named:
        file = own if own in named else named[0]
        return _from_yaml(file, trees[file], place)
    described = _from_darknet(place) or _from_list(place)
    if described is None and (own or len(trees) == 1):
        file = own or next(iter(trees))
        return _from_yaml(file, trees[file], place)
    if described is None:
        raise DataError(
            f"{root / 'data.yaml'}: does not exist, nor another .yaml with `names`, nor obj.data with obj.names, nor "
            "classes.txt: a YOLO data set is described there (`names`, and paths of its splits)"
        )
    return described


def _tree(file: Path) -> dict[str, Any] | DataError:
    try:
        tree = parse_yaml(read_text(file), as_texts=True)
    except DataError as error:
        return error
    except UnreadableError as error:
        return DataError(f"{file}{error.place}: not valid YAML ({error.problem})")
    if not isinstance(tree, dict):
        return DataError(f"{file}: expected `names: [...]` and the paths of the splits")
    return tree


def _from_yaml(file: Path, tree: dict[str, Any] | DataError, place: Place) -> Description:
    if isinstance(tree, DataError):
        raise tree
    folder = tree.get("path")
    if folder is not None and not isinstance(folder, str):
        raise DataError(f"{file}: `path` must be a folder")
    names = _names(tree.get("names"), file, place)
    home = place.root / ("." if folder in (None, *NOTHING) else str(folder).replace("\\", "/"))
    faults = (*_disagreement(file, "nc", tree.get("nc"), names), *_repeats(file, names))
    return Description(file, home, names, tree, _keypoints(tree.get("kpt_shape"), file), faults)


def _names(names: object, file: Path, place: Place) -> dict[int, str]:
    """Class names by index, from a list, a mapping, or a file with a name a line."""
    if isinstance(names, str) and names not in NOTHING:
        return _listed_names(_find(names, place, file))
    entries = dict(enumerate(names)) if isinstance(names, list) else names
    if not isinstance(entries, dict) or not entries:
        raise DataError(f"{file}: `names` must list the classes")
    if not all(isinstance(name, str) for name in entries.values()):
        raise DataError(f"{file}: `names` must list the classes: texts alone, not lists or mappings")
    try:
        return {int(index): name for index, name in entries.items()}
    except (TypeError, ValueError):
        raise DataError(f"{file}: `names` must be a list, or a mapping from class indices to names") from None


def _listed_names(file: Path) -> dict[int, str]:
    names = {number - 1: line for number, line in read_lines(file)}
    if not names:
        raise DataError(f"{file}: is empty: write the names of the classes, one a line")
    return names


def _find(name: str, place: Place, file: Path) -> Path:
    """The file of names that a description means: as it stands, or by its name alone beside the description."""
    try:
        bare = name.replace("\\", "/").rpartition("/")[2]
        found = place.find(name, file.parent, place.root) or place.find(bare, file.parent, place.root)
    except ValueError as error:
        raise DataError(f"{file}: {error}") from None
    if found is None:
        raise DataError(f"{file}: `names` must list the classes, or be a file with a name a line; there is no {name!r}")
    return found


def _keypoints(shape: object, file: Path) -> int | None:
    if shape is None or shape in NOTHING:
        return None
    try:
        points, numbers = (int(part) for part in shape) if isinstance(shape, list) else (0, 0)
    except (TypeError, ValueError):
        points, numbers = 0, 0
    if points < 1 or numbers not in (2, 3):
        raise DataError(f"{file}: `kpt_shape` must be [points, 2] (x, y) or [points, 3] (x, y, visible)")
    return points * numbers


def _disagreement(file: Path, key: str, count: object, names: Mapping[int, str]) -> list[Fault]:
    if not isinstance(count, str) or count in NOTHING or count == str(len(names)):
        return []
    message = f"`{key}` is not the number of `names`: `names` counts; correct one of them"
    return [Fault(file, key, message, "warning", f"{count[:20]} for {len(names)} names")]


def _repeats(file: Path, names: Mapping[int, str]) -> list[Fault]:
    places: dict[str, list[str]] = {}
    for index, name in names.items():
        places.setdefault(name, []).append(str(index))
    message = "the same name for several classes: their boxes are of one class; correct it where that is not meant"
    return [
        Fault(file, "names", message, "warning", f"{name!r}, {', '.join(indices)}")
        for name, indices in places.items()
        if len(indices) > 1
    ]


def _from_darknet(place: Place) -> Description | None:
    """`obj.data`, in the data set's folder or in `data`: lines of `classes`, `train`, `valid`, `names`."""
    folders = [folder for folder in (place.root, place.root / "data") if folder.is_dir()]
    found = [folder / name for folder in folders for name in sorted(os.listdir(folder)) if name.endswith(".data")]
    for file in sorted(found, key=lambda path: path.name != "obj.data"):
        pairs = (line.partition("=") for _, line in read_lines(file) if not line.startswith("#"))
        entries = {key.strip(): value.strip() for key, equals, value in pairs if equals}
        if "names" in entries or "train" in entries:
            names = _listed_names(_find(entries.get("names", "obj.names"), place, file))
            faults = (*_disagreement(file, "classes", entries.get("classes"), names), *_repeats(file, names))
            return Description(file, place.root, names, entries, faults=faults)
    return None


def _from_list(place: Place) -> Description | None:
    """A list of names and nothing else: in the data set's folder, or as deep as two folders below it."""
    folders = [place.root, *_folders(place.root)]
    folders += [inner for folder in folders[1:] for inner in _folders(folder)]
    found = [folder / name for folder in folders for name in NAME_LISTS if (folder / name).is_file()]
    if not found:
        return None
    lists = {file: _listed_names(file) for file in found}
    other = next((file for file in found if lists[file] != lists[found[0]]), None)
    if other is not None and other.parent != found[0].parent and found[0].parent != place.root:
        raise DataError(f"{other}: has other names than {found[0]}: remove one, or write a data.yaml with `names`")
    return Description(found[0], place.root, lists[found[0]], {}, faults=tuple(_repeats(found[0], lists[found[0]])))


def _folders(folder: Path) -> Iterable[Path]:
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith("."))
