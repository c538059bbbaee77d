"""RoI heads: torchvision's sampling and matching, detectron2's RoIAlign, losses and filters (METHOD, section 4)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import batched_nms, clip_boxes_to_image

from clipgap.clip import STRIDE, RoiPart
from clipgap.config import DetectorConfig
from clipgap.detector.heads import BoxPredictor
from clipgap.detector.pieces import sum_of_pieces
from clipgap.detector.roi_align import roi_align

REGIONS_AT_ONCE = 64
"""Regions that go through layer4 together: more are no faster, and take more memory."""


class DetectionHeads(RoIHeads):  # type: ignore[misc]
    """Regions -> losses in training, detections otherwise; `REGIONS_AT_ONCE`, so that memory is bounded.

    `roi: per_region`: layer4 on RoIAlign's regions. RoIAlign is linear, as is the beginning of layer4: this is done on
    the whole map, and RoIAlign after it, which gives the same numbers. `roi: dense`: all of layer4 on the whole map,
    and RoIAlign on what comes out: other numbers, and a tenth of the work. `roi: atrous`: the same, layer4 without its
    stride and dilated instead (`RoiPart.atrous`): cells of 16 pixels, not 32, and four times dense's work in layer4.
    """

    def __init__(self, roi_size: int, box_head: RoiPart, box_predictor: BoxPredictor, config: DetectorConfig) -> None:
        super().__init__(
            None,
            box_head,
            box_predictor,
            config.box_fg_iou_thresh,
            config.box_bg_iou_thresh,
            config.box_batch_size_per_image,
            config.box_positive_fraction,
            config.box_reg_weights,
            config.box_score_thresh,
            config.box_nms_thresh,
            config.box_detections_per_img,
        )
        self.roi_size, self.sampling_ratio, self.roi = roi_size, config.roi_sampling_ratio, config.roi
        self.box_coder = BoxCoder(config.box_reg_weights, math.log(config.box_growth_limit))
        self.finish = type(box_head).finish
        """What layer4 and the pooling do with regions; step two may put it in compiled."""

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """torchvision's contract, without masks and keypoints."""
        if self.training:
            proposals, _, labels, regression_targets = self.select_training_samples(proposals, targets)
            return [], self._losses(features["0"], proposals, torch.cat(labels), torch.cat(regression_targets))
        maps = self.maps(features["0"])
        pieces = [self.predict(maps, boxes) for boxes in in_pieces(proposals, REGIONS_AT_ONCE)]
        class_logits, box_regression = (torch.cat(part) for part in zip(*pieces, strict=True))
        found = self.postprocess_detections(class_logits, box_regression, proposals, image_shapes)
        keys = ("boxes", "scores", "labels")
        return [dict(zip(keys, one, strict=True)) for one in zip(*found, strict=True)], {}

    def maps(self, features: Tensor) -> tuple[Tensor, ...]:
        """C4 features -> the maps that RoIAlign takes regions from: layer4's, or what it begins with."""
        box_head: RoiPart = self.box_head
        if self.roi == "per_region":
            return box_head.begin(features)
        return (box_head.layer4(features) if self.roi == "dense" else box_head.atrous(features),)

    def predict(self, maps: Sequence[Tensor], boxes: list[Tensor]) -> tuple[Tensor, Tensor]:
        """What the box_predictor says about boxes."""
        pool = partial(roi_align, boxes=boxes, sampling_ratio=self.sampling_ratio)
        if self.roi == "per_region":
            pairs = zip(maps, self.box_head.halved, strict=True)
            regions = [pool(one, size=self.roi_size, stride=STRIDE, halved=halved) for one, halved in pairs]
            pooled = self.finish(self.box_head, *regions)
        else:
            stride = 2 * STRIDE if self.roi == "dense" else STRIDE
            pooled = self.box_head.read(pool(maps[0], size=self.roi_size // 2, stride=stride))
        logits, deltas = self.box_predictor(pooled)
        return logits, deltas

    def _losses(
        self, features: Tensor, proposals: list[Tensor], labels: Tensor, regression_targets: Tensor
    ) -> dict[str, Tensor]:
        """`detection_losses` of all sampled regions, a piece at a time where that gives the same."""
        maps = self.maps(features)
        at_once = REGIONS_AT_ONCE if self._can_be_cut() else max(len(labels), 1)
        pieces = list(in_pieces(proposals, at_once))

        def losses_of(maps: Sequence[Tensor], piece: int) -> tuple[Tensor, Tensor]:
            rows = slice(piece * at_once, (piece + 1) * at_once)
            predicted = self.predict(maps, pieces[piece])
            return detection_losses(*predicted, labels[rows], regression_targets[rows], len(labels))

        names = ("loss_classifier", "loss_box_reg")
        if len(pieces) == 1:
            return dict(zip(names, losses_of(maps, 0), strict=True))
        parts = (self.box_head, self.box_predictor)
        trained = [parameter for part in parts for parameter in part.parameters() if parameter.requires_grad]
        return dict(zip(names, sum_of_pieces(losses_of, len(pieces), maps, trained), strict=True))

    def _can_be_cut(self) -> bool:
        """Not where regions depend on each other (BatchNorm's batch statistics), nor where losses must be scaled."""
        norms = [part for part in self.box_head.modules() if isinstance(part, nn.BatchNorm2d)]
        statistics = self.roi == "per_region" and any(norm.training for norm in norms)
        half = torch.is_autocast_enabled("cuda") and torch.get_autocast_dtype("cuda") == torch.float16
        return not statistics and not half

    def postprocess_detections(
        self, class_logits: Tensor, box_regression: Tensor, proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """For every image boxes (D, 4), scores (D,) and labels (D,) from 1, best first."""
        counts = [len(boxes) for boxes in proposals]
        boxes = self.box_coder.decode(box_regression.float(), proposals)
        decoded = torch.split(boxes.reshape(*class_logits.shape, 4), counts)  # torchvision's has no shape without boxes
        scores_of = torch.split(class_logits.float().softmax(-1), counts)
        results = []
        for boxes, scores, shape in zip(decoded, scores_of, image_shapes, strict=True):
            boxes = clip_boxes_to_image(boxes[:, 1:], shape)
            region, label = torch.nonzero(scores[:, 1:] > self.score_thresh, as_tuple=True)
            boxes, scores, labels = boxes[region, label], scores[region, label + 1], label + 1
            keep = torch.isfinite(boxes).all(1)
            boxes, scores, labels = boxes[keep], scores[keep], labels[keep]
            keep = batched_nms(boxes, scores, labels, self.nms_thresh)[: self.detections_per_img]
            results.append((boxes[keep], scores[keep], labels[keep]))
        boxes_list, scores_list, labels_list = (list(column) for column in zip(*results, strict=True))
        return boxes_list, scores_list, labels_list


def detection_losses(
    class_logits: Tensor, box_regression: Tensor, labels: Tensor, regression_targets: Tensor, count: int
) -> tuple[Tensor, Tensor]:
    """Cross entropy, and L1 on the true class's deltas; both sums over these regions, divided by `count`.

    Args:
        class_logits: (R, K + 1), the background first.
        box_regression: (R, (K + 1) * 4).
        labels: (R,), 0 for background.
        regression_targets: (R, 4).
        count: the number of all regions, of which these may be a part.
    """
    foreground = torch.nonzero(labels > 0).squeeze(1)
    deltas = box_regression.reshape(len(labels), -1, 4)[foreground, labels[foreground]]
    box_loss = F.l1_loss(deltas, regression_targets[foreground], reduction="sum")
    return F.cross_entropy(class_logits, labels, reduction="sum") / max(count, 1), box_loss / max(count, 1)


def in_pieces(boxes: list[Tensor], at_once: int) -> Iterator[list[Tensor]]:
    """Every image's boxes (R_i, 4), cut so that no piece has more than `at_once`; one empty piece if there are none."""
    total = sum(len(one) for one in boxes)
    starts = [sum(len(one) for one in boxes[:i]) for i in range(len(boxes))]
    for first in range(0, max(total, 1), at_once):
        yield [
            one[max(first - start, 0) : max(first + at_once - start, 0)]
            for one, start in zip(boxes, starts, strict=True)
        ]
