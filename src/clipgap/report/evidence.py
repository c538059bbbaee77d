"""What a run has found in every image of its domains, beside the truth: what the report's parts are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipgap.config import ImageConfig
from clipgap.data import DetectionDataset, resize_size
from clipgap.engine.detections import Found
from clipgap.metrics.outcomes import Outcomes
from clipgap.metrics.sizes import Sized
from clipgap.report.series import Scored, Series

USUAL_IOU = 0.5
"""Above which a detection is right where the metric has no IoU of its own (COCO's)."""


@dataclass(frozen=True)
class Split:
    """One domain as one run sees it."""

    name: str
    dataset: DetectionDataset
    found: list[Found]
    """Of every image."""
    outcomes: Outcomes


@dataclass(frozen=True)
class Evidence:
    """All domains as one run of a series sees them, the source first."""

    letter: str
    """The series'."""
    run: Scored
    splits: list[Split]

    @property
    def source(self) -> Split:
        """The domain that was trained on."""
        return self.splits[0]


def evidence_of(series: Series[Scored], run: Scored) -> Evidence:
    """Read what a run of a series has found.

    Raises:
        DataError: its detections could not be kept.
    """
    iou = USUAL_IOU if run.table.metric == "coco" else run.table.iou
    splits = []
    for domain in run.table.domains:
        dataset, found = run.kept.found(domain.name)
        targets = [dataset.target(index) for index in range(len(dataset))]
        splits.append(Split(domain.name, dataset, found, Outcomes.of(found, targets, dataset.classes, iou)))
    return Evidence(series.letter, run, splits)


def runs_to_look_at(series: Sequence[Series[Scored]]) -> list[Scored]:
    """A run of every series: of the first seed that all have, so that they are of the same images; else the first."""
    seeds = [seed for seed in series[0].seeds if seed is not None and all(seed in one.seeds for one in series)]
    return [next((run for run in one.runs if seeds and run.seed == seeds[0]), one.runs[0]) for one in series]


def sized(found: Sequence[Found], dataset: DetectionDataset, config: ImageConfig) -> list[Sized]:
    """What was found in every image of a split, in order, beside what is there and how large a detector sees it."""
    images = []
    for index, (one, record) in enumerate(zip(found, dataset.records, strict=True)):
        height, _ = resize_size(record.height, record.width, config.short_side, config.long_side)
        images.append(Sized(one, dataset.target(index), height / record.height))
    return images
