"""Processes that do one job together, each its share of the images: the result is that of one process.

Whatever is random is drawn by all of them alike for the images of all, and each takes what is for its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from clipgap.errors import ClipgapError, LostError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
LOST = re.compile(r"closed by peer|reset by peer|socket closed|broken pipe|pair closure|remote process", re.I)
"""How gloo and NCCL say that another process is no longer there."""


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

    def main_first(self, make: Callable[[], T]) -> T:
        """What `make` gives in every process, in the main one before the others: they find what it has downloaded."""
        with self.by_main(lambda: nullcontext(make())) as made:
            return cast(T, made) if self.main else make()

    def main_does(self, act: Callable[[], T]) -> T:
        """What the main process alone has made of something; all are told it, and none goes on before."""
        with self.by_main(lambda: nullcontext(act())) as made:
            return cast(T, self.exchange(made)[0])

    @contextmanager
    def by_main(self, opened: Callable[[], AbstractContextManager[T]]) -> Iterator[T | None]:
        """Inside of what the main process alone has opened; what it is refused for, all are, and it alone says so."""
        with ExitStack() as stack:
            entered, refused = None, None
            if self.main:
                try:
                    entered = stack.enter_context(opened())
                except ClipgapError as error:
                    refused = error
            code = self.exchange(refused.exit_code if refused else None)[0]
            if code is not None:
                raise refused or SystemExit(code)
            yield entered

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Around work that all do together.

        Raises:
            LostError: another process has ended.
        """
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not LOST.search(str(error)):
                raise
            raise LostError(f"another of the {self.size} processes has ended; why is for that one to say") from None

    def mean(self, mine: int) -> float:
        """The mean of what every process counted."""
        return mine if self.size == 1 else sum(self.exchange(mine)) / self.size

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Put into every tensor, in place, the mean of what all processes have in it."""
        if self.size == 1:
            return
        from torch import distributed

        for tensor in tensors:
            distributed.all_reduce(tensor)
            tensor /= self.size

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


def speaks() -> bool:
    """Whether this process is the one that prints, before or after they work together: whoever started it says which
    one it is."""
    ranks = (os.environ.get(name) for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"))
    return next((rank for rank in ranks if rank), "0") == "0"
