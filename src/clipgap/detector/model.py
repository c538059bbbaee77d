"""The detector: torchvision's GeneralizedRCNN put together from an image tower (METHOD, section 4).

    image --`Preprocess`--> normalised batch --backbone: `Trunk`--> C4 features --> rpn --> proposals
    proposals --box_roi_pool--> regions --box_head: `RoiPart`--> embeddings, means --box_predictor--> detections

Images come resized; `predict` does it for files and pictures as the training loader does.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from clipgap.clip import Backbone, RoiPart, Trunk, set_batch_norm
from clipgap.config import DetectionPrecision, PromptsConfig
from clipgap.detector.fusion import FrozenClip
from clipgap.detector.heads import BoxPredictor, MeanPool, make_classifier
from clipgap.detector.neck import SimpleFPN
from clipgap.detector.pictures import in_original
from clipgap.detector.predicting import Predicting
from clipgap.detector.preprocess import Preprocess
from clipgap.detector.roi_heads import DetectionHeads
from clipgap.detector.rpn import ProposalNetwork
from clipgap.detector.spec import DetectorSpec, with_proposals
from clipgap.detector.stored import Stored
from clipgap.group import Group
from clipgap.prompts import class_prompts


class Detector(Predicting, Stored):
    """A Faster R-CNN C4 with a tower's trunk as backbone and its layer4 and pooling as box_head.

    In training it maps images and targets to torchvision's four losses; otherwise images to detections. `detect` and
    `predict` are the ways in for images of any size.

    Examples:
        >>> from clipgap.detectors import shipped_detector
        >>> detector = clipgap.Detector.load(shipped_detector())  # or a run folder
        >>> detections = detector.predict("street.jpg", score=0.5)  # supervision.Detections
        >>> detections.xyxy.shape == (len(detections), 4)
        True
    """

    def __init__(
        self,
        spec: DetectorSpec,
        tower: nn.Module,
        class_embeddings: Tensor | None = None,
        background: Tensor | None = None,
    ) -> None:
        config, classes = spec.detector, len(spec.classes)
        trunk, box_head = spec.tower.parts(tower)
        backbone = trunk if config.neck == "none" else SimpleFPN(trunk)
        channels = box_head.out_channels
        if config.pooling == "mean" and spec.tower.has_text:  # without, there is no space to project into
            box_head.pool = MeanPool(channels, spec.tower.embed_dim)
        if class_embeddings is None:
            class_embeddings = torch.zeros(classes, spec.tower.embed_dim)  # to be filled from a file of weights
        classifier = make_classifier(config, class_embeddings, background)
        predictor = BoxPredictor(classifier, channels, classes, config.box_init_std)
        super().__init__(
            backbone,
            ProposalNetwork(spec.tower, config),
            DetectionHeads(spec.tower, box_head, predictor, config),
            Preprocess(spec.tower, spec.tower.least_side * (1 if config.neck == "none" else 2)),
        )
        self.spec = spec
        self.folded = self.half_precision = False
        self.requires_grad_(True)
        for part in config.frozen:
            self.part(part).requires_grad_(False)
        self.frozen_clip = FrozenClip(spec.tower, tower, config) if config.fusion else None
        self.eval()

    @classmethod
    def from_clip(cls, clip: Backbone, spec: DetectorSpec, prompts: PromptsConfig | None = None) -> Detector:
        """A detector to be trained: the tower's weights (not copied: they are its own), fresh RPN and box regression.

        Raises:
            ConfigError: a prompt is longer than CLIP reads.
        """
        if spec.detector.classifier != "text":
            return cls(spec, clip.tower)
        prompts = prompts or PromptsConfig()
        classes = clip.embed_groups(class_prompts(spec.classes, prompts))
        background = clip.embed_groups([prompts.backgrounds])[0] if spec.detector.background == "text" else None
        return cls(spec, clip.tower, classes, background)

    def train(self, mode: bool = True) -> Detector:
        """Training or inference mode; BatchNorm stays frozen where the settings say so."""
        if mode and self.folded:
            raise RuntimeError("a detector made by for_inference cannot be trained; train the one it was made from")
        super().train(mode)
        if mode:
            set_batch_norm(self, self.spec.batch_norm)
        if self.frozen_clip is not None:
            self.frozen_clip.freeze()
        return self

    def join(self, group: Group) -> None:
        """Train with the other processes of a group as one that has all of their images would."""
        heads, rpn = self.roi_heads, self.rpn
        for part in (self.transform, rpn.fg_bg_sampler, heads.fg_bg_sampler, heads):
            part.group = group

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None) -> Any:
        """torchvision's contract: the four losses in training, otherwise detections in the resized images."""
        if self.training or self.frozen_clip is None:
            return super().forward(images, targets)
        batch, _ = self.transform(images)
        features = self.backbone(batch.tensors)
        levels = features if isinstance(features, dict) else {"0": features}
        proposals, _ = self.rpn(batch, levels)
        scores, deltas = self.roi_heads.read(self.roi_heads.maps(*levels.values()), proposals)
        words = self.roi_heads.box_predictor.classifier.class_embeddings
        by_clip = self.frozen_clip.probabilities(self.frozen_clip(batch.tensors), proposals, words)
        scores = self.frozen_clip.fuse(scores, by_clip)
        return self.roi_heads.chosen(scores, deltas, proposals, batch.image_sizes)

    def for_inference(self, precision: DetectionPrecision = "32-true", proposals: int | None = None) -> Detector:
        """A copy that detects the same, faster: batch normalisations folded into convolutions, channels last.

        It can be neither trained nor saved.

        Args:
            precision: `bf16-mixed` multiplies in bfloat16, and detects nearly the same.
            proposals: of a picture, that its RoI heads look at; None: as many as now
                (`detector.rpn_post_nms_top_n_test`). With fewer it takes less time and finds what is among them.
        """
        half = precision == "bf16-mixed"
        if self.folded and self.half_precision == half and proposals is None:
            return self
        faster: Detector = copy.deepcopy(self).eval()
        if not self.folded:
            _fold(faster)
        faster.half_precision = half
        if proposals is not None:
            faster.spec = with_proposals(self.spec, proposals)
            faster.rpn.look_at(proposals)
        return faster

    @torch.inference_mode()
    def detect(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[dict[str, Tensor]]:
        """Detections in original images.

        Args:
            images: resized images (3, H, W) in [0, 1], or bytes, on any device.
            sizes: (height, width) of the originals.

        Returns:
            For every image `boxes` (D, 4) xyxy in the original's pixels, `scores` (D,), `labels` (D,) from 1.
        """
        if self.training:
            raise RuntimeError("detect is for inference: call eval() first")
        device = next(self.parameters()).device
        with torch.autocast(device.type, torch.bfloat16, enabled=self.half_precision):
            results: list[dict[str, Tensor]] = self([image.to(device) for image in images])
        return [
            in_original(found, image.shape[1:], size) for image, size, found in zip(images, sizes, results, strict=True)
        ]

    @property
    def trunk(self) -> Trunk:
        """The trunk, with a neck over it or not."""
        trunk: Trunk = self.backbone if self.spec.detector.neck == "none" else self.backbone.trunk
        return trunk

    def tower_parts(self) -> list[torch.nn.Module]:
        """What came from CLIP's image tower: all but neck, RPN, predictor and a pooling of our own."""
        head = self.roi_heads.box_head
        return [self.trunk, head] if self.spec.detector.pooling == "attention" else [self.trunk, head.layer4]

    def part(self, name: str) -> torch.nn.Module:
        """A part by the name that `detector.frozen` and `tune.rates` have for it."""
        box_head: RoiPart = self.roi_heads.box_head
        parts = {"layer4": box_head.layer4, "attnpool": box_head.pool}
        parts |= {"rpn": self.rpn, "predictor": self.roi_heads.box_predictor}
        part: torch.nn.Module = parts[name] if name in parts else getattr(self.trunk, name)
        return part


def _fold(detector: Detector) -> None:
    """Batch normalisations into convolutions, in place."""
    detector.backbone = detector.backbone.folded()
    detector.roi_heads.box_head = box_head = detector.roi_heads.box_head.folded()
    if detector.frozen_clip is not None:
        detector.frozen_clip.fold()
    detector.roi_heads.finish = type(box_head).finish  # one that is compiled would be compiled anew for every copy
    detector.folded = True
    detector.to(memory_format=torch.channels_last)
