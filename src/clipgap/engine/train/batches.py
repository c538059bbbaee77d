"""From samples of the source to batches: resized, mirrored, changed by the image-level levers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import cast

import torch
from torch import Tensor

from clipgap.config import ImageConfig, RunConfig
from clipgap.data import DetectionDataset, Sample, resize, to_bytes
from clipgap.data import flip as flip_sample
from clipgap.data.stream import SampleStream, generator_for
from clipgap.diversify import Diversifier, make_diversifier

Batch = tuple[list[Tensor], list[dict[str, Tensor]]]


Example = tuple[list[Tensor], dict[str, Tensor]]
"""The views of an image, (3, H, W) uint8 each, and torchvision's target of all of them."""


@dataclass(frozen=True)
class MakeExample:
    """One training example: resized, perhaps flipped, without crowd regions; as it is, changed, or both."""

    image: ImageConfig
    flip: float
    diversify: Diversifier | None = None
    views: int = 1

    def __call__(self, sample: Sample, generator: torch.Generator) -> Example:
        """A sample -> its views and target."""
        sample = resize(sample, self.image.short_side, self.image.long_side)
        if float(torch.rand((), generator=generator)) < self.flip:
            sample = flip_sample(sample)
        single = ~sample.target["iscrowd"]
        target = {"boxes": sample.target["boxes"][single], "labels": sample.target["labels"][single]}
        pictures = [sample.image] * self.views
        if self.diversify:
            pictures[-1] = self.diversify(sample.image, sample.target["boxes"], generator)
        return [to_bytes(picture) for picture in pictures], target


def training_batches(
    dataset: DetectionDataset,
    config: RunConfig,
    first: int,
    rank: int = 0,
    processes: int = 1,
    pinned: bool = False,
) -> Iterator[Batch]:
    """The batches of the steps from `first` on, of one process; with two views the second ones come last.

    `pinned`: see `SampleStream.batches`.

    Raises:
        ConfigError: a lever of `diversify.kinds` that cannot be made.
    """
    stream = _stream(dataset, config, first, rank, processes)
    return cast(Iterator[Batch], stream.batches(config.run.workers, collate, pinned))


def images_of_step(dataset: DetectionDataset, config: RunConfig, step: int, processes: int = 1) -> list[str]:
    """The files that all processes read for a step."""
    streams = [_stream(dataset, config, step, rank, processes) for rank in range(processes)]
    return [str(dataset.records[stream.index(i)].path) for stream in streams for i in range(stream.batch_size)]


def _stream(
    dataset: DetectionDataset, config: RunConfig, first: int, rank: int, processes: int
) -> SampleStream[Example]:
    return SampleStream(
        dataset,
        MakeExample(config.image, config.train.flip, make_diversifier(config.diversify), config.diversify.views),
        seed=config.run.seed,
        batch_size=config.train.batch_size,
        first=first,
        last=config.train.steps,
        rank=rank,
        processes=processes,
    )


def try_levers(dataset: DetectionDataset, config: RunConfig) -> None:
    """Change an image by every one of `diversify.kinds`, so that a lever that fails is told before a run is begun.

    Raises:
        ConfigError: it cannot be made, or fails.
        DataError: the image cannot be read.
    """
    if not config.diversify.kinds:
        return
    sample = dataset[0]
    for kind in config.diversify.kinds:
        alone = config.diversify.model_copy(update={"kinds": [kind], "probability": 1.0})
        make = MakeExample(config.image, 0.0, make_diversifier(alone))
        make(sample, generator_for(config.run.seed, 1, 0))


def settling_batches(dataset: DetectionDataset, config: RunConfig) -> Iterator[Batch]:
    """The run's first batches, as many as `average.batch_norm_steps`, read in this process."""
    steps = min(config.average.batch_norm_steps, config.train.steps)
    alone = config.run.model_copy(update={"workers": 0})
    return islice(training_batches(dataset, config.model_copy(update={"run": alone}), 0), steps)


def collate(examples: list[Example]) -> Batch:
    """One batch of examples: all first views, then all second ones, each with its image's target."""
    views = len(examples[0][0])
    images = [pictures[view] for view in range(views) for pictures, _ in examples]
    return images, [target for _, target in examples] * views
