"""Other classes for a detector that knows its own by their words."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from clipgap.detector.heads import TextClassifier
from clipgap.detector.model import Detector
from clipgap.errors import ConfigError


@torch.no_grad()
def with_classes(detector: Detector, names: Sequence[str], embeddings: Tensor) -> Detector:
    """A copy that looks for other classes, untrained.

    What regions look like is compared with the new words as it was with the old ones. Box regression is by class: a new
    class takes over that of the trained one whose words are nearest to its own.

    Args:
        detector: one with a text classifier.
        names: of the new classes.
        embeddings: of their prompts by the CLIP that the detector was made from, unit vectors (K, D).

    Raises:
        ConfigError: its classifier is linear, or no class is named.
    """
    predictor = detector.roi_heads.box_predictor
    if not isinstance(predictor.classifier, TextClassifier):
        raise ConfigError(
            "this detector's classifier is linear: it knows no words; train with detector.classifier=text"
        )
    if not names:
        raise ConfigError("no class is named: give names with commas, for example: car, person")
    other = copy.deepcopy(detector)
    trained = predictor.classifier.class_embeddings
    embeddings = embeddings.to(trained)
    rows = torch.cat([trained.new_zeros(1, dtype=torch.long), 1 + (embeddings @ trained.T).argmax(1)])
    old, channels = predictor.bbox_pred, predictor.bbox_pred.in_features
    new = nn.Linear(channels, 4 * len(rows)).to(old.weight)
    new.weight.copy_(old.weight.view(-1, 4, channels)[rows].reshape(-1, channels))
    new.bias.copy_(old.bias.view(-1, 4)[rows].reshape(-1))
    other.roi_heads.box_predictor.bbox_pred = new
    other.roi_heads.box_predictor.classifier.class_embeddings = embeddings
    other.spec = detector.spec.model_copy(update={"classes": list(names)})
    return other
