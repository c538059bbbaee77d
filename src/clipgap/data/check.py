"""Look through every split that a data file names and tell all that is wrong, without stopping at the first fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clipgap.config import DataConfig, DomainConfig
from clipgap.data.dataset import KEPT_STORED, DetectionDataset, read_record
from clipgap.data.domains import read_split, shared_images
from clipgap.data.files import reason
from clipgap.data.records import Fault, ImageRecord
from clipgap.errors import DataError

Progress = Callable[[Sequence[ImageRecord], str], Iterable[ImageRecord]]
"""Passes on the images while it shows how far it is, under a title; `rich.progress.track` is one."""


@dataclass(frozen=True, slots=True)
class SplitReport:
    """What is in one split."""

    domain: str
    split: str
    roles: tuple[str, ...]
    """What it is used for: `train`, `selection`, `scored`."""
    images: int
    empty: int
    """Images without boxes, whether they are kept or not."""
    boxes: dict[str, int]
    """By class, difficult ones and crowds included."""
    difficult: int
    crowd: int
    left_out: dict[str, int]
    """Boxes of other classes, by the set's own names."""
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What is in all splits, and what is wrong with them."""

    splits: tuple[SplitReport, ...]

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.faults("error")

    def faults(self, severity: str) -> list[Fault]:
        """All faults of a severity."""
        return [fault for split in self.splits for fault in split.faults if fault.severity == severity]

    def to_json(self) -> dict[str, Any]:
        """Plain values: `ok`, and for every split the fields of `SplitReport`."""
        splits = [asdict(split) for split in self.splits]
        for split in splits:
            split["roles"] = list(split["roles"])
            split["faults"] = [{**fault, "file": str(fault["file"])} for fault in split["faults"]]
        return {"ok": self.ok, "splits": splits}

    def render(self) -> RenderableType:
        """Tables and lines for a rich console."""
        errors, warnings = self.faults("error"), self.faults("warning")
        lines = [Text(f"error: {fault}", style="red") for fault in errors]
        lines += [Text(f"warning: {fault}", style="yellow") for fault in warnings]
        lines.append(Text(f"{len(errors)} errors, {len(warnings)} warnings"))
        return Group(_overview(self.splits), _classes(self.splits), *_left_out(self.splits), *lines)


def check(config: DataConfig, progress: Progress | None = None) -> CheckReport:
    """Read every split that the data file names and open every image.

    Args:
        config: the data file.
        progress: shows how far the images of each split are.
    """
    reports: list[SplitReport] = []
    train: DetectionDataset | None = None
    for domain in config.domains:
        for split, roles in _roles(domain, is_source=domain is config.source).items():
            try:
                dataset = read_split(config, domain, split)
            except DataError as error:
                root = config.folder(domain)
                fault = Fault(root, f"split {split}", reason(error, root), "error")
                reports.append(SplitReport(domain.name, split, roles, 0, 0, {}, 0, 0, {}, (fault,)))
                continue
            faults = [*dataset.faults, *_image_faults(dataset, f"{domain.name} {split}", progress)]
            if "train" in roles:
                train = dataset
                faults += _absent_classes(config, domain, split, dataset)
            if train is not None and roles != ("train",):
                faults += _overlap(config, domain, split, dataset, train, "selection" in roles)
            reports.append(_report(domain, split, roles, dataset, faults))
    return CheckReport(tuple(reports))


def _roles(domain: DomainConfig, is_source: bool) -> dict[str, tuple[str, ...]]:
    """The splits that are used, the one trained on first, and what for."""
    uses = [("scored", domain.scored_split)]
    if is_source:
        uses = [("train", domain.train), ("selection", domain.selection_split), *uses]
    roles: dict[str, tuple[str, ...]] = {}
    for role, split in uses:
        if split is not None:
            roles[split] = (*roles.get(split, ()), role)
    return roles


def _image_faults(dataset: DetectionDataset, title: str, progress: Progress | None) -> Iterable[Fault]:
    for record in progress(dataset.records, title) if progress else dataset.records:
        try:
            _, kept_stored = read_record(record)
        except DataError as error:
            yield Fault(record.path, "", reason(error, record.path), "error")
        else:
            if kept_stored:
                yield Fault(record.path, "", KEPT_STORED, "warning")


def _absent_classes(config: DataConfig, domain: DomainConfig, split: str, dataset: DetectionDataset) -> list[Fault]:
    absent = [name for name, count in dataset.boxes_per_class().items() if not count]
    if not absent:
        return []
    message = f"trained on, but without a box of {', '.join(absent)}: nothing can be learnt about these classes"
    return [Fault(config.folder(domain), f"split {split}", message, "warning")]


def _overlap(
    config: DataConfig,
    domain: DomainConfig,
    split: str,
    dataset: DetectionDataset,
    train: DetectionDataset,
    chosen_on: bool,
) -> list[Fault]:
    shared = shared_images(dataset, train)
    if not shared:
        return []
    message = f"{len(shared)} images are trained on too, for example {shared[0]}: keep them apart"
    return [Fault(config.folder(domain), f"split {split}", message, "error" if chosen_on else "warning")]


def _report(
    domain: DomainConfig, split: str, roles: tuple[str, ...], dataset: DetectionDataset, faults: Sequence[Fault]
) -> SplitReport:
    annotations = [annotation for record in dataset.records for annotation in record.annotations]
    return SplitReport(
        domain=domain.name,
        split=split,
        roles=roles,
        images=len(dataset),
        empty=dataset.empty,
        boxes=dataset.boxes_per_class(),
        difficult=sum(annotation.difficult for annotation in annotations),
        crowd=sum(annotation.crowd for annotation in annotations),
        left_out=dict(dataset.left_out.most_common()),
        faults=tuple(faults),
    )


def _overview(splits: Sequence[SplitReport]) -> Table:
    table = Table("domain", "split", "used for", title="Images")
    for heading in ("images", "without boxes", "boxes", "difficult", "crowds", "left out"):
        table.add_column(heading, justify="right")
    for s in splits:
        counts = (s.images, s.empty, sum(s.boxes.values()), s.difficult, s.crowd, sum(s.left_out.values()))
        table.add_row(Text(s.domain), Text(s.split), ", ".join(s.roles), *(f"{count:,}" for count in counts))
    return table


def _classes(splits: Sequence[SplitReport]) -> Table:
    table = Table("class", title="Boxes of every class")
    for split in splits:
        table.add_column(Text(f"{split.domain}\n{split.split}"), justify="right")
    for name in next((split.boxes for split in splits if split.boxes), {}):
        table.add_row(Text(name), *(f"{split.boxes.get(name, 0):,}" for split in splits))
    return table


def _left_out(splits: Sequence[SplitReport]) -> list[Text]:
    return [
        Text(f"left out of {s.domain} {s.split}: " + ", ".join(f"{name} ({n})" for name, n in s.left_out.items()))
        for s in splits
        if s.left_out
    ]
