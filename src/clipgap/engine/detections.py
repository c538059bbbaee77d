"""What a detector finds in the images of a split, image by image, beside the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset

from clipgap.config import DetectionPrecision, ImageConfig
from clipgap.data import Sample, resize, to_bytes
from clipgap.data.dataset import Target
from clipgap.detector import DetectorSpec
from clipgap.group import ALONE, Group
from clipgap.processes import leave_signals

Found = dict[str, Tensor]
"""What is found in an image: `boxes` (N, 4) in its pixels, `labels` (N,) from 1, `scores` (N,)."""


class Scorable(Protocol):
    """What can be scored: a `Detector`, or an exported one."""

    @property
    def classes(self) -> list[str]: ...
    @property
    def spec(self) -> DetectorSpec: ...
    def for_inference(self, precision: DetectionPrecision, proposals: int | None) -> Scorable: ...
    def detect(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Found]: ...


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
    def target(self, index: int, /) -> Target: ...


class _Images(Dataset[Scored]):
    def __init__(self, dataset: Samples, image: ImageConfig) -> None:
        self.dataset, self.image = dataset, image

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Scored:
        sample = self.dataset[index]
        resized = resize(sample, self.image.short_side, self.image.long_side)
        return Scored(to_bytes(resized.image), (sample.image.height, sample.image.width), sample.target)


def detections(
    detector: Scorable, dataset: Samples, batch_size: int, workers: int, group: Group = ALONE, first: int = 0
) -> Iterator[tuple[Found, Target]]:
    """What the detector finds in every image of a split from number `first` on, beside its target, in order.

    Of several processes each takes every n-th batch, and all are told what each has found: the same batches, and so the
    same detections, as one process has.
    """
    begun = first // batch_size  # its images are looked at together again: what is beside one is part of its result
    batches = list(BatchSampler(range(len(dataset)), batch_size, drop_last=False))[begun:]
    loader: DataLoader[Scored] = DataLoader(
        _Images(dataset, detector.spec.image),
        batch_sampler=batches[group.rank :: group.size],
        num_workers=workers,
        collate_fn=list,
        worker_init_fn=leave_signals,
    )
    own = iter(loader)
    left = first - begun * batch_size
    for _ in range(0, len(batches), group.size):
        for theirs in group.exchange(_found(detector, next(own, []))):
            yield from theirs[left:]
            left = 0


def _found(detector: Scorable, batch: list[Scored]) -> list[tuple[Found, Target]]:
    if not batch:
        return []
    found = detector.detect([scored.image for scored in batch], [scored.size for scored in batch])
    return [
        ({key: value.cpu() for key, value in one.items()}, scored.target)
        for one, scored in zip(found, batch, strict=True)
    ]
