"""Step two and inference as a plain C4 detector does them: the yardstick for ours, and what tests hold ours to.

torchvision's RoIAlign, layer4 on all regions at once, and OpenAI's attention pooling (one query, all keys and values
projected). Everything else, proposals and sampling included, is the shipped detector's.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import roi_align

from benchmarks.plain_fit import openai_attention_pool
from clipgap.clip import AttentionPool
from clipgap.detector import Detector
from clipgap.detector.roi_heads import DetectionHeads


class PlainHeads(DetectionHeads):
    """The shipped RoI heads' contract, done the plain way; made from them by `make_plain`."""

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        if self.training:
            proposals, _, labels, regression_targets = self.select_training_samples(proposals, targets)
        size, scale = self.tower.roi_size, 1 / self.tower.stride
        regions = roi_align(features["0"], proposals, size, scale, self.sampling_ratio, aligned=True)
        out = self.box_head.layer4(regions)
        pool = self.box_head.pool
        embeddings = openai_attention_pool(pool, out) if isinstance(pool, AttentionPool) else pool(out)
        class_logits, box_regression = self.box_predictor((embeddings, out.mean((2, 3))))
        if self.training:
            label, target = torch.cat(labels), torch.cat(regression_targets)
            foreground = torch.nonzero(label > 0).squeeze(1)
            deltas = box_regression.reshape(len(label), -1, 4)[foreground, label[foreground]]
            box_loss = F.l1_loss(deltas, target[foreground], reduction="sum") / max(len(label), 1)
            return [], {"loss_classifier": F.cross_entropy(class_logits, label), "loss_box_reg": box_loss}
        return self.chosen(class_logits.softmax(-1), box_regression, proposals, image_shapes), {}


def make_plain(detector: Detector) -> Detector:
    """The same detector, weights and all, with plain RoI heads."""
    detector.roi_heads.__class__ = PlainHeads
    return detector
