"""One typed, strict description of a run: what a YAML file, a preset and `--set key=value` all fill in.

Every constant of the method (METHOD, sections 3 and 4) is a field here, once, under its own name. The functions that do
the work take the section they need, so that a setting has one home from the command line to the loss.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from clipgap.errors import ConfigError

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
BoxWeights = tuple[Positive, Positive, Positive, Positive]
BatchNorm = Literal["frozen", "train"]
Metric = Literal["voc2007", "voc2012", "coco"]
DetectionPrecision = Literal["32-true", "bf16-mixed"]
TowerPart = Literal["stem", "layer1", "layer2", "layer3", "layer4", "attnpool"]


class Section(BaseModel):
    """A group of settings. Unknown keys are errors: a misspelt setting must not pass silently."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class DomainConfig(Section):
    """One domain: where its images and boxes are, and which splits play which part.

    A split is the name of one of the set's own splits, or a list file (a name that ends in `.txt`, relative to `root`).
    """

    name: str = Field(min_length=1)
    """The domain's name in tables."""
    format: Literal["voc", "coco", "yolo"]
    """How boxes are stored: `voc`, `coco` or `yolo`."""
    root: str = "."
    """Its folder, relative to the data file's `root`."""
    train: str | None = None
    """Split that step one and step two learn from (source only)."""
    val: str | None = None
    """Split on which the weights are chosen (source only); `test` where this is not given."""
    test: str | None = None
    """Split that `evaluate` scores; `val` where this is not given."""
    rename: dict[str, str] = {}
    """From the set's own class names to those of `classes`."""

    @property
    def selection_split(self) -> str | None:
        """The split on which weights are chosen."""
        return self.val or self.test

    @property
    def scored_split(self) -> str | None:
        """The split that `evaluate` scores."""
        return self.test or self.val


class PromptsConfig(Section):
    """The words: a built-in set by name, or the prompts themselves."""

    set: Literal["weather", "art"] | None = None
    """A built-in set (METHOD, section 3), in place of `source` and `targets`."""
    source: str | None = None
    """The source prompt."""
    targets: list[Annotated[str, Field(min_length=1)]] = []
    """The target prompts: each gets an offset of its own."""
    class_template: str = "a photo of a {}"
    """What CLIP reads for a class; {} is its name."""

    @model_validator(mode="after")
    def _one_or_the_other(self) -> PromptsConfig:
        if self.set and (self.source or self.targets):
            raise ValueError("give either `set` or `source` with `targets`, not both")
        if bool(self.source) != bool(self.targets):
            raise ValueError("`source` and `targets` belong together: give both")
        if self.class_template.count("{}") != 1:
            raise ValueError("`class_template` needs one {} where the class name goes")
        return self


class DataConfig(Section):
    """What a data file holds: the domains, the classes and the prompts."""

    root: str = "."
    """Folder to which every domain's `root` is relative."""
    classes: list[str] = Field(min_length=1)
    """Class names, in the order of the labels."""
    source: DomainConfig
    targets: list[DomainConfig] = []
    """The target domains: only scored, never trained on."""
    prompts: PromptsConfig = PromptsConfig()
    keep_empty: bool = True
    """Images without boxes stay: negatives in training, images on which nothing should be found in scoring."""
    voc_boxes: Literal["standard", "authors"] = "standard"
    """`standard`: VOC's 1-based inclusive pixels -> (xmin-1, ymin-1, xmax, ymax); `authors`: 1 off all four."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> DataConfig:
        _refuse_repeats("classes", self.classes)
        _refuse_repeats("domain names", [d.name for d in self.domains])
        for domain in self.domains:
            strangers = sorted(set(domain.rename.values()) - set(self.classes))
            if strangers:
                raise ValueError(f"`rename` of domain {domain.name} leads to {strangers[0]!r}, not one of `classes`")
        return self

    @property
    def domains(self) -> list[DomainConfig]:
        """The source first, then the targets in the order of the file."""
        return [self.source, *self.targets]

    def folder(self, domain: DomainConfig) -> Path:
        """Where a domain's files are."""
        return Path(self.root) / expand_variables(domain.root)


class ClipConfig(Section):
    """Which CLIP, and where its weights come from."""

    name: str = "RN101"
    """An open_clip ResNet (`RN50`, `RN101`, `RN50x4`, `RN50x16`, `RN50x64`) or `tiny`, of the miniature world."""
    pretrained: str | None = None
    """open_clip's tag of the weights (`openai`, or `world` of `tiny`), or `random`: drawn from `random_seed`."""
    file: str | None = None
    """A local file of weights: OpenAI's .pt, an open_clip state dict, or safetensors."""
    quick_gelu: bool | None = None
    """The text tower's activation; null: from the tag or from the file's layout."""
    random_seed: int = 0
    """Seed of `pretrained: random`; the same for fit and train."""


class ImageConfig(Section):
    """How images are resized, in training and in prediction alike."""

    short_side: Count = 600
    """Pixels of the short side."""
    long_side: Count = 1333
    """Most pixels of the long side; where it would be longer, it decides."""


class FitConfig(Section):
    """Step one: fit the semantic augmentations (METHOD, section 3)."""

    steps: Count = 1000
    """Steps; each moves every offset once."""
    lr: Positive = 0.01
    """Adam's learning rate."""
    offsets: Literal["map", "channel", "deviation"] = "map"
    """`map`: the paper's, of which step two uses the spatial mean; `channel`: that mean alone, one number a channel;
    `deviation`: the same, and a factor on every channel's deviation from its spatial mean."""
    prompts_per_step: NotNegative = 0
    """Target prompts whose offsets one step moves, drawn anew for every step; 0: all of them (the paper)."""
    patience: NotNegative = 0
    """Stop when the objective of the pooled offsets on crops held out has not fallen for so many steps; 0: never."""
    pool: NotNegative = 0
    """Crops whose features are computed once and drawn from at every step; 0: new crops at every step (the paper)."""
    images_per_step: Count = 4
    """Source images of one step."""
    crops_per_image: Count = 15
    """Random crops of each of them."""
    crop_side: Count = 400
    """Side of the random crops before they are resized to CLIP's input; never more than the image's short side."""
    flip: Fraction = 0.5
    """Chance that an image is mirrored."""


class AugmentConfig(Section):
    """What step two does with the semantic augmentations (METHOD, section 4)."""

    kind: Literal["fitted", "random", "permuted", "none"] = "fitted"
    """Controls: `random`, for every prompt a random direction of the same pooled norm; `permuted`, channels mixed."""
    file: str | None = None
    """The file that `clipgap fit` wrote."""
    probability: Fraction = 0.5
    """Chance that a batch is augmented."""
    refit_every: NotNegative = 0
    """Fit the offsets again, on the tower as it is by then, whenever so many steps are done; 0: never (the paper). By
    the settings of `fit` without `pool` and `patience`; prompts and `fit.offsets` must be those of `file`."""


class DetectorConfig(Section):
    """The detector's constants (METHOD, section 4), under torchvision's names wherever it has one."""

    classifier: Literal["text", "linear"] = "text"
    """`text`: cosine to the classes' text embeddings; `linear`: a learned layer."""
    pooling: Literal["attention", "mean"] = "attention"
    """`mean`: spatial mean of layer4 and a learned linear projection into CLIP's space."""
    temperature: Positive = 100.0
    """Factor on the cosine between a region and a class's text embedding."""
    background_logit: float = 0.0
    """The background's logit, for every region."""
    frozen: list[TowerPart] = ["stem", "layer1", "layer2"]
    """Parts of the image tower that are not trained."""
    anchor_sizes: list[Positive] = Field([32, 64, 128, 256, 512], min_length=1)
    """Square roots of the anchors' areas, in pixels."""
    anchor_ratios: list[Positive] = Field([0.5, 1.0, 2.0], min_length=1)
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
    roi: Literal["per_region", "dense"] = "per_region"
    """layer4 on every region (the paper), or once on the whole map: several times faster, other numbers."""
    roi_sampling_ratio: NotNegative = 0
    """Points that RoIAlign takes along each side of a cell; 0: as many as the region's size asks for."""
    box_score_thresh: Fraction = 0.05
    """Score that a detection must exceed."""
    box_nms_thresh: Fraction = 0.5
    """IoU above which the worse of two detections of a class goes."""
    box_detections_per_img: Count = 100
    """Most detections of an image."""

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> DetectorConfig:
        for part in ("rpn", "box"):
            if getattr(self, f"{part}_bg_iou_thresh") > getattr(self, f"{part}_fg_iou_thresh"):
                raise ValueError(f"{part}_bg_iou_thresh must not be above {part}_fg_iou_thresh")
        return self


class TrainConfig(Section):
    """Step two: train the detector (METHOD, section 4)."""

    steps: Count = 100_000
    """SGD steps."""
    batch_size: Count = 4
    """Images of one batch of one process."""
    lr: Positive = 1e-3
    """Learning rate before the first of `lr_steps`."""
    lr_steps: list[Count] = [40_000]
    """Steps at which the rate is multiplied by `lr_gamma`."""
    lr_gamma: Positive = 0.1
    """See `lr_steps`."""
    momentum: Fraction = 0.9
    """SGD's momentum."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    """On every trained parameter, BatchNorm and biases too."""
    flip: Fraction = 0.5
    """Chance that an image is mirrored."""
    log_every: Count = 20
    """Steps between two lines of metrics.jsonl."""
    checkpoint_every: Count = 1000
    """Steps between two checkpoints for `--resume`."""
    validate_every: Count = 5000
    """Steps between two scorings on the source's validation split; the last step always is."""


class EvaluateConfig(Section):
    """How detections are scored (METHOD, section 5)."""

    metric: Metric = "voc2007"
    """`voc2007` (11 points), `voc2012` (area) or `coco`."""
    iou: Fraction = 0.5
    """IoU above which a detection can match a box (VOC metrics only)."""
    batch_size: Count = 1
    """Images that are detected in at once."""
    precision: DetectionPrecision = "32-true"
    """Of detection; `bf16-mixed` multiplies in bfloat16: faster where the processor has it, slightly other boxes."""


class RunSection(Section):
    """Where the run goes and what it runs on."""

    out: str = "runs/latest"
    """The run folder; nothing in it is ever written over."""
    seed: NotNegative = 0
    """Everything random follows from it."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""
    devices: Count = 1
    """Processes, one a device."""
    workers: NotNegative = 2
    """Processes that read and resize images, for each process that computes; 0: none."""
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    """Of both steps; `16-mixed` leaves step one in float32."""
    compile: bool = False
    """Compile step two's layer4 and pooling (`roi: per_region`); where torch.compile fails, they run as they are."""


class RunConfig(Section):
    """A whole run: data, CLIP, step one, step two, scoring."""

    data: DataConfig
    clip: ClipConfig = ClipConfig()
    batch_norm: BatchNorm = "frozen"
    """Every BatchNorm of the image tower, both steps: `frozen` on the running statistics, or `train` (the authors)."""
    image: ImageConfig = ImageConfig()
    fit: FitConfig = FitConfig()
    augment: AugmentConfig = AugmentConfig()
    detector: DetectorConfig = DetectorConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    run: RunSection = RunSection()


def expand_variables(text: str) -> str:
    """Put in `~` and environment variables: `$NAME`, `${NAME}` and `${NAME:-what to use when it is not set}`."""

    def value(match: re.Match[str]) -> str:
        name, default = match.group("name") or match.group("bare"), match.group("default")
        if not os.environ.get(name) and default is None:
            raise ConfigError(f"{text}: the environment variable {name} is not set; set it, or write the path itself")
        return os.environ.get(name) or str(default)

    put_in = re.sub(r"\$(?:\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}|(?P<bare>[A-Za-z_]\w*))", value, text)
    return os.path.expanduser(put_in)


def _refuse_repeats(what: str, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{what}: {repeated[0]!r} is there twice")
