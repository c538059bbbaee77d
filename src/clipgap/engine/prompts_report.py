"""What `clipgap prompts check` found, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

SAME = 0.95
"""Cosine above which two directions, or two classes, are called nearly the same."""
SHORT = 0.05
"""|q_j - q_s| below which a target prompt is said to have no direction."""


@dataclass(frozen=True)
class PromptRow:
    """One target prompt."""

    prompt: str
    length: float
    """|q_j - q_s|, from 0 to 2."""
    cosines: list[float]
    """Of its direction unit(q_j - q_s) to every target's, in their order."""
    nearer_to_source: float
    """Percent of whole source images that are nearer to the source prompt than to this one."""


@dataclass(frozen=True)
class ClassRow:
    """One class."""

    name: str
    prompts: list[str]
    """What CLIP reads for it."""
    cosines: list[float]
    """Of its embedding to every class's, in their order."""
    boxes: int
    """Crops of its boxes that were looked at."""
    right: float | None
    """Percent of them that CLIP takes for this class, by the words alone; None without boxes."""
    taken_for: str | None
    """The other class that it takes most of the rest for; None without mistakes."""


@dataclass(frozen=True)
class PromptsReport:
    """How well a CLIP tells words, and images by words, apart."""

    clip: str
    source: str
    """The source prompt."""
    split: str
    """Where crops and images are from."""
    images: int
    """Whole images that were looked at."""
    nearest_to_source: float
    """Percent of them that are nearer to the source prompt than to any target's."""
    prompts: tuple[PromptRow, ...]
    classes: tuple[ClassRow, ...]

    @property
    def accuracy(self) -> float | None:
        """Mean of the classes' `right`."""
        known = [row.right for row in self.classes if row.right is not None]
        return sum(known) / len(known) if known else None

    @property
    def warnings(self) -> list[str]:
        """A line for everything that step one or the classifier can hardly work with."""
        short = [row for row in self.prompts if row.length < SHORT]
        lines = [
            f"target prompt {row.prompt!r} has no direction: |q_j - q_s| is {row.length:.3f}; say it in other words"
            for row in short
        ]
        lines += [
            f"target prompts {one!r} and {other!r} point the same way (cosine {cosine:.2f}): one of them is enough"
            for one, other, cosine in _pairs([row.prompt for row in self.prompts], [r.cosines for r in self.prompts])
        ]
        lines += [
            f"classes {one!r} and {other!r} are nearly the same to CLIP (cosine {cosine:.2f}): try other words "
            "(data.prompts.class_names, class_template)"
            for one, other, cosine in _pairs([row.name for row in self.classes], [r.cosines for r in self.classes])
        ]
        return lines

    def to_json(self) -> dict[str, Any]:
        """Plain values: the fields, `accuracy` and `warnings`."""
        tree = asdict(self)
        rows = {key: list(tree.pop(key)) for key in ("prompts", "classes")}
        return {**tree, "accuracy": self.accuracy, "warnings": self.warnings, **rows}

    def render(self) -> RenderableType:
        """Tables for a rich console; the warnings are not in them."""
        accuracy = "no boxes" if self.accuracy is None else f"right {self.accuracy:.1f} % (mean of the classes)"
        boxes = f"{sum(row.boxes for row in self.classes)} boxes, {accuracy}"
        images = f"{self.images} images, {self.nearest_to_source:.1f} % nearest to {self.source!r}"
        said = Text(f"{self.clip}; {self.split}: {boxes}; {images}")
        return Group(self._prompts_table(), self._classes_table(), said)

    def _prompts_table(self) -> Table:
        table = Table("target prompt", title="Directions from the source prompt", title_justify="left")
        for heading in ("|q_j - q_s|", "cosine", "images nearer to source"):
            table.add_column(heading, justify="right")
        table.add_column("nearest direction")
        names = [row.prompt for row in self.prompts]
        for place, row in enumerate(self.prompts):
            other, cosine = _nearest(place, names, row.cosines)
            table.add_row(Text(row.prompt), f"{row.length:.3f}", cosine, f"{row.nearer_to_source:.1f} %", Text(other))
        return table

    def _classes_table(self) -> Table:
        table = Table("class", title="Classes, and crops of the source's boxes", title_justify="left")
        for heading in ("boxes", "right", "cosine"):
            table.add_column(heading, justify="right")
        table.add_column("nearest class")
        table.add_column("most often taken for")
        names = [row.name for row in self.classes]
        for place, row in enumerate(self.classes):
            other, cosine = _nearest(place, names, row.cosines)
            right = "" if row.right is None else f"{row.right:.1f} %"
            table.add_row(Text(row.name), str(row.boxes), right, cosine, Text(other), Text(row.taken_for or ""))
        return table


def _pairs(names: Sequence[str], cosines: Sequence[Sequence[float]]) -> Iterator[tuple[str, str, float]]:
    """The pairs that are nearly the same."""
    for place, row in enumerate(cosines):
        for other in range(place + 1, len(names)):
            if row[other] > SAME:
                yield names[place], names[other], row[other]


def _nearest(place: int, names: Sequence[str], cosines: Sequence[float]) -> tuple[str, str]:
    """The other name of the highest cosine, and the cosine, in words; both empty where there is no other."""
    others = [(cosine, name) for at, (cosine, name) in enumerate(zip(cosines, names, strict=True)) if at != place]
    cosine, name = max(others, default=(None, ""))
    return name, "" if cosine is None else f"{cosine:.2f}"
