"""How CLIP's tower learns: rates of its parts, and what is done to its gradients (METHOD, section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from clipgap.config import TrainConfig, TuneConfig
from clipgap.detector import Detector


@dataclass(frozen=True)
class Subspace:
    """What the smallest singular components of a weight matrix (o, i) span: U (o, r) and V (i, r)."""

    left: Tensor
    right: Tensor

    @classmethod
    def smallest(cls, weight: Tensor, rank: int) -> Subspace:
        """Of a weight (o, i, ...) as a matrix (o, everything else)."""
        left, _, right = torch.linalg.svd(weight.detach().flatten(1), full_matrices=False)
        return cls(left[:, -rank:].contiguous(), right[-rank:].T.contiguous())

    def project(self, gradient: Tensor) -> Tensor:
        """The part of a gradient (o, i, ...) that the factors of UV' can reach: UU'g + gVV' - UU'gVV'.

        After SoMA (CVPR 2025), which trains the factors themselves. Here the weight stays one matrix and U and V stay
        as they were at first, so every direction is trained at the same rate, not at one that goes with its singular
        value.
        """
        matrix = gradient.flatten(1)
        by_right = (matrix @ self.right) @ self.right.T
        rest = matrix - by_right
        return (by_right + self.left @ (self.left.T @ rest)).reshape(gradient.shape)


class Tuning:
    """The optimiser's groups of parameters, and the edit of their gradients between backward and step.

    Needs no state in a checkpoint: a detector is always made from CLIP, and CLIP's weights are what it goes by.
    """

    def __init__(self, detector: Detector, config: TuneConfig, train: TrainConfig) -> None:
        self.config, self.decay = config, train.weight_decay
        self.tower = [p for part in detector.tower_parts() for p in part.parameters() if p.requires_grad]
        self.origin = [p.detach().clone() for p in self.tower] if config.pull_back else []
        maps = [m for part in detector.tower_parts() for m in part.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        self.subspaces = {
            m.weight: Subspace.smallest(m.weight, config.low_rank)
            for m in maps
            if m.weight.requires_grad and 0 < config.low_rank < min(m.weight.flatten(1).shape)
        }
        self.groups = list(self._groups(detector, train))

    def _groups(self, detector: Detector, train: TrainConfig) -> Iterator[dict[str, object]]:
        """One group where nothing is set, in the parameters' own order; one a factor and decay otherwise."""
        factors = {
            id(p): factor for name, factor in self.config.rates.items() for p in detector.part(name).parameters()
        }
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for parameter in detector.parameters():
            if parameter.requires_grad:
                decay = 0.0 if parameter in self.subspaces else train.weight_decay
                groups.setdefault((factors.get(id(parameter), 1.0), decay), []).append(parameter)
        for (factor, decay), parameters in groups.items():
            yield {"params": parameters, "factor": factor, "weight_decay": decay}

    @torch.no_grad()
    def edit(self, step: int) -> None:
        """Change the tower's gradients of a step, counted from 0."""
        if step < self.config.warm_heads:
            for parameter in self.tower:
                parameter.grad = None
            return
        for parameter, origin in zip(self.tower, self.origin, strict=bool(self.origin)):
            if parameter.grad is not None:
                parameter.grad += self._strength(parameter, parameter.grad) * (parameter - origin)
        for weight, subspace in self.subspaces.items():
            if weight.grad is not None:
                weight.grad = subspace.project(weight.grad + self.decay * weight)

    def _strength(self, weight: Tensor, gradient: Tensor) -> Tensor | float:
        if self.config.pull_back_by == "all" or weight.ndim < 2:
            return self.config.pull_back
        norms = [one.flatten(1).norm(dim=1) for one in (gradient, weight)]
        ratio: Tensor = norms[0] / norms[1].clamp(min=1e-12)
        return self.config.pull_back * ratio.reshape(-1, *[1] * (weight.ndim - 1))
