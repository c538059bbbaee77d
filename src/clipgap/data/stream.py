"""An endless, stateless order of training samples: number n is a function of the seed alone.

That makes three things simple: the same seed gives the same run, a run that is resumed at step s sees what it would
have seen, and every process of several knows its share without talking to the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Generic, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from clipgap.data.dataset import DetectionDataset, Sample
from clipgap.processes import leave_signals

T = TypeVar("T")


def generator_for(*key: int) -> torch.Generator:
    """A random generator that depends on the whole key: `generator_for(seed, step)`."""
    return torch.Generator().manual_seed(seed_for(*key))


def seed_for(*key: int) -> int:
    """A 63-bit seed that depends on the whole key."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)


class SampleStream(Dataset[T], Generic[T]):
    """Samples of the steps `first` to `last - 1` of one process, each made by `make(sample, generator)`."""

    def __init__(
        self,
        dataset: DetectionDataset,
        make: Callable[[Sample, torch.Generator], T],
        *,
        seed: int,
        batch_size: int,
        first: int,
        last: int,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.dataset, self.make, self.seed = dataset, make, seed
        self.batch_size, self.first, self.last = batch_size, first, last
        self.rank, self.processes = rank, processes

    def __len__(self) -> int:
        return (self.last - self.first) * self.batch_size

    def __getitem__(self, position: int) -> T:
        if not 0 <= position < len(self):
            raise IndexError(position)
        return self.make(self.dataset[self.index(position)], generator_for(self.seed, 1, self._number(position)))

    def index(self, position: int) -> int:
        """Which of the data set's images the sample at a position is of."""
        epoch, place = divmod(self._number(position), len(self.dataset))
        return int(_order(self.seed, epoch, len(self.dataset))[place])

    def _number(self, position: int) -> int:
        """Its number in the endless order of all processes."""
        step, place = divmod(position, self.batch_size)
        return ((self.first + step) * self.processes + self.rank) * self.batch_size + place

    def batches(self, workers: int, collate: Callable[[list[T]], object], pinned: bool = False) -> Iterator[object]:
        """One collated batch a step, read ahead by `workers` processes.

        Args:
            pinned: put its tensors where a GPU can fetch them while it computes.
        """
        loader: DataLoader[T] = DataLoader(
            self,
            batch_size=self.batch_size,
            num_workers=workers,
            collate_fn=collate,
            worker_init_fn=leave_signals,
            pin_memory=pinned,
        )
        return iter(loader)


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> torch.Tensor:
    return torch.randperm(count, generator=generator_for(seed, 0, epoch))
