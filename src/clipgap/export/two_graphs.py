"""A Detector as two graphs, and what runs them: what `Detector` does between its networks, in numpy and OpenCV.

    features.onnx   image (3, H, W) in [0, 1] -> objectness (h, w, A), deltas (h * w * A, 4), maps for the regions
    regions.onnx    boxes (R, 4) xyxy in the resized image, maps -> scores (R, K + 1), deltas (R, (K + 1) * 4)

Two, because between them proposals are chosen and regions go in pieces, so that memory is bounded. H, W and R are free.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from clipgap.config import DetectorConfig
from clipgap.detector import Detector, DetectorSpec
from clipgap.export.form import Array, Found
from clipgap.export.tracing import difference, session_of, write_graph

FEATURES_FILE, REGIONS_FILE = "features.onnx", "regions.onnx"
BOXES = [[8.0, 8, 120, 100], [50, 30, 300, 200], [0, 0, 60, 60]]
"""Of the regions that are traced."""
REGIONS_AT_ONCE = 64
"""Regions of one call of the second graph: bounds the memory."""


class _Features(nn.Module):
    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector.eval()

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        features = self.detector.backbone(self.detector.transform.normalize(image)[None])
        logits, deltas = (one[0] for one in self.detector.rpn.head([features]))
        deltas = deltas[0].unflatten(0, (-1, 4)).permute(2, 3, 0, 1)
        return logits[0].permute(1, 2, 0), deltas.flatten(0, 2), *self.detector.roi_heads.maps(features)


class _Regions(nn.Module):
    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.heads = detector.roi_heads.eval()

    def forward(self, boxes: Tensor, *maps: Tensor) -> tuple[Tensor, Tensor]:
        logits, deltas = self.heads.predict(maps, [boxes])
        return logits.float().softmax(-1), deltas


class TwoGraphs:
    """Both graphs, ready to run; one image after the other."""

    files: ClassVar[tuple[str, ...]] = (FEATURES_FILE, REGIONS_FILE)

    def __init__(self, folder: Path, spec: DetectorSpec, threads: int = 0) -> None:
        self.spec = spec
        self._features, self._regions = (session_of(folder / name, threads) for name in self.files)

    @classmethod
    def write(cls, detector: Detector, folder: Path) -> None:
        """Both files, of a detector that is folded."""
        features, regions = _Features(detector), _Regions(detector)
        image, boxes = torch.rand(3, 256, 320), torch.tensor(BOXES)
        maps = features(image)[2:]
        names = [f"map_{number}" for number in range(len(maps))]
        free: dict[str, Any] = {"image": {1: "height", 2: "width"}}
        write_graph(features, (image,), folder / FEATURES_FILE, (["image"], ["objectness", "deltas", *names]), free)
        free = {"boxes": {0: "regions"}, "maps": tuple({2: Dim.DYNAMIC, 3: Dim.DYNAMIC} for _ in maps)}
        write_graph(regions, (boxes, *maps), folder / REGIONS_FILE, (["boxes", *names], ["scores", "deltas"]), free)

    @classmethod
    def differs(cls, detector: Detector, folder: Path) -> float:
        """The largest difference of both from PyTorch's numbers, as a part of each output's largest, on one image."""
        features, image = _Features(detector), torch.rand(3, 176, 240)
        maps = features(image)[2:]
        found = difference(features, folder / FEATURES_FILE, image)
        return max(found, difference(_Regions(detector), folder / REGIONS_FILE, torch.tensor(BOXES), *maps))

    def detect(self, images: Sequence[Array]) -> list[Found]:
        """Of every image (3, H, W) in [0, 1] its detections, in its own pixels."""
        return [self._detect(image) for image in images]

    def _detect(self, image: Array) -> Found:
        config = self.spec.detector
        objectness, deltas, *maps = self._features.run(None, {"image": np.ascontiguousarray(image)})
        proposals = self._proposals(objectness, deltas, *image.shape[1:])
        scores, moves = self._read_regions(maps, proposals)
        limit = math.log(config.box_growth_limit)
        boxes = _decode(moves.reshape(*scores.shape, 4), proposals[:, None], config.box_reg_weights, limit)
        boxes, scores = _clip(boxes[:, 1:], *image.shape[1:]), scores[:, 1:]
        region, label = np.nonzero((scores > config.box_score_thresh) & np.isfinite(boxes).all(-1))
        boxes, scores = boxes[region, label], scores[region, label]
        keep = _nms(boxes, scores, config.box_nms_thresh, label)[: config.box_detections_per_img]
        return boxes[keep], scores[keep], label[keep]

    def _proposals(self, objectness: Array, deltas: Array, height: int, width: int) -> Array:
        """The best boxes of the RPN (P, 4), as `ProposalNetwork.filter_proposals` chooses them."""
        config = self.spec.detector
        logits = objectness.reshape(-1)
        best = np.argsort(-logits, kind="stable")[: config.rpn_pre_nms_top_n_test]
        anchors = _anchors(objectness.shape[:2], self.spec.tower.stride, config)[best]
        boxes = _decode(deltas[best], anchors, config.rpn_reg_weights, math.log(config.box_growth_limit))
        boxes, logits = _clip(boxes, height, width), logits[best]
        keep = _not_empty(boxes) & np.isfinite(logits)
        boxes, logits = boxes[keep], logits[keep]
        return boxes[_nms(boxes, logits, config.rpn_nms_thresh)[: config.rpn_post_nms_top_n_test]]

    def _read_regions(self, maps: list[Array], boxes: Array) -> tuple[Array, Array]:
        """Class probabilities (R, K + 1) and deltas (R, (K + 1) * 4) of boxes."""
        classes = len(self.spec.classes) + 1
        results = [(np.empty((0, classes), np.float32), np.empty((0, classes * 4), np.float32))]
        named = {f"map_{number}": one for number, one in enumerate(maps)}
        for first in range(0, len(boxes), REGIONS_AT_ONCE):
            results.append(self._regions.run(None, {"boxes": boxes[first : first + REGIONS_AT_ONCE], **named}))
        scores, deltas = (np.concatenate(part) for part in zip(*results, strict=True))
        return scores, deltas


def _anchors(cells: tuple[int, ...], stride: int, config: DetectorConfig) -> Array:
    """`detector.anchors.Anchors` at cells (rows, columns): (rows * columns * A, 4)."""
    rows, columns = (np.arange(count) * stride for count in cells)
    pairs = [(size, ratio**0.5) for size in config.anchor_sizes for ratio in config.anchor_ratios]
    shapes = [(size / root, size * root) for size, root in pairs]
    own = np.array([[-w / 2, -h / 2, w / 2, h / 2] for w, h in shapes], dtype=np.float32)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    centres = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4).astype(np.float32)
    return (centres + own).reshape(-1, 4)


def _decode(deltas: Array, boxes: Array, weights: tuple[float, ...], limit: float) -> Array:
    """Boxes moved by deltas (..., 4), as torchvision's BoxCoder does."""
    sides = boxes[..., 2:] - boxes[..., :2]
    centres = boxes[..., :2] + np.float32(0.5) * sides
    deltas = deltas / np.array(weights, dtype=np.float32)
    middle = deltas[..., :2] * sides + centres
    half = np.exp(np.minimum(deltas[..., 2:], np.float32(limit))) * sides * np.float32(0.5)
    moved: Array = np.concatenate([middle - half, middle + half], axis=-1)
    return moved


def _nms(boxes: Array, scores: Array, threshold: float, labels: Array | None = None) -> Array:
    """Indices of the boxes that stay, best first; boxes of different labels leave each other alone."""
    order = np.argsort(-scores, kind="stable")
    xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)[order].tolist()
    ranks = np.arange(len(order), 0, -1.0).tolist()  # OpenCV takes no negative scores, and logits may be
    if labels is None:
        kept: Any = cv2.dnn.NMSBoxes(xywh, ranks, 0, threshold)
    else:
        kept = cv2.dnn.NMSBoxesBatched(xywh, ranks, labels[order].tolist(), 0, threshold)
    stay: Array = order[np.sort(np.asarray(kept, dtype=np.int64).reshape(-1))]
    return stay


def _clip(boxes: Array, height: int, width: int) -> Array:
    """Boxes (..., 4) xyxy within an image."""
    clipped: Array = np.clip(boxes, 0, np.array([width, height, width, height], dtype=np.float32))
    return clipped


def _not_empty(boxes: Array) -> Array:
    """Which boxes (N, 4) have an area and finite corners (N,)."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray((sides > 0).all(1) & np.isfinite(boxes).all(1))
