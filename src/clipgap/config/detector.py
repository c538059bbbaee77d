"""The detector's settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clipgap.config.section import BoxWeights, Count, Fraction, NotNegative, Number, Positive, Section, TowerPart

Neck = Literal["none", "simple_fpn"]


class DetectorConfig(Section):
    """The detector's constants (METHOD, section 4), under torchvision's names wherever it has one."""

    classifier: Literal["text", "linear"] = "text"
    """`text`: cosine to the classes' text embeddings; `linear`: a learned layer."""
    pooling: Literal["attention", "mean"] = "attention"
    """`mean`: spatial mean of layer4 and a learned linear projection into CLIP's space; without text the mean alone."""
    temperature: Positive = 100.0
    """Factor on the cosine between a region and a class's text embedding."""
    background_logit: Number = 0.0
    """The background's logit, for every region (`background: constant`)."""
    frozen: list[TowerPart] = ["stem", "layer1", "layer2"]
    """Parts of the image tower that are not trained."""
    anchor_sizes: list[Annotated[Number, Field(ge=1, le=65_535)]] = Field([32, 64, 128, 256, 512], min_length=1)
    """Square roots of the anchors' areas, in pixels."""
    anchor_ratios: list[Annotated[Number, Field(ge=0.01, le=100)]] = Field([0.5, 1.0, 2.0], min_length=1)
    """Height over width."""
    rpn_pre_nms_top_n_train: Count = 12000
    """Proposals before NMS in training, by logit."""
    rpn_pre_nms_top_n_test: Count = 6000
    """The same in detection."""
    rpn_post_nms_top_n_train: Count = 2000
    """Proposals after NMS in training."""
    rpn_post_nms_top_n_test: Count = 1000
    """The same in detection."""
    rpn_nms_thresh: Fraction = 0.7
    """IoU above which the worse of two proposals goes."""
    rpn_fg_iou_thresh: Fraction = 0.7
    """IoU from which an anchor is positive."""
    rpn_bg_iou_thresh: Fraction = 0.3
    """IoU below which an anchor is negative."""
    rpn_batch_size_per_image: Count = 256
    """Anchors sampled for the RPN's losses."""
    rpn_positive_fraction: Fraction = 0.5
    """Most of them that may be positive."""
    rpn_reg_weights: BoxWeights = (1.0, 1.0, 1.0, 1.0)
    """Factors on an anchor's deltas (x, y, width, height)."""
    rpn_init_std: Positive = 0.01
    """Standard deviation of the RPN's initial weights."""
    box_fg_iou_thresh: Fraction = 0.5
    """IoU from which a proposal is foreground."""
    box_bg_iou_thresh: Fraction = 0.5
    """IoU below which a proposal is background."""
    box_batch_size_per_image: Count = 512
    """Regions sampled for the RoI heads' losses."""
    box_positive_fraction: Fraction = 0.25
    """Most of them that may be foreground."""
    box_reg_weights: BoxWeights = (10.0, 10.0, 5.0, 5.0)
    """Factors on a region's deltas (x, y, width, height)."""
    box_init_std: Positive = 0.001
    """Standard deviation of the box regression's initial weights."""
    box_growth_limit: Positive = 1000 / 16
    """Most by which a predicted box may be wider or higher than its anchor or proposal."""
    roi: Literal["per_region", "dense", "atrous"] = "per_region"
    """layer4 on every region (the paper); `dense`: once on the whole map, several times faster, other numbers;
    `atrous`: once, without its stride and dilated instead, so that regions keep their detail (DC5 of detectron2)."""
    neck: Neck = "none"
    """`simple_fpn`: a pyramid of three sizes over the trunk's map (ViTDet), for objects smaller than CLIP's input;
    anchors and regions are taken from the level of their size. Cannot be exported."""
    roi_sampling_ratio: NotNegative = 0
    """Points that RoIAlign takes along each side of a cell; 0: as many as the region's size asks for."""
    box_score_thresh: Fraction = 0.05
    """Score that a detection must exceed."""
    box_nms_thresh: Fraction = 0.5
    """IoU above which the worse of two detections of a class goes."""
    box_detections_per_img: Count = 100
    """Most detections of an image."""
    background: Literal["constant", "text", "learned"] = "constant"
    """The background's logit: `background_logit`; or scored like a class's, by the cosine to the text embedding of
    `data.prompts.background`, or to a learned one that begins near the mean of the classes'. A linear classifier's is
    learned, whatever this says."""
    fusion: Fraction = 0.0
    """w of a class's probability in detection, p = p_detector^(1-w) p_clip^w, p_clip by an untrained copy of CLIP's
    tower that is stored with the detector (F-VLM, Kuo et al. 2023: 0.35); 0: the detector's own, no copy."""

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> DetectorConfig:
        for part in ("rpn", "box"):
            if getattr(self, f"{part}_bg_iou_thresh") > getattr(self, f"{part}_fg_iou_thresh"):
                raise ValueError(f"{part}_bg_iou_thresh must not be above {part}_fg_iou_thresh")
        return self

    @model_validator(mode="after")
    def _text_where_it_is_needed(self) -> DetectorConfig:
        if self.background == "text" and self.classifier != "text":
            raise ValueError("`background: text` needs `classifier: text`")
        if self.fusion and self.classifier != "text":
            raise ValueError("`fusion` needs `classifier: text`: set it to 0")
        if self.background != "constant" and self.background_logit:
            raise ValueError(
                f"`background_logit` is not used with `background: {self.background}`: leave it out, or set "
                "`background: constant`"
            )
        return self

    def require_no_stride(self, tower: str) -> None:
        """Make sure that nothing here needs the stride that the last part of a tower, of this name, lacks.

        Raises:
            ValueError: `roi: atrous` does.
        """
        if self.roi == "atrous":
            raise ValueError(f"{tower} has no stride that `roi: atrous` could leave out: set detector.roi=dense")

    def require_no_text(self, tower: str, *others: str) -> None:
        """Make sure that nothing here needs the text that a tower lacks.

        Args:
            tower: its name.
            others: settings of other groups that must be changed too, `key=value`.

        Raises:
            ValueError: something does; names all that must be set.
        """
        needed = [] if self.classifier == "linear" else ["detector.classifier=linear"]
        needed += [] if self.pooling == "mean" else ["detector.pooling=mean"]
        needed += others
        if needed:
            raise ValueError(f"{tower} has no text: set {', '.join(needed)}")
