"""An exported detector in ONNX Runtime: what `Detector` does between its networks, in numpy and OpenCV."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clipgap.clip import STRIDE
from clipgap.config import DetectionPrecision, DetectorConfig
from clipgap.detector import DetectorSpec, ImageLike, as_seen
from clipgap.errors import ConfigError, WeightsError
from clipgap.export.graphs import DETECTOR_FILE, FEATURES_FILE, FORMAT, REGIONS_FILE, onnxruntime
from clipgap.files import hash_of_file
from clipgap.parse import parse_json

if TYPE_CHECKING:
    import supervision

Array = npt.NDArray[Any]
REGIONS_AT_ONCE = 64
"""Regions of one call of the second graph: bounds the memory."""


class OnnxDetector:
    """`Detector.predict` without PyTorch's networks: the same boxes, from the folder that `export_onnx` wrote."""

    def __init__(self, folder: Path, spec: DetectorSpec, threads: int = 0) -> None:
        self.spec = spec
        self._features, self._regions = (_session(folder / name, threads) for name in (FEATURES_FILE, REGIONS_FILE))

    @classmethod
    def load(cls, folder: str | Path, threads: int = 0) -> OnnxDetector:
        """Read an exported folder.

        Args:
            folder: what `export_onnx` wrote.
            threads: of ONNX Runtime; 0: one a core.

        Raises:
            WeightsError: a file is missing, not one of ours or not as it was exported.
            ClipgapError: ONNX Runtime is not installed.
        """
        folder = Path(folder)
        for name in (DETECTOR_FILE, FEATURES_FILE, REGIONS_FILE):
            if not (folder / name).is_file():
                raise WeightsError(f"{folder}: not an exported detector: {name} is missing")
        try:
            content = parse_json((folder / DETECTOR_FILE).read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                raise KeyError
            hashes = dict(content.pop("hashes"))
            spec = DetectorSpec(**content)
            spec = spec.model_copy(update={"description": f"{spec.description}; exported to ONNX"})
        except (ValueError, KeyError, AttributeError, TypeError):
            raise WeightsError(f"{folder / DETECTOR_FILE}: not of a detector exported by this version") from None
        for name in (FEATURES_FILE, REGIONS_FILE):
            if hash_of_file(folder / name) != hashes.get(name):
                raise WeightsError(f"{folder / name}: damaged, or not of this detector; export again")
        return cls(folder, spec, threads)

    @property
    def classes(self) -> list[str]:
        """Class names, in the order of `class_id`."""
        return self.spec.classes

    def for_inference(self, precision: DetectionPrecision = "32-true") -> OnnxDetector:
        """Itself: it was folded when it was exported.

        Raises:
            ConfigError: another precision than float32.
        """
        if precision != "32-true":
            raise ConfigError(f"precision {precision}: an exported detector computes in float32; set 32-true")
        return self

    def predict(self, image: ImageLike) -> supervision.Detections:
        """Detections in a file, a PIL picture or an RGB array (H, W, 3) uint8, as `Detector.predict` gives them."""
        import supervision

        seen, size = as_seen(image, self.spec.image)
        boxes, scores, labels = self._detect_in_original(seen.numpy(), *size)
        return supervision.Detections(
            xyxy=boxes, confidence=scores, class_id=labels, data={"class_name": np.array(self.classes)[labels]}
        )

    def detect(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[dict[str, Tensor]]:
        """Detections in original images, as `Detector.detect` gives them: what `evaluate` asks for.

        Args:
            images: resized images (3, H, W) in [0, 1].
            sizes: (height, width) of the originals.
        """
        results = []
        for image, size in zip(images, sizes, strict=True):
            boxes, scores, labels = map(torch.from_numpy, self._detect_in_original(image.cpu().numpy(), *size))
            results.append({"boxes": boxes, "scores": scores, "labels": labels + 1})
        return results

    def _detect_in_original(self, image: Array, height: int, width: int) -> tuple[Array, Array, Array]:
        """As `_detect`, with the boxes in the pixels of an original of that height and width."""
        boxes, scores, labels = self._detect(image)
        scale = np.array([width / image.shape[2], height / image.shape[1]] * 2, dtype=np.float32)
        boxes = _clip(boxes * scale, height, width)
        keep = _not_empty(boxes)
        return boxes[keep], scores[keep], labels[keep]

    def _detect(self, image: Array) -> tuple[Array, Array, Array]:
        """An image (3, H, W) in [0, 1] -> boxes (D, 4) in its pixels, scores (D,), labels (D,) from 0, best first."""
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
        anchors = _anchors(objectness.shape[0], objectness.shape[1], config)[best]
        boxes = _decode(deltas[best], anchors, config.rpn_reg_weights, math.log(config.box_growth_limit))
        boxes, logits = _clip(boxes, height, width), logits[best]
        keep = _not_empty(boxes) & np.isfinite(logits)
        boxes, logits = boxes[keep], logits[keep]
        return boxes[_nms(boxes, logits, config.rpn_nms_thresh)[: config.rpn_post_nms_top_n_test]]

    def _read_regions(self, maps: list[Array], boxes: Array) -> tuple[Array, Array]:
        """Class probabilities (R, K + 1) and deltas (R, (K + 1) * 4) of boxes."""
        classes = len(self.classes) + 1
        results = [(np.empty((0, classes), np.float32), np.empty((0, classes * 4), np.float32))]
        named = {f"map_{number}": one for number, one in enumerate(maps)}
        for first in range(0, len(boxes), REGIONS_AT_ONCE):
            results.append(self._regions.run(None, {"boxes": boxes[first : first + REGIONS_AT_ONCE], **named}))
        scores, deltas = (np.concatenate(part) for part in zip(*results, strict=True))
        return scores, deltas


def _anchors(rows: int, columns: int, config: DetectorConfig) -> Array:
    """`detector.anchors.Anchors`: (rows * columns * A, 4)."""
    pairs = [(size, ratio**0.5) for size in config.anchor_sizes for ratio in config.anchor_ratios]
    shapes = [(size / root, size * root) for size, root in pairs]
    cells = np.array([[-w / 2, -h / 2, w / 2, h / 2] for w, h in shapes], dtype=np.float32)
    y, x = np.meshgrid(np.arange(rows) * STRIDE, np.arange(columns) * STRIDE, indexing="ij")
    centres = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4).astype(np.float32)
    return (centres + cells).reshape(-1, 4)


def _decode(deltas: Array, boxes: Array, weights: tuple[float, ...], limit: float) -> Array:
    """Boxes moved by deltas (..., 4), as torchvision's BoxCoder does."""
    sides = boxes[..., 2:] - boxes[..., :2]
    centres = boxes[..., :2] + np.float32(0.5) * sides
    deltas = deltas / np.array(weights, dtype=np.float32)
    middle = deltas[..., :2] * sides + centres
    half = np.exp(np.minimum(deltas[..., 2:], np.float32(limit))) * sides * np.float32(0.5)
    moved: Array = np.concatenate([middle - half, middle + half], axis=-1)
    return moved


def _clip(boxes: Array, height: int, width: int) -> Array:
    clipped: Array = np.clip(boxes, 0, np.array([width, height, width, height], dtype=np.float32))
    return clipped


def _not_empty(boxes: Array) -> Array:
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray((sides > 0).all(1) & np.isfinite(boxes).all(1))


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


def _session(file: Path, threads: int) -> Any:
    runtime = onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return runtime.InferenceSession(file, options, providers=runtime.get_available_providers())
    except Exception as error:  # noqa: BLE001 (ONNX Runtime's own kinds have no common base that is public)
        raise WeightsError(
            f"{file}: not a graph that ONNX Runtime reads ({' '.join(str(error).split())[:200]})"
        ) from None
