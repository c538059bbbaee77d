"""The settings of both steps, of scoring, and of what they run on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from clipgap.config.section import (
    Batch,
    CorruptionName,
    Count,
    DetectionPrecision,
    Device,
    Fraction,
    Metric,
    NotNegative,
    Number,
    Pixels,
    Positive,
    Processes,
    Scoring,
    Section,
    Seed,
    Severity,
    Words,
)


class ImageConfig(Section):
    """How images are resized, in training and in prediction alike."""

    short_side: Pixels = 600
    """Pixels of the short side."""
    long_side: Pixels = 1333
    """Most pixels of the long side; where it would be longer, it decides."""

    @model_validator(mode="after")
    def _sides_in_order(self) -> ImageConfig:
        if self.long_side < self.short_side:
            raise ValueError(f"long_side ({self.long_side}) must not be less than short_side ({self.short_side})")
        return self


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
    images_per_step: Batch = 4
    """Source images of one step."""
    crops_per_image: Batch = 15
    """Random crops of each of them."""
    crop_side: Pixels = 400
    """Side of the random crops before they are resized to CLIP's input; never more than the image's short side."""
    flip: Fraction = 0.5
    """Chance that an image is mirrored."""
    antialias: bool = True
    """Whether crops are smoothed where resizing shrinks them; the authors' are not."""


class TrainConfig(Section):
    """Step two: train the detector (METHOD, section 4)."""

    steps: Count = 100_000
    """SGD steps."""
    batch_size: Batch = 4
    """Images of one batch of one process."""
    lr: Positive = 1e-3
    """Learning rate before the first of `lr_steps`."""
    lr_steps: list[Count] = [40_000]
    """Steps at which the rate is multiplied by `lr_gamma`."""
    lr_gamma: Positive = 0.1
    """See `lr_steps`."""
    momentum: Fraction = 0.9
    """SGD's momentum."""
    weight_decay: Annotated[Number, Field(ge=0)] = 1e-4
    """On every trained parameter, BatchNorm and biases too."""
    flip: Fraction = 0.5
    """Chance that an image is mirrored."""
    log_every: Count = 20
    """Steps between two lines of metrics.jsonl."""
    clip_norm: Annotated[Number, Field(ge=0)] = 0.0
    """Largest norm of the gradient; a longer one is made as long as this. 0: none is touched."""
    skip_bad_steps: NotNegative = 0
    """Steps of a run that may be left out because a loss or the gradient is not finite; one more ends it."""
    checkpoint_every: Count = 1000
    """Steps between two checkpoints for `--resume`; one is also written with every new best weights."""
    checkpoint_minutes: Annotated[Number, Field(ge=0)] = 10.0
    """Minutes after which one is written, too, whatever the steps. 0: by steps alone."""
    validate_every: Count = 5000
    """Steps between two scorings on the source's validation split; the last step always is."""
    validate_first: NotNegative = 0
    """Step of the first of them; 0: `validate_every`."""
    best_of_equals: Literal["first", "last"] = "last"
    """Which weights are kept where several score the same; `first`: only better ones replace them (the authors)."""

    def validates(self, step: int) -> bool:
        """Whether the weights are scored after so many steps."""
        past = step - (self.validate_first or self.validate_every)
        return step == self.steps or (past >= 0 and past % self.validate_every == 0)


class EvaluateConfig(Section):
    """How detections are scored (METHOD, section 5)."""

    metric: Metric = "voc2007"
    """`voc2007` (11 points), `voc2012` (area) or `coco`."""
    iou: Fraction = 0.5
    """IoU above which a detection can match a box (VOC metrics only)."""
    scoring: Scoring = "exact"
    """`authors` (VOC metrics only): detections rounded to a tenth of a pixel and a thousandth of a score, and recall
    points a hair above 0.3, 0.6 and 0.7, as the authors' evaluator has them."""
    batch_size: Batch = 1
    """Images that are detected in at once."""
    precision: DetectionPrecision = "32-true"
    """Of detection; `bf16-mixed` multiplies in bfloat16: faster where the processor has it, slightly other boxes."""
    proposals: Count | None = None
    """Of a picture, that are looked at; none: as many as the detector was made for
    (`detector.rpn_post_nms_top_n_test`). Fewer are faster; docs/performance.md says at what price."""
    select: Literal["clean", "robust"] = "clean"
    """On what training chooses the weights: the source's validation split as it is, or `robust`: corrupted, image i by
    number i mod n of the n `select_corruptions`; its clean score is logged beside."""
    select_corruptions: Annotated[list[CorruptionName], Field(min_length=1)] = [
        "motion_blur",
        "impulse_noise",
        "pixelate",
        "spatter",
        "speckle_noise",
        "elastic_transform",
    ]
    """Of `select: robust`; names as in docs/corruptions.md."""
    select_severity: Severity = 3
    """Of `select: robust`: how strong they are, 1 to 5."""

    def by(self, metric: Metric | None) -> EvaluateConfig:
        """The same for a domain that names a metric of its own, or none."""
        return self.model_copy(update={"metric": metric}) if metric else self

    def require_one_table(self, metrics: Mapping[str, Metric | None]) -> None:
        """Make sure that the domains' own metrics (or none), by name, go into one table.

        Raises:
            ValueError: some are COCO's and some VOC's, or COCO's with the authors' scoring.
        """
        found = {name: metric or self.metric for name, metric in metrics.items()}
        if "coco" not in found.values():
            return
        if len(set(found.values())) > 1:
            told = ", ".join(f"{name}: {metric}" for name, metric in found.items())
            raise ValueError(f"`metric`: COCO's figures and VOC's do not go into one table ({told}): use coco for all")
        if self.scoring == "authors":
            raise ValueError("`evaluate.scoring: authors` is a way to compute VOC's AP, not COCO's: set it to exact")


class RunSection(Section):
    """Where the run goes and what it runs on."""

    out: Words = "runs/latest"
    """The run folder; nothing in it is ever written over."""
    seed: Seed = 0
    """Everything random follows from it."""
    device: Device = "auto"
    """`auto`, `cpu`, `cuda` or `mps`."""
    devices: Annotated[Processes, Field(ge=1)] = 1
    """Processes on a machine, one a device."""
    workers: Processes = 2
    """Processes that read and resize images, for each process that computes; 0: none."""
    loggers: list[Literal["csv", "tensorboard"]] = []
    """Where training's figures go beside metrics.jsonl: `RUN/logs/csv`, `RUN/logs/tensorboard` (with pictures of
    validation detections; `pip install tensorboard`)."""
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    """Of both steps; `16-mixed` leaves step one in float32."""
    deterministic: bool = False
    """On a GPU add in a fixed order, so that a run repeats bit by bit, and end where an operation cannot; slower. A CPU
    always does."""
    compile: bool = False
    """Compile step two's layer4 and pooling (`roi: per_region`); where torch.compile fails, they run as they are."""
