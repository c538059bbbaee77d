"""What every group of settings is made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _refuse_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a number, not true or false")
    return value


Number = Annotated[float, BeforeValidator(_refuse_bool)]
Whole = Annotated[int, BeforeValidator(_refuse_bool)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
Positive = Annotated[Number, Field(gt=0)]
Count = Annotated[Whole, Field(ge=1, le=10**9)]
NotNegative = Annotated[Whole, Field(ge=0, le=10**9)]
Batch = Annotated[Whole, Field(ge=1, le=4096)]
"""How many of something are in memory at once."""
Processes = Annotated[Whole, Field(ge=0, le=1024)]
Pixels = Annotated[Whole, Field(ge=1, le=65_535)]
Seed = Annotated[Whole, Field(ge=0, le=2**63 - 1)]
Words = Annotated[str, Field(pattern=r"\S")]
"""Text that is not blank."""
BoxWeights = tuple[Positive, Positive, Positive, Positive]
BatchNorm = Literal["frozen", "train"]
Metric = Literal["voc2007", "voc2012", "coco"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Scoring = Literal["exact", "authors"]
PredictFormat = Literal["coco", "yolo", "voc", "labelstudio"]
DetectionPrecision = Literal["32-true", "bf16-mixed"]
Graphs = Literal["one", "two"]
GraphPrecision = Literal["float32", "float16", "int8"]
CorruptionName = Literal[
    "gaussian_noise",
    "shot_noise",
    "impulse_noise",
    "defocus_blur",
    "glass_blur",
    "motion_blur",
    "zoom_blur",
    "snow",
    "frost",
    "fog",
    "brightness",
    "contrast",
    "elastic_transform",
    "pixelate",
    "jpeg_compression",
    "speckle_noise",
    "gaussian_blur",
    "spatter",
    "saturate",
]
"""The 15 standard corruptions of Hendrycks and Dietterich (ICLR 2019) in their order, then their 4 extra ones. Random
numbers depend on a name's place in this list: new names go to its end."""
Severity = Annotated[Whole, Field(ge=1, le=5)]
TowerPart = Literal["stem", "layer1", "layer2", "layer3", "layer4", "attnpool"]


class Section(BaseModel):
    """A group of settings. Unknown keys are errors: a misspelt setting must not pass silently."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
