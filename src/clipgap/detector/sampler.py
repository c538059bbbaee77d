"""Which anchors and regions are learnt from: torchvision's draw, the same for any number of processes."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler

from clipgap.group import ALONE, Group

Masks = tuple[list[Tensor], list[Tensor]]
"""For every image the positives that were drawn, and the negatives: (A,) uint8 each."""


class Sampler(BalancedPositiveNegativeSampler):  # type: ignore[misc]
    """Up to `positive_fraction` positives and negatives for the rest, drawn for every image of the batch.

    Of several processes each also draws, and drops, what the others draw for their images: one that had all images
    would have drawn it in between.
    """

    group: Group = ALONE

    def __call__(self, matched: list[Tensor]) -> Masks:
        """Labels (A,) of every image, below 0 for what is left out, 0 for negatives -> what was drawn."""
        if self.group.size == 1:
            return self._drawn(matched)
        own = dict(zip(self.group.rows(len(matched)), matched, strict=True))
        counts = self.group.of_all([(int((one >= 1).sum()), int((one == 0).sum())) for one in matched])
        positives, negatives = [], []
        for row, others in enumerate(counts):
            if row in own:
                positive, negative = self._drawn([own[row]])
                positives += positive
                negatives += negative
            else:
                for count in others:
                    torch.randperm(count, device=matched[0].device)
        return positives, negatives

    def _drawn(self, matched: list[Tensor]) -> Masks:
        masks: Masks = super().__call__(matched)
        return masks
