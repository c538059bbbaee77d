"""The domains of a data file, their splits read when they are first asked for: `fit` never touches a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from clipgap.config import DataConfig, DomainConfig, Metric, PartConfig, Reading, Role, load_data_config
from clipgap.data.coco import read_coco
from clipgap.data.dataset import DetectionDataset
from clipgap.data.files import many_objects
from clipgap.data.images import displayed_size
from clipgap.data.places import Place
from clipgap.data.records import Fault, ImageRecord, Records, path_key
from clipgap.data.voc import read_voc
from clipgap.data.yolo import read_yolo
from clipgap.errors import DataError, one_line, there_are

SHOWN = 3
"""Faults that an error message tells; `clipgap data check` tells all."""
SPLITS = ("train", "val", "test")
"""The keys under which a data file lists splits."""
Pieces = Sequence[tuple[PartConfig, str]]
"""Parts of a domain, each with one of its splits."""


class Domain:
    """One domain. A split is read when it is first asked for, and is None where the data file names none.

    Raises:
        DataError: on reading, a split that has errors, or one on which the weights are chosen that shares images with
            the one trained on.
    """

    def __init__(self, config: DataConfig, domain: DomainConfig) -> None:
        self.name = domain.name
        self.metric: Metric | None = domain.metric
        """What it is scored by, where that is not the metric of all."""
        self._config = config
        self._domain = domain
        self._read: dict[object, DetectionDataset] = {}

    @cached_property
    def train(self) -> DetectionDataset | None:
        """What steps one and two learn from."""
        return self._apart(self._split("train"), self.__dict__.get("selection"))

    @cached_property
    def selection(self) -> DetectionDataset | None:
        """What the weights are chosen on."""
        return self._apart(self._split("selection"), self.__dict__.get("train"))

    @cached_property
    def scored(self) -> DetectionDataset | None:
        """What `evaluate` scores."""
        return self._split("scored")

    def split_name(self, role: Role) -> str | None:
        """The splits that play a role, in words."""
        return self._domain.split_name(role)

    def _split(self, role: Role) -> DetectionDataset | None:
        pieces = self._domain.pieces(role)
        if not pieces:
            return None
        key = (tuple((id(part), split) for part, split in pieces), _shifted(self._config, self._domain, pieces, role))
        if key not in self._read:
            self._read[key] = _usable(read_pieces(self._config, self._domain, pieces, role == "train"))
        return self._read[key]

    def _apart(self, new: DetectionDataset | None, old: DetectionDataset | None) -> DetectionDataset | None:
        """Pass on the first of the two, once sure that it shares no image with the other."""
        shared = shared_images(new, old) if new and old else []
        if shared:
            raise DataError(
                f"domain {self.name}: the splits to train and to choose weights on share {len(shared)} images, "
                f"for example {shared[0]}: weights must be chosen on images that were not trained on"
            )
        return new


class Domains:
    """The source domain, the target domains, and the classes they share."""

    def __init__(self, config: DataConfig) -> None:
        self.source = Domain(config, config.source)
        self.targets = [Domain(config, target) for target in config.targets]
        self.classes = tuple(config.classes)

    @property
    def all(self) -> list[Domain]:
        """The source first, then the targets."""
        return [self.source, *self.targets]


def load_domains(data: str | Path | DataConfig) -> Domains:
    """The domains of a data file, a run config, a preset's name, or a `DataConfig`. No image or box is read yet.

    Raises:
        ConfigError: the file is missing or wrong.

    Examples:
        >>> domains = clipgap.load_domains("mini_world")
        >>> [target.name for target in domains.targets]
        ['daytime_foggy', 'night_sunny', 'dusk_rainy', 'night_rainy']
        >>> domains.source.train[0].target["boxes"].shape[1]  # x1, y1, x2, y2
        4
    """
    return Domains(data if isinstance(data, DataConfig) else load_data_config(data))


def load_split(config: DataConfig, domain: DomainConfig, split: str) -> DetectionDataset:
    """Read a split of a domain, ready to use, with the boxes that are scored; warnings are in its `faults`.

    Args:
        config: the data file.
        domain: one of its domains.
        split: `train`, `val` or `test` as the domain has them, or the name of one split.

    Raises:
        DataError: there is no such split, or it has errors; the first of them are told.
    """
    return _usable(read_pieces(config, domain, _pieces_named(domain, split), training=False))


def read_pieces(config: DataConfig, domain: DomainConfig, pieces: Pieces, training: bool) -> DetectionDataset:
    """Read splits of a domain as one data set, with all that is wrong with it in the data set's `faults`.

    Args:
        config: the data file.
        domain: one of its domains.
        pieces: at least one of its parts, each with a split.
        training: to train on them: only then are VOC's boxes shifted as `voc_boxes: authors` says.

    Raises:
        DataError: nothing can be read at all: no such folder, no such split.
    """
    with many_objects():
        dataset = DetectionDataset.joined([_read_piece(config, domain, *piece, training) for piece in pieces])
    root = config.folder(domain)
    where = " + ".join(f"split {split}" for _, split in pieces)
    unknown = sum(dataset.left_out.values())
    if not dataset.records and not dataset.empty:
        dataset.faults.append(Fault(root, where, "has no images", "error"))
    elif unknown and not any(dataset.boxes_per_class().values()):
        own = one_line(", ".join(map(repr, sorted(dataset.left_out))))
        message = f"no box is of one of `classes`; the set's own names are: {own}; map them with `rename`"
        dataset.faults.append(Fault(root, where, message, "error"))
    elif not dataset.records:
        message = "no image has boxes, and keep_empty is false"
        dataset.faults.append(Fault(root, where, message, "error"))
    return dataset


def shared_images(one: DetectionDataset, other: DetectionDataset) -> list[Path]:
    """The images that are in both, in the order of the first."""
    others = {path_key(record.path) for record in other.records}
    return [record.path for record in one.records if path_key(record.path) in others]


def _usable(dataset: DetectionDataset) -> DetectionDataset:
    errors = [fault for fault in dataset.faults if fault.severity == "error"]
    if errors:
        told = "\n".join(str(fault) for fault in errors[:SHOWN])
        more = f"\nand {len(errors) - SHOWN} more; `clipgap data check` lists all" if len(errors) > SHOWN else ""
        raise DataError(told + more)
    return dataset


def _pieces_named(domain: DomainConfig, split: str) -> Pieces:
    """The pieces that a word means: those that the domain lists under `train`, `val` or `test`, or one split."""
    listed = [(part, name) for part in domain.parts or [domain] for name in _splits(part, split)]
    if listed and (domain.parts or len(listed) > 1):
        return listed
    if not domain.parts:
        return [(domain, split)]
    names = {(number, name) for number, part in enumerate(domain.parts) for key in SPLITS for name in part.splits(key)}
    named = [(part, split) for number, part in enumerate(domain.parts) if (number, split) in names]
    if not named:
        known = sorted({name for _, name in names})
        raise DataError(f"domain {domain.name}: no part has a split {split} ({there_are(split, known)})")
    return named


def _splits(part: PartConfig, key: str) -> list[str]:
    return part.splits(key) if key in SPLITS else []


def _shifted(config: DataConfig, domain: DomainConfig, pieces: Pieces, role: Role) -> bool:
    return role == "train" and any(config.reading(domain, part).voc_boxes == "authors" for part, _ in pieces)


def _read_piece(
    config: DataConfig, domain: DomainConfig, part: PartConfig, split: str, training: bool
) -> DetectionDataset:
    root = config.existing_folder(domain, part)
    for key, name in (("images", part.images), ("annotations", part.annotations)):
        if name and not (root / name).is_dir():
            raise DataError(f"{root / name}: no such folder: correct `{key}` of domain {domain.name}")
    how = config.reading(domain, part)
    if how.voc_boxes == "authors" and not training:
        how = how.model_copy(update={"voc_boxes": "standard"})
    place = Place(root, part.images, part.annotations, outside=how.outside_root == "allow")
    records, faults = _read(part.format or domain.format, place, split, how)
    if how.size_mismatch == "image":
        records, found = _measured(records)
        faults += found
    rename = {**domain.rename, **part.rename}
    dataset = DetectionDataset(records, config.classes, rename, how.keep_empty, how.match_case)
    dataset.faults[:0] = faults
    return dataset


def _read(form: str | None, place: Place, split: str, how: Reading) -> Records:
    if form == "voc":
        return read_voc(place, split, how)
    return read_coco(place, split) if form == "coco" else read_yolo(place, split, how)


def _measured(records: list[ImageRecord]) -> Records:
    """The records with their images' own sizes, and a warning for every one that stated another."""
    measured: list[ImageRecord] = []
    faults: list[Fault] = []
    for record in records:
        try:
            width, height, *_ = displayed_size(record.path, (record.width, record.height))
        except DataError:
            measured.append(record)  # reading the image tells what is wrong with it
            continue
        if (width, height) != (record.width, record.height):
            message = "states another size than the image has: the image's counts"
            detail = f"{record.width} x {record.height}, the image {width} x {height}"
            faults.append(Fault(record.source, "", message, "warning", detail))
        measured.append(replace(record, width=width, height=height))
    return measured, faults
