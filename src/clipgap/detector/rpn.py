"""The region proposal network: torchvision's, with detectron2's ranking and losses (METHOD, section 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import clip_boxes_to_image, nms

from clipgap.clip import TowerSpec
from clipgap.config import DetectorConfig
from clipgap.detector.anchors import Anchors, LevelAnchors
from clipgap.detector.neck import LEVELS, level_of, strides
from clipgap.detector.sampler import Sampler


class FloatHead(RPNHead):  # type: ignore[misc]
    """torchvision's head on what a tower shows, whose two 1x1 convolutions never run in half precision.

    There boxes would move in steps of pixels, and of RN101's 6000 best logits hardly 200 would differ: which proposals
    are kept would be chance.
    """

    def __init__(self, tower: TowerSpec, anchors: int) -> None:
        super().__init__(tower.rpn_channels, anchors)
        self.shown = tower.shown

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """C4 features -> objectness logits and box deltas."""
        logits, deltas = [], []
        for features in x:
            hidden = self.conv(self.shown(features))
            with torch.autocast(hidden.device.type, enabled=False):
                hidden = hidden.to(self.cls_logits.weight.dtype)
                logits.append(self.cls_logits(hidden))
                deltas.append(self.bbox_pred(hidden))
        return logits, deltas


class LevelHeads(nn.Module):
    """A head for every level of a pyramid; none where it has no anchors."""

    def __init__(self, tower: TowerSpec, anchors: Sequence[int]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(FloatHead(tower, count) if count else nn.Identity() for count in anchors)
        self.anchors = anchors

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Every level's features -> objectness logits and box deltas of those that have anchors."""
        some = [(level, one) for level, one, count in zip(self.levels, x, self.anchors, strict=True) if count]
        pairs = [level([one]) for level, one in some]
        return [logits[0] for logits, _ in pairs], [deltas[0] for _, deltas in pairs]


class ProposalNetwork(RegionProposalNetwork):  # type: ignore[misc]
    """Proposals ranked by logit (a sigmoid ties at 1.0 above about 17); L1 loss; only empty boxes dropped."""

    def __init__(self, tower: TowerSpec, config: DetectorConfig) -> None:
        anchors, head = make_heads(tower, config)
        for parameter in head.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=config.rpn_init_std)
        super().__init__(
            anchors,
            head,
            config.rpn_fg_iou_thresh,
            config.rpn_bg_iou_thresh,
            config.rpn_batch_size_per_image,
            config.rpn_positive_fraction,
            {"training": config.rpn_pre_nms_top_n_train, "testing": config.rpn_pre_nms_top_n_test},
            {"training": config.rpn_post_nms_top_n_train, "testing": config.rpn_post_nms_top_n_test},
            config.rpn_nms_thresh,
        )
        self.fg_bg_sampler = Sampler(config.rpn_batch_size_per_image, config.rpn_positive_fraction)
        self.box_coder = BoxCoder(config.rpn_reg_weights, math.log(config.box_growth_limit))

    def look_at(self, proposals: int) -> None:
        """Keep so many proposals of a picture in detection."""
        self._post_nms_top_n["testing"] = proposals

    def filter_proposals(
        self,
        proposals: Tensor,
        objectness: Tensor,
        image_shapes: list[tuple[int, int]],
        num_anchors_per_level: list[int],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The best proposals of every image, (P, 4) each, and their logits (P,), best first.

        Args:
            proposals: (N, A, 4), decoded, not clipped.
            objectness: logits (N * A, 1).
            image_shapes: (height, width) of every image without its padding.
            num_anchors_per_level: torchvision's; all levels are ranked together.
        """
        objectness = objectness.detach().reshape(len(proposals), -1)
        boxes_of, logits_of = [], []
        for boxes, logits, shape in zip(proposals, objectness, image_shapes, strict=True):
            logits, best = logits.topk(min(self.pre_nms_top_n(), len(logits)))
            boxes = clip_boxes_to_image(boxes[best], shape)
            keep = not_empty(boxes) & torch.isfinite(logits)
            boxes, logits = boxes[keep], logits[keep]
            keep = nms(boxes, logits, self.nms_thresh)[: self.post_nms_top_n()]
            boxes_of.append(boxes[keep])
            logits_of.append(logits[keep])
        return boxes_of, logits_of

    def compute_loss(
        self, objectness: Tensor, pred_bbox_deltas: Tensor, labels: list[Tensor], regression_targets: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Cross entropy and L1, both sums divided by 256 N, however many anchors could be sampled."""
        positive, negative = (torch.cat(sampled) > 0 for sampled in self.fg_bg_sampler(labels))
        sampled = positive | negative
        count = self.fg_bg_sampler.batch_size_per_image * len(labels)
        box_loss = F.l1_loss(pred_bbox_deltas[positive], torch.cat(regression_targets)[positive], reduction="sum")
        objectness_loss = F.binary_cross_entropy_with_logits(
            objectness.flatten()[sampled], torch.cat(labels)[sampled], reduction="sum"
        )
        return objectness_loss / count, box_loss / count


def make_heads(tower: TowerSpec, config: DetectorConfig) -> tuple[nn.Module, nn.Module]:
    """Anchors and head of the one map, or of a pyramid's levels, where each has the anchors of its size."""
    if config.neck == "none":
        anchors = Anchors(config.anchor_sizes, config.anchor_ratios, tower.stride)
        return anchors, FloatHead(tower, *anchors.num_anchors_per_location())
    at = level_of(torch.tensor(config.anchor_sizes, dtype=torch.float32), tower.image_size).tolist()
    sizes = [[size for size, level in zip(config.anchor_sizes, at, strict=True) if level == n] for n in range(LEVELS)]
    each = zip(sizes, strides(tower, config.neck), strict=True)
    levels = LevelAnchors([Anchors(own, config.anchor_ratios, stride) for own, stride in each])
    return levels, LevelHeads(tower, levels.num_anchors_per_location())


def not_empty(boxes: Tensor) -> Tensor:
    """Which boxes (N, 4) have an area and finite corners (N,)."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return (sides > 0).all(1) & torch.isfinite(boxes).all(1)
