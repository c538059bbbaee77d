"""What is learned or given beyond CLIP's tower: classifiers, box regression, and mean pooling as an ablation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TextClassifier(nn.Module):
    """Class logits as temperature times the cosine to the classes' text embeddings (METHOD, section 4).

    The background is the first class and has one logit for every region. Nothing here is trained.
    """

    def __init__(self, class_embeddings: Tensor, temperature: float, background_logit: float) -> None:
        super().__init__()
        self.class_embeddings: Tensor
        self.register_buffer("class_embeddings", class_embeddings)
        self.temperature = temperature
        self.background_logit = background_logit

    def forward(self, embeddings: Tensor) -> Tensor:
        """Image embeddings of regions (R, D) -> logits (R, K + 1), the background first."""
        logits = self.temperature * F.normalize(embeddings, dim=-1) @ self.class_embeddings.T
        return F.pad(logits, (1, 0), value=self.background_logit)


class BoxPredictor(nn.Module):
    """Class logits from the image embedding, class-specific box deltas from layer4's spatial mean.

    Never in half precision: a cosine times 100 and a box's corners need all their digits.
    """

    def __init__(self, classifier: nn.Module, channels: int, classes: int, init_std: float = 0.001) -> None:
        super().__init__()
        self.classifier = classifier
        self.bbox_pred = nn.Linear(channels, (classes + 1) * 4)
        nn.init.normal_(self.bbox_pred.weight, std=init_std)
        nn.init.zeros_(self.bbox_pred.bias)

    def forward(self, pooled: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The box_head's pair (R, D) and (R, C) -> logits (R, K + 1) and deltas (R, (K + 1) * 4)."""
        with torch.autocast(pooled[0].device.type, enabled=False):
            embeddings, means = (one.to(self.bbox_pred.weight.dtype) for one in pooled)
            return self.classifier(embeddings), self.bbox_pred(means)


class MeanPool(nn.Module):
    """Spatial mean and a learned linear projection into CLIP's space, in place of attention pooling."""

    def __init__(self, channels: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(channels, embed_dim)

    def forward(self, features: Tensor) -> Tensor:
        """layer4's output (R, C, h, w) -> embeddings (R, D)."""
        projected: Tensor = self.proj(features.mean((2, 3)))
        return projected


def linear_classifier(embed_dim: int, classes: int) -> nn.Linear:
    """A plain learned classifier in place of the text embeddings; the background is its first class."""
    classifier = nn.Linear(embed_dim, classes + 1)
    nn.init.normal_(classifier.weight, std=0.01)
    nn.init.zeros_(classifier.bias)
    return classifier
