"""The rows of every study as data: what each sets, on which worlds it is run, and what is compared with what."""

from __future__ import annotations

from dataclasses import dataclass, replace

THREE, FIVE, EIGHT = tuple(range(3)), tuple(range(5)), tuple(range(8))
SEEN = {"validation": "validation on the source", "robust_validation": "validation on the source, corrupted"}
"""What a user can see of a run without a target: keys of metrics.jsonl (the second with `evaluate.select: robust`)."""


@dataclass(frozen=True)
class Row:
    """One kind of training: its name in the table, what it sets, and for how many seeds."""

    title: str
    settings: tuple[str, ...]
    seeds: tuple[int, ...]
    extra: bool = False
    """Not in the main table; done after it."""
    of: str = ""
    """Nothing is trained: the detector of this row, which was kept, is scored with these settings of `evaluate`."""


@dataclass(frozen=True)
class Study:
    """Rows on one kind of data, and what is compared with what."""

    config: str
    rows: dict[str, Row]
    differences: tuple[tuple[str, str], ...]
    """Rows that are compared, seed by seed."""
    gaps: tuple[tuple[str, str, str], ...]
    """Rows, where they start from, and how far one can get: how much of the way do they go?"""
    settings: tuple[str, ...] = ()
    """Every row's, under its own."""
    worlds: tuple[int, ...] = ()
    """A world for every seed, or none where the data are given."""
    scenes: int = 1000
    """Of a world, in the source's training split."""
    held_out: int = 200
    """Of a world, in every other split."""
    world: str = "first"
    """The kind of its worlds (`clipgap world make --kind`)."""
    base: str = "attention"
    """The row that new ones and the bars of the figure are compared with."""
    upper: str = "upper_bound"
    """The row that saw the targets."""
    corruptions: tuple[str, ...] = ()
    """Those of the source's test split that every run is scored under too."""
    severities: tuple[int, ...] = ()
    """Of `corruptions`."""
    sizes: bool = False
    """Whether every run is scored by the size of objects too."""
    choosing: bool = False
    """Whether its worlds are for choosing: rows that are not in its table may be tried there."""

    def with_rows(self, added: dict[str, Row]) -> Study:
        """This study with rows that are not in its table, each compared with its base."""
        differences, gaps = compared_with(added, self.base, self.upper)
        return replace(
            self,
            rows=self.rows | added,
            differences=(*self.differences, *differences),
            gaps=(*self.gaps, *gaps),
        )


def compared_with(
    rows: dict[str, Row], base: str, upper: str
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str, str], ...]]:
    """The differences of every row to a base, and how much of the way from there to the upper bound each goes."""
    differences = tuple((name, base) for name in rows if name != base)
    return differences, tuple((name, base, upper) for name, base in differences if name != upper)
