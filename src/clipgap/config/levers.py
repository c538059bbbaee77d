"""The settings of the field's levers beyond the paper (METHOD, section 8); none is on by itself."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from clipgap.config.section import Count, Fraction, Number, Section

OWN_CLASS = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
"""A class of the user's own: `package.module:Class`."""
DIVERSIFY = {
    "photometric": "clipgap.diversify.photometric:Photometric",
    "random_conv": "clipgap.diversify.random_conv:RandomConvolution",
    "fourier": "clipgap.diversify.fourier:FourierAmplitude",
    "oa_mix": "clipgap.diversify.oa_mix:ObjectAwareMix",
}
"""What `diversify.kinds` may name, and the class that does it."""


def _known_diversifier(name: str) -> str:
    if name in DIVERSIFY or OWN_CLASS.fullmatch(name):
        return name
    raise ValueError(f"there are {', '.join(DIVERSIFY)}, or a class of your own as `module:Class`; got {name!r}")


class DiversifyConfig(Section):
    """Changes of source images in the loader, so that no look of an image can be relied on (docs/recipes.md)."""

    kinds: list[Annotated[str, AfterValidator(_known_diversifier)]] = []
    """`photometric`, `corruptions`, `random_conv`, `fourier`, `oa_mix`, or a class of your own as `module:Class`
    (docs/extending.md); one of them, drawn anew, for every image that is changed; empty: none is."""
    probability: Fraction = 0.5
    """Chance that an image is changed; with two views, that the second one is."""
    severity: Annotated[Number, Field(gt=0, le=3)] = 1.0
    """How far the changes go; 1: as published, or as docs/recipes.md says."""
    views: Annotated[Count, Field(le=2)] = 1
    """2: every image goes through the detector as it is and changed, so that a batch is twice as large."""

    @model_validator(mode="after")
    def _views_differ(self) -> DiversifyConfig:
        if self.views > 1 and not self.kinds:
            raise ValueError("views: 2 needs a lever that changes the second one; name one in `kinds`")
        return self
