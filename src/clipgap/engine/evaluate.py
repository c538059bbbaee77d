"""Score a detector on every domain (METHOD, section 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset

from clipgap.config import DetectionPrecision, EvaluateConfig, ImageConfig, RunConfig
from clipgap.data import Domains, Sample, load_domains, resize, to_tensor
from clipgap.data.dataset import Target
from clipgap.detector import Detector, DetectorSpec
from clipgap.engine.progress import Report, progress_bar
from clipgap.engine.run_folder import RunFolder
from clipgap.engine.runtime import Place, take_place, tell_warnings
from clipgap.errors import ConfigError, DataError
from clipgap.group import ALONE, Group
from clipgap.metrics import DomainScore, Result, Role, ScoreTable, make_metric
from clipgap.processes import leave_signals


class Scorable(Protocol):
    """What can be scored: a `Detector`, or an exported one."""

    @property
    def classes(self) -> list[str]: ...
    @property
    def spec(self) -> DetectorSpec: ...
    def for_inference(self, precision: DetectionPrecision) -> Scorable: ...
    def detect(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[dict[str, Tensor]]: ...


@dataclass(frozen=True)
class Scored:
    """One image as the detector takes it, the original's (height, width), and its target in the original's pixels."""

    image: Tensor
    size: tuple[int, int]
    target: Target


class Samples(Protocol):
    """What can be scored on: a `DetectionDataset`, or one that is changed on the way."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Sample: ...


class _Images(Dataset[Scored]):
    def __init__(self, dataset: Samples, image: ImageConfig) -> None:
        self.dataset, self.image = dataset, image

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Scored:
        sample = self.dataset[index]
        resized = resize(sample, self.image.short_side, self.image.long_side)
        return Scored(to_tensor(resized.image), (sample.image.height, sample.image.width), sample.target)


def evaluate(
    detector: Scorable,
    domains: Domains,
    config: EvaluateConfig | None = None,
    *,
    workers: int = 0,
    notes: list[str] | None = None,
    show: bool = True,
    group: Group = ALONE,
) -> ScoreTable:
    """Score a detector on the source and on every target domain, each by its own metric where it names one; all
    processes of a group do it together.

    Raises:
        DataError: a domain names no split to score, or its data have faults.
        ConfigError: the domains' metrics do not go into one table.
    """
    config, show = config or EvaluateConfig(), show and group.main
    try:
        config.require_one_table({domain.name: domain.metric for domain in domains.all})
    except ValueError as error:
        raise ConfigError(str(error)) from None
    require_same_classes(detector, domains)
    splits = [(domain, domain.scored) for domain in domains.all]  # all read before the first is scored
    scores = []
    for domain, scored in splits:
        if scored is None:
            raise DataError(f"domain {domain.name}: no split to score; give `test` (or `val`) in the data file")
    for domain, scored in splits:
        assert scored is not None
        if show:
            tell_warnings(domain.name, scored)
        role: Role = "source" if domain is domains.source else "target"
        own = config.by(domain.metric)
        result = score_split(detector, scored, own, domain.name, workers=workers, show=show, group=group)
        scores.append(DomainScore(domain.name, role, result, own.metric))
    return ScoreTable(config.metric, config.iou, scores, detector.spec.description, notes or [], config.scoring)


def evaluate_run(
    run: Path | Scorable, config: RunConfig, *, show: bool = True, place: Place | None = None
) -> ScoreTable:
    """Score the detector of a run folder, of any Detector folder, or one that is loaded, on a config's domains.

    Args:
        run: the folder or the detector.
        config: its `data`, `evaluate` and `run` count.
        show: progress bars.
        place: `take_place` of its `run` gives it, for who asks which process is the main one.

    Raises:
        DataError, ConfigError: as `evaluate`.
        LostError: another process has ended.
    """
    place = place or take_place(config.run)
    group, workers = place.group, config.run.workers
    with group.kept():
        detector, notes = load_scorable(run, place.device)
        domains = load_domains(config.data)
        return evaluate(detector, domains, config.evaluate, workers=workers, notes=notes, show=show, group=group)


def load_scorable(run: Path | Scorable, device: torch.device) -> tuple[Scorable, list[str]]:
    """The detector of a folder, or the one that is loaded, and what a table of its scores must say of it."""
    if not isinstance(run, Path):
        return run, []
    notes = [selection_note(RunFolder(run).config())] if RunFolder(run).config_file.is_file() else []
    return Detector.load(run, device), notes


def require_same_classes(detector: Scorable, domains: Domains) -> None:
    """Make sure that a detector looks for what the data file's boxes are of.

    Raises:
        DataError: it does not.
    """
    if tuple(domains.classes) != tuple(detector.classes):
        raise DataError(
            f"the detector's classes are {', '.join(detector.classes)}; the data file's are "
            f"{', '.join(domains.classes)}: they must be the same, in the same order"
        )


def selection_note(config: RunConfig) -> str:
    """On what the weights were chosen; a score on the same images flatters."""
    source = config.data.source
    if source.selection_split is None:
        return "weights: of the last step"
    note = f"weights chosen on {source.name}/{source.selection_split}"
    rule = config.evaluate
    if rule.select == "robust":
        note += f" under corruption (severity {rule.select_severity}: {', '.join(rule.select_corruptions)})"
    return (
        f"{note}, which is also what {source.name} is scored on"
        if source.scored_split == source.selection_split
        else note
    )


def score_split(
    detector: Scorable,
    dataset: Samples,
    config: EvaluateConfig,
    title: str,
    *,
    workers: int = 0,
    show: bool = True,
    group: Group = ALONE,
) -> Result:
    """Score a detector on one split."""
    with progress_bar(f"score {title}", len(dataset), show=show) as report:
        return score_images(detector, dataset, config, workers, report, group)


def score_images(
    detector: Scorable, dataset: Samples, config: EvaluateConfig, workers: int, report: Report, group: Group = ALONE
) -> Result:
    """Score a detector on images, and report every one; all processes of a group do it together."""
    metric, faster = make_metric(config, detector.classes), detector.for_inference(config.precision)
    for found, target in detections(faster, dataset, config.batch_size, workers, group):
        metric.update([found], [target])
        report()
    return metric.compute()


def detections(
    detector: Scorable, dataset: Samples, batch_size: int, workers: int, group: Group = ALONE
) -> Iterator[tuple[dict[str, Tensor], Target]]:
    """What the detector finds in every image of a split, beside its target, in order.

    Of several processes each takes every n-th batch, and all are told what each has found: the same batches, and so the
    same detections, as one process has.
    """
    batches = list(BatchSampler(range(len(dataset)), batch_size, drop_last=False))
    loader: DataLoader[Scored] = DataLoader(
        _Images(dataset, detector.spec.image),
        batch_sampler=batches[group.rank :: group.size],
        num_workers=workers,
        collate_fn=list,
        worker_init_fn=leave_signals,
    )
    own = iter(loader)
    for _ in range(0, len(batches), group.size):
        for theirs in group.exchange(_found(detector, next(own, []))):
            yield from theirs


def _found(detector: Scorable, batch: list[Scored]) -> list[tuple[dict[str, Tensor], Target]]:
    if not batch:
        return []
    found = detector.detect([scored.image for scored in batch], [scored.size for scored in batch])
    return [
        ({key: value.cpu() for key, value in one.items()}, scored.target)
        for one, scored in zip(found, batch, strict=True)
    ]
