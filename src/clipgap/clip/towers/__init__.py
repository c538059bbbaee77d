"""The families of image towers: one file each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, SerializeAsAny

from clipgap.clip.tower import TowerSpec
from clipgap.clip.towers.convnext import ConvNextSpec
from clipgap.clip.towers.efficientnet_lite import EfficientNetLiteSpec
from clipgap.clip.towers.modified_resnet import ModifiedResNetSpec
from clipgap.clip.towers.siglip import SiglipSpec
from clipgap.clip.towers.vit import ViTSpec
from clipgap.errors import there_are

FAMILIES: dict[str, type[TowerSpec]] = {
    "modified_resnet": ModifiedResNetSpec,
    "convnext": ConvNextSpec,
    "vit": ViTSpec,
    "siglip": SiglipSpec,
    "efficientnet_lite0": EfficientNetLiteSpec,
}


def _of_its_family(value: object) -> object:
    """A mapping as its family's spec; one without `family` was written when there was one family."""
    if not isinstance(value, Mapping):
        return value
    family = value.get("family", "modified_resnet")
    if not isinstance(family, str) or family not in FAMILIES:
        raise ValueError(f"family: {there_are(family, FAMILIES)}, not {family!r}")
    return FAMILIES[family].model_validate(value)


AnyTowerSpec = Annotated[SerializeAsAny[TowerSpec], BeforeValidator(_of_its_family)]
"""A setting that is the shape of a tower of any family."""

__all__ = ["FAMILIES", "AnyTowerSpec"]
