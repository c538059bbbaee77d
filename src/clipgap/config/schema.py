"""One typed, strict description of a run: what a YAML file, a preset and `--set key=value` all fill in.

Every constant of the method (METHOD, sections 3 and 4) is a field here, once, under its own name. The functions that do
the work take the section they need, so that a setting has one home from the command line to the loss.
"""

from __future__ import annotations

from pydantic import model_validator

from clipgap.config.clip import TEXTLESS, ClipConfig
from clipgap.config.data import DataConfig
from clipgap.config.detector import DetectorConfig
from clipgap.config.jobs import (
    EvaluateConfig,
    FitConfig,
    ImageConfig,
    RunSection,
    TrainConfig,
)
from clipgap.config.levers import AlignConfig, AugmentConfig, AverageConfig, DiversifyConfig, TuneConfig
from clipgap.config.section import BatchNorm, Section


class RunConfig(Section):
    """A whole run: data, CLIP, step one, step two, scoring.

    Examples:
        >>> data = clipgap.load_config("mini_world").data
        >>> clipgap.RunConfig(data=data, recipe="paper").train.batch_size
        4
    """

    recipe: str | None = None
    """Settings of the levers by name, under those that are given here: `robust` or `paper` (docs/recipes.md)."""
    data: DataConfig
    clip: ClipConfig = ClipConfig()
    batch_norm: BatchNorm = "frozen"
    """Every BatchNorm of the image tower, both steps: `frozen` on the running statistics, or `train` (the authors)."""
    image: ImageConfig = ImageConfig()
    fit: FitConfig = FitConfig()
    augment: AugmentConfig = AugmentConfig()
    diversify: DiversifyConfig = DiversifyConfig()
    align: AlignConfig = AlignConfig()
    detector: DetectorConfig = DetectorConfig()
    train: TrainConfig = TrainConfig()
    tune: TuneConfig = TuneConfig()
    average: AverageConfig = AverageConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    run: RunSection = RunSection()

    @model_validator(mode="after")
    def _has_the_text_it_needs(self) -> RunConfig:
        if self.clip.name in TEXTLESS:
            others = [] if not self.augment.needs_text else ["augment.kind=none"]
            self.detector.require_no_text(f"clip.name={self.clip.name}", *others)
        return self

    @model_validator(mode="after")
    def _has_the_stride_it_needs(self) -> RunConfig:
        if self.clip.is_vit:
            self.detector.require_no_stride(f"clip.name={self.clip.name}")
        return self

    @model_validator(mode="after")
    def _scores_go_into_one_table(self) -> RunConfig:
        self.evaluate.require_one_table({domain.name: domain.metric for domain in self.data.domains})
        return self

    @model_validator(mode="after")
    def _levers_have_their_time(self) -> RunConfig:
        steps = self.train.steps
        if self.average.over == "window" and self.average.window_start >= steps:
            raise ValueError(f"average.window_start: the window must begin before the last of {steps} steps")
        if self.tune.warm_heads >= steps:
            raise ValueError(f"tune.warm_heads: must be less than the {steps} steps of train.steps")
        return self

    @model_validator(mode="after")
    def _parts_with_a_rate_learn(self) -> RunConfig:
        if still := [part for part in self.tune.rates if part in self.detector.frozen]:
            raise ValueError(
                f"tune.rates: {', '.join(still)}: frozen, so that no rate has an effect; take it out here, or out of "
                "detector.frozen"
            )
        return self

    @model_validator(mode="after")
    def _views_to_align(self) -> RunConfig:
        if self.align.on and self.diversify.views < 2:
            raise ValueError("align compares two views of an image: set diversify.views=2")
        return self
