"""A group of processes for tests of one process: it is told what the others have."""

from __future__ import annotations

from typing import Any, TypeVar

from clipgap.group import Group

T = TypeVar("T")


class Told(Group):
    """This process among others, which at every exchange have the same to say.

    Args:
        others: what they have, by rank, this process left out.
        rank: this one's number.
        views: as of `Group`.
    """

    def __init__(self, others: list[Any], rank: int = 0, views: int = 1) -> None:
        super().__init__(rank, len(others) + 1, views)
        object.__setattr__(self, "others", others)

    def exchange(self, mine: T) -> list[T]:
        others: list[T] = self.others  # type: ignore[attr-defined]
        return [*others[: self.rank], mine, *others[self.rank :]]
