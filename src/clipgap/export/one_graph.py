"""A Detector as one graph, from pixels to detections, and what runs it.

    detector.onnx   images (N, 3, H, W) in [0, 1], sizes (N, 2) -> boxes (N, D, 4), scores (N, D), labels (N, D)

N, H and W are free. `sizes` is the height and width of every image without its padding. D is as many as the settings
allow for an image; boxes are xyxy in the pixels of the input, labels count from 0, the best are first, and where there
are fewer the scores of the rest are 0. All regions of all images go through layer4 together: with many of them at once,
the two graphs need less memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.image_list import ImageList

from clipgap.detector import Detector, DetectorSpec
from clipgap.export.form import Array, Found
from clipgap.export.survivors import survivors, survivors_onnx
from clipgap.export.tracing import session_of, write_graph

FILE = "detector.onnx"
INPUTS, OUTPUTS = ("images", "sizes"), ("boxes", "scores", "labels")


class WholeDetector(nn.Module):
    """`Detector` in inference, with no shape but that of the regions that depends on what is seen."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.spec, self.normalize = detector.spec, detector.transform.normalize
        self.backbone, self.rpn, self.heads = detector.backbone, detector.rpn, detector.roi_heads

    def forward(self, images: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the module's docstring says of the graph."""
        height, width = sizes[:, 0], sizes[:, 1]
        row, column = torch.arange(images.shape[2])[:, None], torch.arange(images.shape[3])
        seen = (row < height[:, None, None]) & (column < width[:, None, None])
        images = self.normalize(images) * seen[:, None]  # as `Preprocess`: zeros after normalisation
        short: Any = [torch.sym_max(self.spec.tower.least_side - side, 0) for side in images.shape[2:]]
        features = self.backbone(F.pad(images, (0, short[1], 0, short[0])))
        corner = torch.stack([width, height, width, height], 1).float()[:, None]
        proposals, there = self._proposals(features, corner)
        boxes, scores = self._read(features, proposals, there)
        return self._chosen(boxes, scores, corner)

    def _proposals(self, features: Tensor, corner: Tensor) -> tuple[Tensor, Tensor]:
        """The best boxes of the RPN (N, P, 4), and which of them are any (N, P); `ProposalNetwork.filter_proposals`."""
        config = self.spec.detector
        (logits,), (deltas,) = self.rpn.head([features])
        logits = logits.permute(0, 2, 3, 1).flatten(1)
        deltas = deltas.unflatten(1, (-1, 4)).permute(0, 3, 4, 1, 2).flatten(1, 3)
        (anchors,) = self.rpn.anchor_generator(ImageList(features, [(0, 0)]), [features])
        most = config.rpn_pre_nms_top_n_test
        logits, best = F.pad(logits, (0, most), value=-math.inf).topk(most)
        best = best.clamp(max=deltas.shape[1] - 1)  # of what was padded: it is not finite, and goes
        boxes = self.rpn.box_coder.decode_single(_picked(deltas, best).flatten(0, 1), anchors[best].flatten(0, 1))
        boxes = _within(boxes.unflatten(0, best.shape), corner)
        fine = (boxes[..., 2:] > boxes[..., :2]).all(-1) & logits.isfinite()
        logits = torch.where(fine, logits, -math.inf)
        stay = survivors(boxes, logits, config.rpn_nms_thresh, torch.finfo(torch.float32).min)
        logits, best = torch.where(stay, logits, -math.inf).topk(min(config.rpn_post_nms_top_n_test, most))
        there = logits.isfinite()  # elsewhere a box of zeros: RoIAlign refuses what is no number
        return torch.where(there[..., None], _picked(boxes, best), 0), there

    def _read(self, features: Tensor, proposals: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Every class's boxes (N, K, P, 4) and probabilities (N, K, P); 0 where there is no proposal."""
        first = torch.arange(there.shape[1]) == 0
        image, place = (there | first).nonzero(as_tuple=True)  # the first always: there must be something to read
        torch._check(image.shape[0] != 0)
        regions = proposals[image, place]
        numbered = torch.cat([image[:, None].float(), regions], 1)
        logits, deltas = self.heads.predict(self.heads.maps(features), numbered)
        found = logits.float().softmax(-1)[:, 1:]
        moved = self.heads.box_coder.decode_single(deltas, regions).unflatten(1, (-1, 4))[:, 1:]
        classes = len(self.spec.classes)
        scores = torch.zeros(*there.shape, classes).index_put((image, place), found) * there[..., None]
        boxes = torch.zeros(*there.shape, classes, 4).index_put((image, place), moved)
        return boxes.transpose(1, 2), scores.transpose(1, 2)

    def _chosen(self, boxes: Tensor, scores: Tensor, corner: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`DetectionHeads.postprocess_detections` of every image."""
        config, regions = self.spec.detector, scores.shape[2]
        boxes = _within(boxes, corner[:, None])
        scores = torch.where(boxes.isfinite().all(-1), scores, 0)
        stay = survivors(boxes.flatten(0, 1), scores.flatten(0, 1), config.box_nms_thresh, config.box_score_thresh)
        scores = (scores * stay.unflatten(0, scores.shape[:2])).flatten(1)
        scores, best = scores.topk(min(config.box_detections_per_img, scores.shape[1]))
        return _picked(boxes.flatten(1, 2), best), scores, best // regions


class OneGraph:
    """The graph, ready to run; images are looked at together."""

    files: ClassVar[tuple[str, ...]] = (FILE,)

    def __init__(self, folder: Path, spec: DetectorSpec, threads: int = 0) -> None:
        self._session = session_of(folder / FILE, threads)

    @classmethod
    def write(cls, detector: Detector, folder: Path) -> None:
        """The file, of a detector that is folded."""
        whole = WholeDetector(detector).eval()
        images, sizes = torch.rand(2, 3, 256, 320), torch.tensor([[256, 320], [200, 180]])
        free = {"images": {0: "images", 2: "height", 3: "width"}, "sizes": {0: "images"}}
        operators = {torch.ops.clipgap.survivors.default: survivors_onnx}
        write_graph(whole, (images, sizes), folder / FILE, (INPUTS, OUTPUTS), free, operators)

    @classmethod
    @torch.no_grad()
    def differs(cls, detector: Detector, folder: Path) -> float | None:
        """The largest difference of scores from PyTorch's, best with best, on three images; None: none has any."""
        images, sizes = torch.rand(3, 3, 176, 240), torch.tensor([[176, 240], [100, 240], [170, 64]])
        ours = WholeDetector(detector).eval()(images, sizes)[1].numpy()
        theirs = session_of(folder / FILE).run(["scores"], {"images": images.numpy(), "sizes": sizes.numpy()})[0]
        return float(np.abs(ours - theirs).max()) if ours.any() or theirs.any() else None

    def detect(self, images: Sequence[Array]) -> list[Found]:
        """Detections of images (3, H, W) in [0, 1], each in its own pixels."""
        found = self._session.run(None, inputs_of(images))
        some = [scores > 0 for scores in found[1]]
        return [(boxes[of], scores[of], labels[of]) for of, boxes, scores, labels in zip(some, *found, strict=True)]


def inputs_of(images: Sequence[Array]) -> dict[str, Array]:
    """The graph's inputs, from images (3, H, W) in [0, 1] of any sizes: one batch, padded with zeros."""
    sizes = np.array([image.shape[1:] for image in images], dtype=np.int64)
    rows, columns = sizes.max(0)
    batch = np.zeros((len(images), 3, rows, columns), dtype=np.float32)
    for place, image, (height, width) in zip(batch, images, sizes, strict=True):
        place[:, :height, :width] = image
    return dict(zip(INPUTS, (batch, sizes), strict=True))


def _picked(rows: Tensor, index: Tensor) -> Tensor:
    """Of every image's rows (N, A, 4) those at an index (N, P)."""
    return rows.gather(1, index[..., None].expand(-1, -1, rows.shape[-1]))


def _within(boxes: Tensor, corner: Tensor) -> Tensor:
    return boxes.clamp(min=0).minimum(corner)
