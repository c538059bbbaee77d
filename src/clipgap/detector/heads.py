"""What is learned or given beyond CLIP's tower: classifiers, box regression, and mean pooling as an ablation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clipgap.config import DetectorConfig

BACKGROUND_NOISE = 0.01
"""Standard deviation of what is added to the mean of the classes' embeddings where `background: learned` begins."""


class TextClassifier(nn.Module):
    """Class logits as temperature times the cosine to the classes' text embeddings (METHOD, section 4).

    The background is the first class. It has one logit for every region, or, where it has an embedding of its own, is
    scored as a class is. The classes' embeddings are not trained; the background's is where it is a parameter.

    Args:
        class_embeddings: unit vectors (K, D).
        temperature: factor on the cosine.
        background_logit: the background's, for every region.
        background: in place of that logit its embedding (D,), of any length.
    """

    def __init__(
        self,
        class_embeddings: Tensor,
        temperature: float,
        background_logit: float,
        background: Tensor | nn.Parameter | None = None,
    ) -> None:
        super().__init__()
        self.class_embeddings: Tensor
        self.register_buffer("class_embeddings", class_embeddings)
        self.temperature = temperature
        self.background_logit = background_logit
        self.background: Tensor | None
        if isinstance(background, nn.Parameter):
            self.background = background
        else:
            self.register_buffer("background", background)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Image embeddings of regions (R, D) -> logits (R, K + 1), the background first."""
        if self.background is None:
            logits = self.temperature * F.normalize(embeddings, dim=-1) @ self.class_embeddings.T
            return F.pad(logits, (1, 0), value=self.background_logit)
        known = torch.cat([F.normalize(self.background, dim=0)[None], self.class_embeddings])
        return self.temperature * F.normalize(embeddings, dim=-1) @ known.T


def make_classifier(config: DetectorConfig, class_embeddings: Tensor, background: Tensor | None) -> nn.Module:
    """The classifier that the settings describe; what is random in it follows from torch's seed.

    Args:
        config: the detector's settings.
        class_embeddings: unit vectors (K, D), or zeros that a file of weights will fill.
        background: the background's text embedding (D,); None: a file of weights will fill it.
    """
    classes, embed_dim = class_embeddings.shape
    if config.classifier == "linear":
        return linear_classifier(embed_dim, classes)
    if config.background == "constant":
        background = None
    elif config.background == "text":
        background = torch.zeros(embed_dim) if background is None else background
    else:
        generator = torch.Generator().manual_seed(torch.initial_seed())  # so that all else is drawn as without it
        noise = BACKGROUND_NOISE * torch.randn(embed_dim, generator=generator)
        mean = F.normalize(class_embeddings.mean(0), dim=0)
        background = nn.Parameter(F.normalize(mean + noise.to(mean.device), dim=0))
    return TextClassifier(class_embeddings, config.temperature, config.background_logit, background)


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
