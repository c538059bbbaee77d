"""RoI heads: torchvision's sampling and matching, detectron2's RoIAlign, losses and filters (METHOD, section 4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import batched_nms, clip_boxes_to_image, roi_align

from clipgap.clip import STRIDE, RoiPart
from clipgap.config import DetectorConfig
from clipgap.detector.heads import BoxPredictor


class AlignedRoIPool(nn.Module):
    """RoIAlign with `aligned=True` and adaptive sampling, which torchvision's MultiScaleRoIAlign cannot do."""

    def __init__(self, size: int, sampling_ratio: int = 0) -> None:
        super().__init__()
        self.size, self.sampling_ratio = size, sampling_ratio

    def forward(
        self, features: dict[str, Tensor], proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> Tensor:
        """C4 features and boxes in pixels -> regions (R, C, size, size)."""
        regions: Tensor = roi_align(
            features["0"], proposals, self.size, 1 / STRIDE, sampling_ratio=self.sampling_ratio, aligned=True
        )
        return regions


class DetectionHeads(RoIHeads):  # type: ignore[misc]
    """Regions -> losses in training, detections otherwise."""

    def __init__(self, roi_size: int, box_head: RoiPart, box_predictor: BoxPredictor, config: DetectorConfig) -> None:
        super().__init__(
            AlignedRoIPool(roi_size, config.roi_sampling_ratio),
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
        self.box_coder = BoxCoder(config.box_reg_weights, math.log(config.box_growth_limit))

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
        regions = self.box_roi_pool(features, proposals, image_shapes)
        class_logits, box_regression = self.box_predictor(self.box_head(regions))
        if self.training:
            return [], detection_losses(class_logits, box_regression, torch.cat(labels), torch.cat(regression_targets))
        found = self.postprocess_detections(class_logits, box_regression, proposals, image_shapes)
        keys = ("boxes", "scores", "labels")
        return [dict(zip(keys, one, strict=True)) for one in zip(*found, strict=True)], {}

    def postprocess_detections(
        self, class_logits: Tensor, box_regression: Tensor, proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """For every image boxes (D, 4), scores (D,) and labels (D,) from 1, best first."""
        counts = [len(boxes) for boxes in proposals]
        decoded = torch.split(self.box_coder.decode(box_regression.float(), proposals), counts)
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
    class_logits: Tensor, box_regression: Tensor, labels: Tensor, regression_targets: Tensor
) -> dict[str, Tensor]:
    """Cross entropy over all sampled regions; L1 on the true class's deltas, over the number of all regions.

    Args:
        class_logits: (R, K + 1), the background first.
        box_regression: (R, (K + 1) * 4).
        labels: (R,), 0 for background.
        regression_targets: (R, 4).
    """
    foreground = torch.nonzero(labels > 0).squeeze(1)
    deltas = box_regression.reshape(len(labels), -1, 4)[foreground, labels[foreground]]
    box_loss = F.l1_loss(deltas, regression_targets[foreground], reduction="sum") / max(len(labels), 1)
    return {"loss_classifier": F.cross_entropy(class_logits, labels), "loss_box_reg": box_loss}
