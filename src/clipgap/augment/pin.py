"""Prompt-driven instance normalisation (PODA, Fahes et al., ICCV 2023; METHOD, section 8): styles that words gave."""

from __future__ import annotations

import torch
from torch import Tensor

from clipgap.augment.sometimes import Sometimes
from clipgap.augment.statistics import Cells, mean_and_deviation


def restyle(features: Tensor, mean: Tensor, deviation: Tensor, cells: Cells | None = None) -> Tensor:
    """Features (N, C, h, w) with channel statistics (N, C, 1, 1) in place of their own (PODA, equation 3)."""
    own_mean, own_deviation = mean_and_deviation(features, cells)
    return (features - own_mean) / own_deviation * deviation + mean


class StyleBank(Sometimes):
    """With a probability a batch, every image in a style drawn from a bank: means and deviations (B, C)."""

    def __init__(self, means: Tensor, deviations: Tensor, probability: float) -> None:
        super().__init__(probability)
        self.means: Tensor
        self.deviations: Tensor
        self.register_buffer("means", means)
        self.register_buffer("deviations", deviations)

    def move(self, features: Tensor, generator: torch.Generator, cells: Cells | None) -> Tensor:
        """Features (N, C, h, w) -> the same, restyled."""
        everyone = torch.randint(len(self.means), (len(features) * self.group.size,), generator=generator)
        drawn = self.for_own(everyone).to(self.means.device)
        mean, deviation = (bank[drawn, :, None, None].to(features.dtype) for bank in (self.means, self.deviations))
        return restyle(features, mean, deviation, cells)
