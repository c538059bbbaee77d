"""What the RoI heads learn by: detection's losses, and the agreement of two views (METHOD, sections 4 and 8)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

Predicted = tuple[Tensor, Tensor]
"""Class logits (R, K + 1), the background first, and deltas (R, (K + 1) * 4) of regions."""


def detection_losses(
    class_logits: Tensor, box_regression: Tensor, labels: Tensor, regression_targets: Tensor, count: float
) -> tuple[Tensor, Tensor]:
    """Cross entropy, and L1 on the true class's deltas; both sums over these regions, divided by `count`.

    Args:
        class_logits: (R, K + 1), the background first.
        box_regression: (R, (K + 1) * 4).
        labels: (R,), 0 for background.
        regression_targets: (R, 4).
        count: the number of all regions, of which these may be a part; with several processes the mean of theirs.
    """
    foreground = torch.nonzero(labels > 0).squeeze(1)
    deltas = box_regression.reshape(len(labels), -1, 4)[foreground, labels[foreground]]
    box_loss = F.l1_loss(deltas, regression_targets[foreground], reduction="sum")
    return F.cross_entropy(class_logits, labels, reduction="sum") / (count or 1), box_loss / (count or 1)


def alignment_losses(
    original: Predicted, view: Predicted, labels: Tensor, count: float, positives: float
) -> tuple[Tensor, Tensor]:
    """DivAlign's losses of the same regions in two views; gradients go to both.

    KL(softmax(view) || softmax(original)), and smooth L1 between the true class's deltas of foreground regions: sums
    over these regions, divided by `count` and by the number of all deltas of `positives`.

    Args:
        original: what the detector says of the image as it is.
        view: what it says of the image changed.
        labels: (R,), 0 for background.
        count: the number of all regions, of which these may be a part; with several processes the mean of theirs.
        positives: of all those in the foreground.
    """
    said, expected = (one[0].log_softmax(-1) for one in (view, original))
    divergence = F.kl_div(expected, said, reduction="sum", log_target=True)
    foreground = torch.nonzero(labels > 0).squeeze(1)
    moved, deltas = (one[1].reshape(len(labels), -1, 4)[foreground, labels[foreground]] for one in (view, original))
    distance = F.smooth_l1_loss(moved, deltas, reduction="sum")
    return divergence / (count or 1), distance / (4 * positives or 1)
