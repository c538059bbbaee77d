"""Levers that act on a batch or leave it alone: one coin, thrown before anything else is drawn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clipgap.augment.statistics import Cells


class Sometimes(nn.Module):
    """A `FeatureLever` that moves a batch's features with a probability; how is for who derives from it to say."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, features: Tensor, generator: torch.Generator, cells: Cells | None = None) -> Tensor:
        """Features (N, C, h, w) -> the same, moved or not; `generator` is the CPU's."""
        if float(torch.rand((), generator=generator)) >= self.probability:
            return features
        return self.move(features, generator, cells)

    def move(self, features: Tensor, generator: torch.Generator, cells: Cells | None) -> Tensor:
        """Features (N, C, h, w), moved."""
        raise NotImplementedError
