"""Score fusion: a frozen CLIP has a say in what regions are (F-VLM, Kuo et al., ICLR 2023; METHOD, section 8)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clipgap.clip import TowerSpec
from clipgap.config import DetectorConfig
from clipgap.detector.roi_align import roi_align
from clipgap.detector.roi_heads import at_once, in_pieces


class FrozenClip(nn.Module):
    """A copy of CLIP's image tower as it is now: always in inference mode, never trained.

    Args:
        spec: the tower's shape.
        tower: its modules, of which both parts are copied.
        config: the detector's settings: `fusion`, `temperature` and `roi_sampling_ratio` of them.
    """

    def __init__(self, spec: TowerSpec, tower: nn.Module, config: DetectorConfig) -> None:
        super().__init__()
        self.trunk, self.roi_part = copy.deepcopy(spec.parts(tower))
        self.size, self.stride = spec.roi_size // spec.layer4_stride, spec.stride * spec.layer4_stride
        self.sampling_ratio = config.roi_sampling_ratio
        self.temperature, self.weight = config.temperature, config.fusion
        self.freeze()

    def freeze(self) -> None:
        """Take the gradient from every parameter, and put every BatchNorm on its running statistics."""
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> FrozenClip:
        """Inference mode, whatever is asked for."""
        super().train(False)
        return self

    def fold(self) -> None:
        """Fold batch normalisations into convolutions, as in the detector's own tower."""
        self.trunk, self.roi_part = self.trunk.folded(), self.roi_part.folded()
        self.freeze()

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) -> layer4's map (`RoiPart.dense`)."""
        features: Tensor = self.roi_part.dense(self.trunk(images))
        return features

    def probabilities(self, features: Tensor, boxes: list[Tensor], class_embeddings: Tensor) -> Tensor:
        """What regions are, by the words alone (R, K): softmax over the classes of temperature times the cosine.

        Args:
            features: of `forward`.
            boxes: every image's regions (R_i, 4), xyxy in pixels of the resized image.
            class_embeddings: unit vectors (K, D).
        """
        embeddings = [
            self.roi_part.pool(roi_align(features, piece, self.size, self.stride, self.sampling_ratio))
            for piece in in_pieces(boxes, at_once(features.device))
        ]
        with torch.autocast(features.device.type, enabled=False):
            unit = F.normalize(torch.cat(embeddings).to(class_embeddings.dtype), dim=-1)
            return (self.temperature * unit @ class_embeddings.T).softmax(-1)

    def fuse(self, scores: Tensor, probabilities: Tensor) -> Tensor:
        """p_detector^(1-w) p_clip^w for every class; the background's probability stays the detector's.

        Args:
            scores: the detector's probabilities (R, K + 1), the background first.
            probabilities: of `probabilities` (R, K).
        """
        foreground = scores[:, 1:] ** (1 - self.weight) * probabilities**self.weight
        return torch.cat([scores[:, :1], foreground], dim=1)
