"""What moves features in training: the offsets A_j of step one with their objective and file, and other levers."""

from clipgap.augment.levers import FeatureAugmentation, FeatureLever
from clipgap.augment.objective import Losses, destination, directions, prompt_losses
from clipgap.augment.offsets import (
    OffsetFeatures,
    SemanticAugmentations,
    permute_channels,
    random_like,
    scale_deviation,
)
from clipgap.augment.pin import StyleBank, restyle
from clipgap.augment.statistics import mean_and_deviation

__all__ = [
    "FeatureAugmentation",
    "FeatureLever",
    "Losses",
    "OffsetFeatures",
    "SemanticAugmentations",
    "StyleBank",
    "destination",
    "directions",
    "mean_and_deviation",
    "permute_channels",
    "prompt_losses",
    "random_like",
    "restyle",
    "scale_deviation",
]
