"""What a run has found in every image of its domains, beside the truth: what the report's parts are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clipgap.config import ImageConfig
from clipgap.data import DetectionDataset, load_domains, resize_size
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
    """All domains as the first run of a series sees them, the source first."""

    series: Series
    splits: list[Split]

    @property
    def run(self) -> Scored:
        """Whose it is."""
        return self.series.runs[0]

    @property
    def source(self) -> Split:
        """The domain that was trained on."""
        return self.splits[0]


def evidence_of(series: Series) -> Evidence:
    """Read what the first run of a series has found.

    Raises:
        DataError: its detections could not be kept.
    """
    run = series.runs[0]
    domains = load_domains(run.config.data)
    iou = USUAL_IOU if run.table.metric == "coco" else run.table.iou
    splits = []
    for domain in domains.all:
        dataset = domain.scored
        assert dataset is not None  # it has been scored
        found = run.kept.found(domain.name)
        targets = [dataset.target(index) for index in range(len(dataset))]
        splits.append(Split(domain.name, dataset, found, Outcomes.of(found, targets, domains.classes, iou)))
    return Evidence(series, splits)


def sized(found: Sequence[Found], dataset: DetectionDataset, config: ImageConfig) -> list[Sized]:
    """What was found in every image of a split, in order, beside what is there and how large a detector sees it."""
    images = []
    for index, (one, record) in enumerate(zip(found, dataset.records, strict=True)):
        height, _ = resize_size(record.height, record.width, config.short_side, config.long_side)
        images.append(Sized(one, dataset.target(index), height / record.height))
    return images
