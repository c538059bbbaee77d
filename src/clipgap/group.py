"""Processes that do one job together, each its share of the images: the result is that of one process.

Whatever is random is drawn by all of them alike for the images of all, and each takes what is for its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """A process among those that work on one job; by default it is alone.

    Args:
        rank: its number, from 0; process 0 is the main one, which writes and prints.
        size: how many there are.
        views: of every image in a batch: first views first.
    """

    rank: int = 0
    size: int = 1
    views: int = 1

    @property
    def main(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def exchange(self, mine: T) -> list[T]:
        """What every process has, by rank. All must call it: it waits for the last one."""
        if self.size == 1:
            return [mine]
        from torch import distributed

        everybody: list[T | None] = [None] * self.size
        distributed.all_gather_object(everybody, mine)
        return cast(list[T], everybody)

    def mean(self, mine: int) -> float:
        """The mean of what every process counted."""
        return mine if self.size == 1 else sum(self.exchange(mine)) / self.size

    def rows(self, count: int) -> list[int]:
        """Where the `count` images of this process's batch are in the batch of one process that has all."""
        each = count // self.views
        return [(view * self.size + self.rank) * each + place for view in range(self.views) for place in range(each)]

    def of_all(self, mine: list[T]) -> list[T]:
        """From something of every image of this process's batch to that of the batch of all."""
        everybody = self.exchange(mine)
        rows = [row for rank in range(self.size) for row in Group(rank, self.size, self.views).rows(len(mine))]
        told = [one for theirs in everybody for one in theirs]
        return [one for _, one in sorted(zip(rows, told, strict=True), key=lambda pair: pair[0])]


ALONE = Group()
