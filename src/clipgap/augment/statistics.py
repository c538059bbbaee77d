"""Every channel's mean and deviation over an image's own cells: what levers of features change."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Cells = Sequence[tuple[int, int]]
"""(rows, columns) of every image of a batch without its padding."""


def spatial_mean(features: Tensor, cells: Cells | None = None) -> Tensor:
    """The means (N, C, 1, 1) of features (N, C, h, w), over `cells`, or the whole map where they are None."""
    if cells is None:
        return features.mean((2, 3), keepdim=True)
    return torch.stack([one.mean((1, 2), keepdim=True) for one in _own(features, cells)])


def mean_and_deviation(features: Tensor, cells: Cells | None = None) -> tuple[Tensor, Tensor]:
    """The same, and the deviations (N, C, 1, 1), never less than 1e-3."""
    mean = spatial_mean(features, cells)
    variance = spatial_mean((features - mean).square(), cells)
    return mean, (variance + 1e-6).sqrt()


def _own(features: Tensor, cells: Cells) -> list[Tensor]:
    return [one[:, :rows, :columns] for one, (rows, columns) in zip(features, cells, strict=True)]
