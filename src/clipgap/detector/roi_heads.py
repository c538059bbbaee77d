"""RoI heads: torchvision's sampling and matching, detectron2's RoIAlign, losses and filters (METHOD, section 4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.ops import batched_nms, clip_boxes_to_image

from clipgap.clip import RoiPart, TowerSpec
from clipgap.config import AlignConfig, DetectorConfig
from clipgap.detector.heads import BoxPredictor
from clipgap.detector.losses import alignment_losses, detection_losses
from clipgap.detector.neck import from_levels, strides
from clipgap.detector.pieces import sum_of_pieces
from clipgap.detector.roi_align import roi_align
from clipgap.detector.sampler import Sampler
from clipgap.group import ALONE, Group

LossesOfRegions = Callable[[Sequence[Tensor], list[Tensor], slice], tuple[Tensor, ...]]
"""Maps, every image's boxes of a piece, and which of all regions these are -> losses."""
REGIONS_AT_ONCE = 64
"""Regions that go through layer4 together on a CPU: more are no faster, and take more memory."""
ON_A_GPU = 512
"""The same on a GPU, which would wait for the next if they were few. Not measured: none was at hand."""


class DetectionHeads(RoIHeads):  # type: ignore[misc]
    """Regions -> losses in training, detections otherwise; so many `at_once` that memory is bounded.

    `roi: per_region`: layer4 on RoIAlign's regions. RoIAlign is linear, as is the beginning of layer4: this is done on
    the whole map, and RoIAlign after it, which gives the same numbers. `roi: dense`: all of layer4 on the whole map,
    and RoIAlign on what comes out: other numbers, and a tenth of the work. `roi: atrous`: the same, layer4 without its
    stride and dilated instead (`RoiPart.atrous`): cells as small as before it, and four times dense's work in layer4.
    """

    def __init__(
        self, tower: TowerSpec, box_head: RoiPart, box_predictor: BoxPredictor, config: DetectorConfig
    ) -> None:
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
        self.tower, self.sampling_ratio, self.roi = tower, config.roi_sampling_ratio, config.roi
        self.strides = strides(tower, config.neck)
        self.fg_bg_sampler = Sampler(config.box_batch_size_per_image, config.box_positive_fraction)
        self.box_coder = BoxCoder(config.box_reg_weights, math.log(config.box_growth_limit))
        self.finish = type(box_head).finish
        """What layer4 and the pooling do with regions; step two may put it in compiled."""
        self.align: AlignConfig | None = None
        """In training: the second half of every batch are other views of the first, and shall be read alike."""
        self.group: Group = ALONE
        """In training: who has the other images of the batch."""

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
            maps = self.maps(*features.values())
            losses = self._losses(maps, proposals, torch.cat(labels), torch.cat(regression_targets))
            return [], losses | (self._alignment(maps, proposals, labels) if self.align else {})
        return self.chosen(*self.read(self.maps(*features.values()), proposals), proposals, image_shapes), {}

    def read(self, maps: Sequence[Tensor], proposals: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Probabilities (R, K + 1), the background first, and deltas (R, (K + 1) * 4) of proposals on `maps`."""
        pieces = [self.predict(maps, boxes) for boxes in in_pieces(proposals, at_once(maps[0].device))]
        class_logits, box_regression = (torch.cat(part) for part in zip(*pieces, strict=True))
        return class_logits.float().softmax(-1), box_regression

    def chosen(
        self, scores: Tensor, box_regression: Tensor, proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        """torchvision's detections of every image, from what `read` gives."""
        found = self.postprocess_detections(scores, box_regression, proposals, image_shapes)
        keys = ("boxes", "scores", "labels")
        return [dict(zip(keys, one, strict=True)) for one in zip(*found, strict=True)]

    def maps(self, *levels: Tensor) -> tuple[Tensor, ...]:
        """C4 features, or a pyramid's levels -> the maps that RoIAlign takes regions from, level by level: layer4's, or
        what it begins with."""
        box_head: RoiPart = self.box_head
        if self.roi == "per_region":
            return tuple(one for features in levels for one in box_head.begin(features))
        return tuple(map(box_head.dense if self.roi == "dense" else box_head.atrous, levels))

    def predict(self, maps: Sequence[Tensor], boxes: list[Tensor]) -> tuple[Tensor, Tensor]:
        """What the box_predictor says about boxes."""
        count = len(maps) // len(self.strides)
        pools = [
            partial(self._regions, maps[n * count : (n + 1) * count], stride) for n, stride in enumerate(self.strides)
        ]
        regions = pools[0](boxes) if len(pools) == 1 else from_levels(pools, boxes, self.tower.image_size)
        pooled = self.finish(self.box_head, *regions) if self.roi == "per_region" else self.box_head.read(regions[0])
        logits, deltas = self.box_predictor(pooled)
        return logits, deltas

    def _regions(self, maps: Sequence[Tensor], stride: int, boxes: list[Tensor]) -> list[Tensor]:
        """RoIAlign of boxes, of each of a level's maps."""
        tower, size, halved = self.tower, self.tower.roi_size, self.box_head.halved
        if self.roi != "per_region":
            size, halved = size // tower.layer4_stride, (False,)
            stride *= tower.layer4_stride if self.roi == "dense" else 1
        pairs = zip(maps, halved, strict=True)
        return [roi_align(one, boxes, size, stride, self.sampling_ratio, half) for one, half in pairs]

    def _losses(
        self, maps: Sequence[Tensor], proposals: list[Tensor], labels: Tensor, regression_targets: Tensor
    ) -> dict[str, Tensor]:
        """`detection_losses` of all sampled regions."""

        count = self.group.mean(len(labels))

        def losses_of(maps: Sequence[Tensor], boxes: list[Tensor], rows: slice) -> tuple[Tensor, ...]:
            predicted = self.predict(maps, boxes)
            return detection_losses(*predicted, labels[rows], regression_targets[rows], count)

        return dict(zip(("loss_classifier", "loss_box_reg"), self._of_pieces(losses_of, maps, proposals), strict=True))

    def _alignment(self, maps: Sequence[Tensor], proposals: list[Tensor], labels: list[Tensor]) -> dict[str, Tensor]:
        """`alignment_losses` of the first views' regions, pooled from the maps of both views."""
        assert self.align is not None
        weights, half = (self.align.classes, self.align.boxes), len(proposals) // 2
        regions, true = proposals[:half], torch.cat(labels[:half])
        count, positives = self.group.mean(len(true)), self.group.mean(int((true > 0).sum()))

        def losses_of(maps: Sequence[Tensor], boxes: list[Tensor], rows: slice) -> tuple[Tensor, ...]:
            original, view = (
                self.predict([one[part] for one in maps], boxes) for part in (slice(half), slice(half, None))
            )
            losses = alignment_losses(original, view, true[rows], count, positives)
            return tuple(weight * loss for weight, loss in zip(weights, losses, strict=True))

        names = ("loss_align_classes", "loss_align_boxes")
        return dict(zip(names, self._of_pieces(losses_of, maps, regions), strict=True))

    def _of_pieces(self, losses_of: LossesOfRegions, maps: Sequence[Tensor], regions: list[Tensor]) -> Sequence[Tensor]:
        """Losses that are sums over regions, a piece at a time where that gives the same."""
        total = sum(len(boxes) for boxes in regions)
        most = at_once(maps[0].device) if self._can_be_cut() else max(total, 1)
        pieces = list(in_pieces(regions, most))
        if len(pieces) == 1:
            return losses_of(maps, pieces[0], slice(None))
        parts = (self.box_head, self.box_predictor)
        trained = [parameter for part in parts for parameter in part.parameters() if parameter.requires_grad]

        def piece_of(maps: Sequence[Tensor], piece: int) -> tuple[Tensor, ...]:
            return losses_of(maps, pieces[piece], slice(piece * most, (piece + 1) * most))

        return sum_of_pieces(piece_of, len(pieces), maps, trained)

    def _can_be_cut(self) -> bool:
        """Not where regions depend on each other (BatchNorm's batch statistics), nor where losses must be scaled."""
        norms = [part for part in self.box_head.modules() if isinstance(part, nn.BatchNorm2d)]
        statistics = self.roi == "per_region" and any(norm.training for norm in norms)
        half = torch.is_autocast_enabled("cuda") and torch.get_autocast_dtype("cuda") == torch.float16
        return not statistics and not half

    def postprocess_detections(
        self, scores: Tensor, box_regression: Tensor, proposals: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """For every image boxes (D, 4), scores (D,) and labels (D,) from 1, best first.

        Unlike torchvision's it takes probabilities (R, K + 1), not logits.
        """
        counts = [len(boxes) for boxes in proposals]
        boxes = self.box_coder.decode(box_regression.float(), proposals)
        decoded = torch.split(boxes.reshape(*scores.shape, 4), counts)  # torchvision's has no shape without boxes
        scores_of = torch.split(scores, counts)
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


def at_once(device: torch.device) -> int:
    """Regions that go through layer4 together on a device."""
    return REGIONS_AT_ONCE if device.type == "cpu" else ON_A_GPU


def in_pieces(boxes: list[Tensor], most: int) -> Iterator[list[Tensor]]:
    """Every image's boxes (R_i, 4), cut so that no piece has more than `most`; one empty piece if there are none."""
    total = sum(len(one) for one in boxes)
    starts = [sum(len(one) for one in boxes[:i]) for i in range(len(boxes))]
    for first in range(0, max(total, 1), most):
        yield [
            one[max(first - start, 0) : max(first + most - start, 0)] for one, start in zip(boxes, starts, strict=True)
        ]
