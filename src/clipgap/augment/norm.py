"""Normalisation perturbation (Fan et al., ICLR 2023; METHOD, section 8): every channel's statistics shaken."""

from __future__ import annotations

import torch
from torch import Tensor

from clipgap.augment.sometimes import Sometimes
from clipgap.augment.statistics import Cells, mean_and_deviation

DEVIATION = 0.75
"""Of the factors on means and deviations, as in the paper."""


class NormPerturbation(Sometimes):
    """With a probability a batch, every image's channel means and deviations times factors drawn from N(1, 0.75)."""

    def move(self, features: Tensor, generator: torch.Generator, cells: Cells | None) -> Tensor:
        """Features (N, C, h, w) -> the same, shaken."""
        mean, _ = mean_and_deviation(features, cells)
        count, channels = len(features) * self.group.size, features.shape[1]
        factors = 1 + DEVIATION * torch.randn(2, count, channels, 1, 1, generator=generator)
        of_mean, of_deviation = (self.for_own(one) for one in factors.to(features))
        return of_deviation * (features - mean) + of_mean * mean
