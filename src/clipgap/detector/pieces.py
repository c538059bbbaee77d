"""Losses that are sums over regions, computed a piece at a time: memory for one piece, nothing computed twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

LossesOf = Callable[[Sequence[Tensor], int], tuple[Tensor, ...]]


def sum_of_pieces(losses_of: LossesOf, pieces: int, maps: Sequence[Tensor], trained: Sequence[Tensor]) -> list[Tensor]:
    """The losses of all pieces added up, with gradients to `maps` and `trained`.

    Each piece's gradient is taken as soon as its losses are there, so that its activations can go; the backward pass
    only hands out what has been gathered. Hence the losses can be summed, and scaled together, but not weighted
    differently.

    Args:
        losses_of: maps and the number of a piece -> its losses, scalars.
        pieces: how many there are.
        maps: what the pieces share and were computed from others.
        trained: the parameters that `losses_of` uses.
    """
    return list(_SumOfPieces.apply(losses_of, pieces, len(maps), *maps, *trained))


class _SumOfPieces(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, losses_of: LossesOf, pieces: int, maps: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        shared = [one.detach().requires_grad_(one.requires_grad) for one in tensors[:maps]]
        inputs = [*shared, *tensors[maps:]]
        wanted = [i for i, one in enumerate(inputs) if one.requires_grad]
        gradients: list[Tensor | None] = [None] * len(inputs)
        totals: list[Tensor] = []
        for piece in range(pieces):
            with torch.enable_grad():
                losses = losses_of(shared, piece)
                learnt = [loss for loss in losses if loss.requires_grad]  # none where all that it uses is frozen
                found = torch.autograd.grad(learnt, [inputs[i] for i in wanted], allow_unused=True)
            for i, gradient in zip(wanted, found, strict=True):
                if gradient is not None:
                    known = gradients[i]
                    gradients[i] = gradient if known is None else known + gradient
            values = [loss.detach() for loss in losses]
            totals = [total + value for total, value in zip(totals, values, strict=True)] if totals else values
        ctx.gradients = gradients
        return tuple(totals)

    @staticmethod
    def backward(ctx: Any, *scales: Tensor) -> tuple[Tensor | None, ...]:
        if any(not torch.equal(scale, scales[0]) for scale in scales[1:]):
            raise RuntimeError("the RoI heads' losses were weighted differently; they can only be summed")
        gradients = [None if one is None else one * scales[0] for one in ctx.gradients]
        ctx.gradients = None
        return None, None, None, *gradients
