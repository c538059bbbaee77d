"""AP on objects as large as the source's: what is the weather's, what is the camera's."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from clipgap.metrics.sizes import Sized, ap_of

EDGES = torch.tensor([32.0, 64.0, 128.0])
"""Sides between which the shares of two splits are made equal."""
DRAWS = 20


def as_large_as(images: Sequence[Sized], like: Sequence[Sized], classes: Sequence[str], seed: int = 0) -> float | None:
    """AP50 (VOC2007) on objects drawn so that each range of sizes has the share that it has in another split.

    Of every range as many objects count as its share allows, drawn at random; the others neither reward nor punish.
    Detections that are on no object are thinned at the same rate, so that precision means the same as without.

    Returns:
        The mean of `DRAWS` draws; None where a range that the other split has is empty here.
    """
    mine, others = _counts(images), _counts(like)
    rates = torch.where(others > 0, others / mine, 0.0)
    rates = rates / rates.max()
    if not bool(rates.isfinite().all()):
        return None
    generator = torch.Generator().manual_seed(seed)

    def chosen(image: Sized) -> tuple[Tensor, Tensor]:
        boxes, labels = image.target["boxes"], image.target["labels"]
        counts, keeps = (_draw(image.sides(one), rates, generator) for one in (boxes, image.found["boxes"]))
        return counts, keeps | image.hits(boxes, labels)

    drawn = [ap_of(images, classes, chosen) for _ in range(DRAWS)]
    return statistics.mean(one for one in drawn if one is not None)


def _counts(images: Iterable[Sized]) -> Tensor:
    """Objects of every range, float (4,)."""
    sides = torch.cat([image.sides(image.target["boxes"]) for image in images])
    return torch.bucketize(sides, EDGES, right=True).bincount(minlength=len(EDGES) + 1).float()


def _draw(sides: Tensor, rates: Tensor, generator: torch.Generator) -> Tensor:
    """Which of so large things (N,) are taken, each range at its own rate."""
    return torch.rand(len(sides), generator=generator) < rates[torch.bucketize(sides, EDGES, right=True)]
