"""What `clipgap data check` found, for people and for programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clipgap.data.records import Fault
from clipgap.errors import one_line

PLACES = 3
"""Places that a line about many faults of a kind names."""


@dataclass(frozen=True, slots=True)
class SplitReport:
    """What is in one split."""

    domain: str
    split: str
    roles: tuple[str, ...]
    """What it is used for: `train`, `selection`, `scored`."""
    images: int
    empty: int
    """Images without boxes, whether they are kept or not."""
    boxes: dict[str, int]
    """By class, difficult ones and crowds included."""
    difficult: int
    crowd: int
    left_out: dict[str, int]
    """Boxes of other classes, by the set's own names."""
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What is in all splits, and what is wrong with them."""

    splits: tuple[SplitReport, ...]
    general: tuple[Fault, ...] = ()
    """What is wrong with the data file itself."""

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.faults("error")

    def faults(self, severity: str) -> list[Fault]:
        """All faults of a severity."""
        everywhere = [*self.general, *(fault for split in self.splits for fault in split.faults)]
        return [fault for fault in everywhere if fault.severity == severity]

    def to_json(self) -> dict[str, Any]:
        """Plain values: `ok`, and for every split the fields of `SplitReport`, each fault by itself."""
        tree = asdict(self)
        for split in tree["splits"]:
            split["roles"] = list(split["roles"])
            split["faults"] = _plain(split["faults"])
        return {"ok": self.ok, "faults": _plain(tree["general"]), "splits": list(tree["splits"])}

    def render(self) -> RenderableType:
        """Tables and lines for a rich console; many faults of a kind are one line."""
        errors, warnings = self.faults("error"), self.faults("warning")
        lines = [Text(f"error: {line}", style="red") for line in by_kind(errors)]
        lines += [Text(f"warning: {line}", style="yellow") for line in by_kind(warnings)]
        lines.append(Text(f"{_count(errors, 'error')}, {_count(warnings, 'warning')}"))
        return Group(_overview(self.splits), _classes(self.splits), *_left_out(self.splits), *lines)


def by_kind(faults: Iterable[Fault]) -> list[str]:
    """A line for every kind of fault: where there are more than `PLACES` of it, their number and the first places."""
    kinds: dict[str, list[Fault]] = {}
    for fault in faults:
        kinds.setdefault(_kind(fault.message), []).append(fault)
    lines: list[str] = []
    for found in kinds.values():
        if len(found) <= PLACES:
            lines += map(str, found)
        else:
            places = "; ".join(fault.place for fault in found[:PLACES])
            lines.append(f"{len(found)} times: {found[0].message} (first: {places})")
    return lines


def _plain(faults: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**fault, "file": str(fault["file"])} for fault in faults]


def _kind(message: str) -> str:
    """A message without what differs from place to place: names in quotes, paths, numbers."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\S*[\d/\\]\S*|\S+\.\w{2,4}\b", "#", message)


def _count(faults: Sequence[Fault], what: str) -> str:
    return f"{len(faults):,} {what}" + ("" if len(faults) == 1 else "s")


def _overview(splits: Sequence[SplitReport]) -> Table:
    table = Table("domain", "split", "used for", title="Images")
    for heading in ("images", "without boxes", "boxes", "difficult", "crowds", "left out"):
        table.add_column(heading, justify="right")
    for s in splits:
        counts = (s.images, s.empty, sum(s.boxes.values()), s.difficult, s.crowd, sum(s.left_out.values()))
        table.add_row(Text(s.domain), Text(s.split), ", ".join(s.roles), *(f"{count:,}" for count in counts))
    return table


def _classes(splits: Sequence[SplitReport]) -> Table:
    table = Table("class", title="Boxes of every class")
    for split in splits:
        table.add_column(Text(f"{split.domain}\n{split.split}"), justify="right")
    for name in next((split.boxes for split in splits if split.boxes), {}):
        table.add_row(Text(name), *(f"{split.boxes.get(name, 0):,}" for split in splits))
    return table


def _left_out(splits: Sequence[SplitReport]) -> list[Text]:
    lines = []
    for split in filter(lambda one: one.left_out, splits):
        counts = ", ".join(f"{one_line(name)} ({count})" for name, count in split.left_out.items())
        lines.append(Text(f"left out of {split.domain} {split.split}: {counts}"))
    return lines
