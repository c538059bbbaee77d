"""Semantic augmentations: the offsets A_j, their file, and the objective that fits them (step one)."""

from clipgap.augment.objective import Losses, destination, directions, prompt_losses
from clipgap.augment.offsets import (
    OffsetFeatures,
    SemanticAugmentations,
    permute_channels,
    random_like,
    scale_deviation,
)

__all__ = [
    "Losses",
    "OffsetFeatures",
    "SemanticAugmentations",
    "destination",
    "directions",
    "permute_channels",
    "prompt_losses",
    "random_like",
    "scale_deviation",
]
