"""CLIP's contrast where several captions of a batch are right for a picture (UniCL, CVPR 2022)."""

from __future__ import annotations

from torch import Tensor


def contrast(images: Tensor, texts: Tensor, scale: Tensor, true: Tensor, clear: Tensor) -> Tensor:
    """CLIP's symmetric contrast with several right answers.

    Args:
        images: unit embeddings (B, D).
        texts: unit embeddings (B, D).
        scale: factor on the cosine.
        true: (B, B), whether caption j is true of image i; who has no right answer does not count.
        clear: (B, B), false where it is neither right nor wrong: such pairs are left out.
    """
    logits = (scale * images @ texts.T).masked_fill(~clear, float("-inf"))
    weights = true.to(logits.dtype)
    by_image = (
        -(weights / weights.sum(1, keepdim=True).clamp(min=1) * logits.log_softmax(1).masked_fill(~true, 0))
        .sum(1)
        .mean()
    )
    by_text = (
        -(weights / weights.sum(0, keepdim=True).clamp(min=1) * logits.log_softmax(0).masked_fill(~true, 0))
        .sum(0)
        .mean()
    )
    return (by_image + by_text) / 2
