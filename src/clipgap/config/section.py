"""What every group of settings is made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
BoxWeights = tuple[Positive, Positive, Positive, Positive]
BatchNorm = Literal["frozen", "train"]
Metric = Literal["voc2007", "voc2012", "coco"]
Scoring = Literal["exact", "authors"]
DetectionPrecision = Literal["32-true", "bf16-mixed"]
TowerPart = Literal["stem", "layer1", "layer2", "layer3", "layer4", "attnpool"]


class Section(BaseModel):
    """A group of settings. Unknown keys are errors: a misspelt setting must not pass silently."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
