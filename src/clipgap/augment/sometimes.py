"""Levers that act on a batch or leave it alone: one coin, thrown before anything else is drawn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clipgap.augment.statistics import Cells
from clipgap.group import ALONE, Group


class Sometimes(nn.Module):
    """A `FeatureLever` that moves a batch's features with a probability; how is for who derives from it to say."""

    group: Group = ALONE
    """Who has the other images of the batch: what is drawn for every image is drawn for theirs too."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, features: Tensor, generator: torch.Generator, cells: Cells | None = None) -> Tensor:
        """Features (N, C, h, w) -> the same, moved or not; `generator` is the CPU's."""
        if float(torch.rand((), generator=generator)) >= self.probability:
            return features
        return self.move(features, generator, cells)

    def for_own(self, drawn: Tensor) -> Tensor:
        """The rows (N, ...) of this process's images, of what was drawn for those of all (N * `group.size`, ...)."""
        return drawn if self.group.size == 1 else drawn[self.group.rows(len(drawn) // self.group.size)]

    def move(self, features: Tensor, generator: torch.Generator, cells: Cells | None) -> Tensor:
        """Features (N, C, h, w), moved."""
        raise NotImplementedError
