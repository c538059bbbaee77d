"""Class names that look like slips of the pen, and what was perhaps meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from clipgap.config import DataConfig
from clipgap.data.dataset import DetectionDataset
from clipgap.data.records import Fault, Severity
from clipgap.errors import nearest


def odd_names(config: DataConfig) -> list[Fault]:
    """Warnings about `classes`: names with space at the ends, names that are equal but for case."""
    faults = []
    for number, name in enumerate(config.classes):
        twin = next((other for other in config.classes[:number] if other.casefold() == name.casefold()), None)
        if name != name.strip():
            faults.append(f"{name!r} has space at its ends: write {name.strip()!r}")
        if twin:
            faults.append(f"{twin!r} and {name!r} differ in capitals alone: are they two classes?")
    return [Fault(Path(config.root), "classes", message, "warning") for message in faults]


def absent_classes(dataset: DetectionDataset, roles: Sequence[str]) -> list[tuple[str, Severity]]:
    """Warnings about classes without a box in a split, with the set's own names that come near."""
    counts = dataset.boxes_per_class()
    absent = [name for name, count in counts.items() if not count]
    if not absent or (len(absent) == len(counts) and dataset.left_out):  # the latter is an error of its own
        return []
    named = ", ".join(f"{name}{_meant(name, dataset.left_out)}" for name in absent)
    uses = {
        "train": "trained on, but without a box of {}: nothing can be learnt about these classes",
        "scored": "scored, but without a box of {}: no AP of these classes here",
        "selection": "chooses the weights, but without a box of {}: these classes do not count in the choice",
    }
    said = next(use for role, use in uses.items() if role in roles)
    return [(said.format(named), "warning")]


def _meant(name: str, own: Iterable[str]) -> str:
    """`(did you mean motorcycle?)` where one of the set's own names comes near."""
    near = nearest(name, own, likeness=0.7)
    return f" (did you mean {near!r}? `rename` maps it)" if near else ""
