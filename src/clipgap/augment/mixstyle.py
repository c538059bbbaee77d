"""MixStyle (Zhou et al., ICLR 2021; METHOD, section 8): an image takes on some of another's channel statistics."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from clipgap.augment.sometimes import Sometimes
from clipgap.augment.statistics import Cells, mean_and_deviation

ALPHA = 0.1
"""Of the Beta distribution that the shares are drawn from, as in the paper."""


class MixStyle(Sometimes):
    """With a probability a batch, every image's channel statistics mixed with those of another image of the batch.

    An image keeps a share lambda ~ Beta(0.1, 0.1) of its own means and deviations. Of several processes each mixes the
    images that it has.
    """

    def move(self, features: Tensor, generator: torch.Generator, cells: Cells | None) -> Tensor:
        """Features (N, C, h, w) -> the same, mixed."""
        count = len(features)
        order = torch.randperm(count, generator=generator)
        random = np.random.default_rng(int(torch.randint(2**63 - 1, (), generator=generator)))
        share = torch.from_numpy(random.beta(ALPHA, ALPHA, (count, 1, 1, 1))).to(features)
        mean, deviation = mean_and_deviation(features, cells)
        new_mean, new_deviation = (share * own + (1 - share) * own[order] for own in (mean, deviation))
        return (features - mean) / deviation * new_deviation + new_mean
