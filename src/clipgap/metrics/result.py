"""What a metric says about one set of images."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """Figures in 0-100; None where there is nothing to find."""

    figures: dict[str, float | None]
    """Means over classes, the headline first: `ap50`, or COCO's twelve from `ap` on."""
    per_class: dict[str, float | None]
    """The headline figure for every class."""
    images: int
    boxes: int
    """Boxes that should be found: not difficult ones, not crowds."""

    @property
    def headline(self) -> float | None:
        """The figure that stands for all."""
        return next(iter(self.figures.values()))
