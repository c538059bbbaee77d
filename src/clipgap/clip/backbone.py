"""An image tower with weights, of a CLIP or without text."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clipgap.clip.tower import RoiPart, TowerSpec, Trunk
from clipgap.errors import ConfigError


class Backbone:
    """A frozen image tower, cut in two, and where its weights come from."""

    trunk: Trunk
    roi_part: RoiPart

    def __init__(self, tower: nn.Module, spec: TowerSpec, name: str, weights: str) -> None:
        self.tower, self.tower_spec = tower.eval().requires_grad_(False), spec
        self.name = name
        self.weights = weights
        """Where the weights come from, in words: `openai`, `random (seed 0)`, a file's name."""
        self.trunk, self.roi_part = spec.parts(tower)

    def to(self, device: torch.device) -> Self:
        """The same, moved to a device."""
        self.tower.to(device)
        return self

    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """Text embeddings unit(T(p)) (N, D), float32.

        Raises:
            ConfigError: there is no text tower.
        """
        raise ConfigError(f"{self.name} has no text: set detector.classifier=linear, or clip.name to a CLIP")

    def embed_groups(self, groups: Sequence[Sequence[str]]) -> Tensor:
        """Of every group of prompts the unit mean of its text embeddings (N, D): prompt ensembling.

        CLIP, Radford et al. 2021, section 3.1.4. Of a group of one it is that prompt's own embedding.

        Raises:
            ConfigError: a prompt is too long, or there is no text tower.
        """
        embeddings = self.embed_text([prompt for group in groups for prompt in group])
        parts = torch.split(embeddings, [len(group) for group in groups])
        return torch.stack([part[0] if len(part) == 1 else F.normalize(part.mean(0), dim=-1) for part in parts])

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 of all weights in float32: the same from every file format."""
        return hash_of(self.tower, self.name)

    def __str__(self) -> str:
        return f"{self.name}, weights: {self.weights}"


def hash_of(model: nn.Module, beginning: str) -> str:
    """SHA-256 of a text and of all of a model's weights in float32, by name."""
    digest = hashlib.sha256(beginning.encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
