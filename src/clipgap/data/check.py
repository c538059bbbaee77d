"""Look through every split that a data file names and tell all that is wrong, without stopping at the first fault."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from clipgap.config import DataConfig, DomainConfig, Role
from clipgap.data.check_images import look_at_images
from clipgap.data.check_report import CheckReport, SplitReport
from clipgap.data.class_names import absent_classes, odd_names
from clipgap.data.dataset import DetectionDataset
from clipgap.data.domains import read_pieces, shared_images
from clipgap.data.files import reason
from clipgap.data.records import Fault, ImageRecord
from clipgap.errors import DataError

Progress = Callable[[Sequence[ImageRecord], str], Iterable[ImageRecord]]
"""Passes on the images while it shows how far it is, under a title; `rich.progress.track` is one."""


def check(config: DataConfig, progress: Progress | None = None) -> CheckReport:
    """Read every split that the data file names and open every image.

    Args:
        config: the data file.
        progress: shows how far the images of each split are.
    """
    reports: list[SplitReport] = []
    train: DetectionDataset | None = None
    first = [*odd_names(config), *_without_splits(config)]
    for domain in config.domains:
        for roles in _uses(domain, is_source=domain is config.source):
            report, dataset = _look(config, domain, roles, train, progress)
            train = dataset if "train" in roles else train
            reports.append(report)
    return CheckReport(tuple(reports), tuple(first))


def _without_splits(config: DataConfig) -> list[Fault]:
    """Warnings about domains that lack a split which a verb needs."""
    source, file = config.source, Path(config.root)
    uses: list[tuple[DomainConfig, Role, str]] = [
        (source, "train", "has no `train`: `fit` and `train` need it"),
        (source, "selection", "has no `val` (nor `test`): training keeps the last weights, and nothing is scored"),
        *[(target, "scored", "has no `test` (nor `val`): `evaluate` needs it") for target in config.targets],
    ]
    lacking = [(domain, message) for domain, role, message in uses if not domain.pieces(role)]
    return [Fault(file, f"domain {domain.name}", message, "warning") for domain, message in lacking]


def _uses(domain: DomainConfig, is_source: bool) -> list[tuple[Role, ...]]:
    """The roles of a domain's splits, those of the same splits together; the one trained on first."""
    roles: tuple[Role, ...] = ("train", "selection", "scored") if is_source else ("scored",)
    uses: list[tuple[Role, ...]] = []
    for role in roles:
        same = next((n for n, use in enumerate(uses) if domain.pieces(use[0]) == domain.pieces(role)), None)
        if not domain.pieces(role):
            continue
        if same is None:
            uses.append((role,))
        else:
            uses[same] = (*uses[same], role)
    return uses


def _look(
    config: DataConfig,
    domain: DomainConfig,
    roles: tuple[Role, ...],
    train: DetectionDataset | None,
    progress: Progress | None,
) -> tuple[SplitReport, DetectionDataset | None]:
    root, split = config.folder(domain), str(domain.split_name(roles[0]))
    try:
        dataset = read_pieces(config, domain, domain.pieces(roles[0]), roles == ("train",))
    except DataError as error:
        fault = Fault(root, f"split {split}", reason(error, root), "error")
        return SplitReport(domain.name, split, roles, 0, 0, {}, 0, 0, {}, (fault,)), None
    faults = [*dataset.faults, *_image_faults(dataset, f"{domain.name} {split}", progress)]
    faults += [Fault(root, f"split {split}", *said) for said in absent_classes(dataset, roles)]
    train = dataset if "train" in roles else train
    if train is not None and roles != ("train",):
        faults += _overlap(root, split, dataset, train, "selection" in roles)
    return _report(domain.name, split, roles, dataset, faults), dataset


def _image_faults(dataset: DetectionDataset, title: str, progress: Progress | None) -> Iterable[Fault]:
    shown = progress(dataset.records, title) if progress else dataset.records
    for _, faults in zip(shown, look_at_images(dataset.records), strict=True):
        yield from faults


def _overlap(
    root: Path, split: str, dataset: DetectionDataset, train: DetectionDataset, chosen_on: bool
) -> list[Fault]:
    shared = shared_images(dataset, train)
    if not shared:
        return []
    message = f"{len(shared)} images are trained on too, for example {shared[0]}: keep them apart"
    return [Fault(root, f"split {split}", message, "error" if chosen_on else "warning")]


def _report(
    domain: str, split: str, roles: tuple[str, ...], dataset: DetectionDataset, faults: Sequence[Fault]
) -> SplitReport:
    annotations = [annotation for record in dataset.records for annotation in record.annotations]
    return SplitReport(
        domain=domain,
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
