"""The domains of a data file, their splits read when they are first asked for: `fit` never touches a target."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from clipgap.config import DataConfig, DomainConfig, load_data_config
from clipgap.data.coco import read_coco
from clipgap.data.dataset import DetectionDataset
from clipgap.data.records import Fault, Reading, path_key
from clipgap.data.voc import read_voc
from clipgap.data.yolo import read_yolo
from clipgap.errors import DataError

SHOWN = 3
"""Faults that an error message tells; `clipgap data check` tells all."""


class Domain:
    """One domain. A split is read when it is first asked for, and is None where the data file names none.

    Raises:
        DataError: on reading, a split that has errors, or one on which the weights are chosen that shares images with
            the one trained on.
    """

    def __init__(self, config: DataConfig, domain: DomainConfig) -> None:
        self.name = domain.name
        self._config = config
        self._domain = domain
        self._splits: dict[str, DetectionDataset] = {}

    @cached_property
    def train(self) -> DetectionDataset | None:
        """What steps one and two learn from."""
        return self._apart(self._split(self._domain.train), self.__dict__.get("selection"))

    @cached_property
    def selection(self) -> DetectionDataset | None:
        """What the weights are chosen on."""
        return self._apart(self._split(self._domain.selection_split), self.__dict__.get("train"))

    @cached_property
    def scored(self) -> DetectionDataset | None:
        """What `evaluate` scores."""
        return self._split(self._domain.scored_split)

    def _split(self, name: str | None) -> DetectionDataset | None:
        if name is not None and name not in self._splits:
            self._splits[name] = load_split(self._config, self._domain, name)
        return self._splits[name] if name is not None else None

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
    """
    return Domains(data if isinstance(data, DataConfig) else load_data_config(data))


def load_split(config: DataConfig, domain: DomainConfig, split: str) -> DetectionDataset:
    """Read a split of a domain, ready to use; warnings are in its `faults`.

    Raises:
        DataError: there is no such split, or it has errors; the first of them are told.
    """
    dataset = read_split(config, domain, split)
    errors = [fault for fault in dataset.faults if fault.severity == "error"]
    if errors:
        told = "\n".join(str(fault) for fault in errors[:SHOWN])
        more = f"\nand {len(errors) - SHOWN} more; `clipgap data check` lists all" if len(errors) > SHOWN else ""
        raise DataError(told + more)
    return dataset


def read_split(config: DataConfig, domain: DomainConfig, split: str) -> DetectionDataset:
    """Read a split of a domain, with all that is wrong with it in the data set's `faults`.

    Raises:
        DataError: nothing can be read at all: no such folder, no such split.
    """
    root = config.folder(domain)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder: correct `root` of domain {domain.name}, or the data file's")
    records, faults = _read(config, domain, root, split)
    dataset = DetectionDataset(records, config.classes, domain.rename, config.keep_empty)
    dataset.faults[:0] = faults
    boxes = sum(len(record.annotations) for record in records)
    if not records:
        dataset.faults.append(Fault(root, f"split {split}", "has no images", "error"))
    elif boxes and sum(dataset.left_out.values()) == boxes:
        own = ", ".join(sorted(dataset.left_out))
        message = f"no box is of one of `classes`; the set's own names are: {own}; map them with `rename`"
        dataset.faults.append(Fault(root, f"split {split}", message, "error"))
    elif not dataset.records:
        message = "no image has boxes, and keep_empty is false"
        dataset.faults.append(Fault(root, f"split {split}", message, "error"))
    return dataset


def shared_images(one: DetectionDataset, other: DetectionDataset) -> list[Path]:
    """The images that are in both, in the order of the first."""
    others = {path_key(record.path) for record in other.records}
    return [record.path for record in one.records if path_key(record.path) in others]


def _read(config: DataConfig, domain: DomainConfig, root: Path, split: str) -> Reading:
    if domain.format == "voc":
        return read_voc(root, split, config.voc_boxes)
    return read_coco(root, split) if domain.format == "coco" else read_yolo(root, split)
