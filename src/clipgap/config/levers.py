"""The settings of the field's levers beyond the paper (METHOD, section 8); none is on by itself."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from clipgap.config.section import Count, Fraction, NotNegative, Number, Section
from clipgap.errors import there_are

OWN_CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""A class of the user's own: `package.module:Class`."""
DIVERSIFY = {
    "photometric": "clipgap.diversify.photometric:Photometric",
    "corruptions": "clipgap.diversify.corrupt:Corruptions",
    "random_conv": "clipgap.diversify.random_conv:RandomConvolution",
    "fourier": "clipgap.diversify.fourier:FourierAmplitude",
    "oa_mix": "clipgap.diversify.oa_mix:ObjectAwareMix",
}
"""What `diversify.kinds` may name, and the class that does it."""


def _one_of(*names: str) -> AfterValidator:
    """Lets one of these names pass, or a class of the user's own."""

    def known(name: str) -> str:
        if name in names or OWN_CLASS.fullmatch(name):
            return name
        raise ValueError(f"{there_are(name, names)}, or a class of your own as `module:Class`")

    return AfterValidator(known)


OFFSETS = ("fitted", "random", "permuted")
"""The semantic augmentations and their controls: what `augment.kind` makes of `augment.file`."""
FEATURES = {
    "norm": "clipgap.augment.norm:NormPerturbation",
    "mixstyle": "clipgap.augment.mixstyle:MixStyle",
}
"""Levers of features that need no more than a probability, and the class that does it."""


Kind = Annotated[str, _one_of("none", *OFFSETS, *FEATURES, "pin")]


class AugmentConfig(Section):
    """What moves features in step two: the semantic augmentations (METHOD, section 4) and other levers (section 8)."""

    kind: Kind | list[Kind] = "fitted"
    """`fitted`, or a control of it: `random`, for every prompt a random direction of the same pooled norm, `permuted`,
    channels mixed; `norm`, `mixstyle`, `pin` (docs/recipes.md), or a class of your own as `module:Class`; `none`; or a
    list of several."""
    file: str | None = None
    """The file that `clipgap fit` wrote."""
    probability: Fraction = 0.5
    """Chance that a batch is augmented, of every kind for itself."""
    layer: Literal["stem", "layer1", "layer2", "layer3"] = "layer1"
    """The part whose output `norm`, `mixstyle`, `pin` and classes of your own move; offsets move the C4 features."""
    refit_every: NotNegative = 0
    """Fit the offsets again, on the tower as it is by then, whenever so many steps are done; 0: never (the paper). By
    the settings of `fit` without `pool` and `patience`; prompts and `fit.offsets` must be those of `file`."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Those that are on, in their order."""
        named = [self.kind] if isinstance(self.kind, str) else self.kind
        return tuple(kind for kind in named if kind != "none")

    @property
    def offsets(self) -> str | None:
        """The one of them that needs `file`."""
        return next((kind for kind in self.kinds if kind in OFFSETS), None)

    @property
    def needs_text(self) -> bool:
        """Whether one of them goes by prompts."""
        return self.offsets is not None or "pin" in self.kinds

    @model_validator(mode="after")
    def _one_of_a_kind(self) -> AugmentConfig:
        twice = [kind for kind in self.kinds if self.kinds.count(kind) > 1]
        offsets = [kind for kind in self.kinds if kind in OFFSETS]
        if twice or len(offsets) > 1:
            raise ValueError(f"kind: {', '.join(twice or offsets)} together: name one of them, once")
        return self


class DiversifyConfig(Section):
    """Changes of source images in the loader, so that no look of an image can be relied on (docs/recipes.md)."""

    kinds: list[Annotated[str, _one_of(*DIVERSIFY)]] = []
    """`photometric`, `corruptions`, `random_conv`, `fourier`, `oa_mix`, or a class of your own as `module:Class`
    (docs/extending.md); one of them, drawn anew, for every image that is changed; empty: none is."""
    probability: Fraction = 0.5
    """Chance that an image is changed; with two views, that the second one is (1 in `recipe: robust`)."""
    severity: Annotated[Number, Field(gt=0, le=3)] = 1.0
    """How far the changes go; 1: as every kind says of itself (docs/method.md)."""
    depth: Annotated[Count, Field(le=5)] = 1
    """How many of `kinds` change an image, one after another, each drawn anew."""
    views: Annotated[Count, Field(le=2)] = 1
    """2: every image goes through the detector as it is and changed, so that a batch is twice as large."""

    @model_validator(mode="after")
    def _views_differ(self) -> DiversifyConfig:
        if self.views > 1 and not (self.kinds and self.probability):
            raise ValueError(
                "views: 2 needs a lever that changes the second one; name one in `kinds`, probability above 0"
            )
        return self


class AlignConfig(Section):
    """Both views of an image shall say the same of the same regions (DivAlign; METHOD, section 8); needs two views."""

    classes: Annotated[Number, Field(ge=0)] = 0.0
    """Weight of the divergence between both views' class probabilities; 0: off; as published: 1."""
    boxes: Annotated[Number, Field(ge=0)] = 0.0
    """Weight of the difference between both views' deltas of foreground regions; 0: off; as published: 1."""

    @property
    def on(self) -> bool:
        """Whether there is anything to compute."""
        return self.classes > 0 or self.boxes > 0


Rated = Literal["stem", "layer1", "layer2", "layer3", "layer4", "attnpool", "rpn", "predictor"]


class TuneConfig(Section):
    """How CLIP's tower learns, beside what `detector.frozen` leaves out (METHOD, section 8)."""

    rates: dict[Rated, Annotated[Number, Field(ge=0, le=100)]] = {}
    """Factors on `train.lr` of single parts: `{layer4: 0.1}`; `predictor` is the classifier and the box regression."""
    warm_heads: NotNegative = 0
    """Steps at the beginning in which only what is fresh is trained, and no part of the tower (LP-FT); 0: none."""
    pull_back: Fraction = 0.0
    """Factor on the tower's distance from CLIP's weights, which is added to its gradient (L2-SP); 0: off."""
    pull_back_by: Literal["all", "filter"] = "all"
    """`filter`: the factor is multiplied, filter by filter, by the ratio of the gradient's norm to the weights'."""
    low_rank: NotNegative = 0
    """Train of every linear layer and convolution of the tower only what its so many smallest singular components
    span (after SoMA); biases, norms and positions are trained whole; 0: all."""


class AverageConfig(Section):
    """Which weights are judged and kept: those of the step, or a mean of many steps' (METHOD, section 8)."""

    over: Literal["none", "ema", "window"] = "none"
    """`ema`: the exponential moving average; `window`: the plain mean of all steps from `window_start` on (SWA)."""
    decay: Annotated[Number, Field(ge=0, lt=1)] = 0.99
    """What the moving average keeps of itself at a step; less in the first ones: (1 + step) / (10 + step)."""
    window_start: NotNegative = 0
    """The step after which the window begins; until then the weights of the step are judged."""
    tuned: Fraction = 1.0
    """Share of the tuned weights in the tower, the rest is CLIP's own (WiSE-FT); 1: all."""
    batch_norm_steps: Count = 20
    """Batches that BatchNorm's statistics are taken anew from for averaged weights, where `batch_norm` is `train`."""

    @property
    def on(self) -> bool:
        """Whether other weights than the step's are judged."""
        return self.over != "none" or self.tuned < 1
