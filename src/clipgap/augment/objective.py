"""Step one's objective: where a crop should land, and how far its features are from it (METHOD, section 3)."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F


def directions(source: Tensor, targets: Tensor) -> Tensor:
    """d_j = unit(q_j - q_s): unit vectors (M, D) from the source's text embedding (D,) to the targets' (M, D)."""
    return F.normalize(targets - source, dim=-1)


def destination(z: Tensor, direction: Tensor) -> Tensor:
    """z*_j = unit(z + d_j): where crops with image embeddings z (N, D) should land."""
    return F.normalize(z + direction, dim=-1)


class Losses(NamedTuple):
    """The two terms of one prompt's objective, scalars."""

    direction: Tensor
    l1: Tensor


def prompt_losses(moved: Tensor, z: Tensor, direction: Tensor) -> Losses:
    """mean(1 - cos(zbar_j, z*_j)) over crops and mean|zbar_j - z| over crops and dimensions.

    Args:
        moved: zbar_j, unit image embeddings (N, D) of the crops' features plus the offset A_j.
        z: unit image embeddings (N, D) of the same crops without it.
        direction: d_j (D,).
    """
    cosine = (moved * destination(z, direction)).sum(-1)
    return Losses((1 - cosine).mean(), (moved - z).abs().mean())
