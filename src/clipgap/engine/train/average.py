"""Weights averaged over steps, and between CLIP and what was tuned (METHOD, section 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from clipgap.config import AverageConfig
from clipgap.detector import Detector


class WeightAverage:
    """The averaged weights of a run, taken in after every step and put into the detector to be judged and kept.

    Args:
        detector: the one that is trained, as it was made from CLIP.
        settle: takes BatchNorm's statistics anew for the weights that are in the detector; None where they are fixed.
    """

    def __init__(self, detector: Detector, config: AverageConfig, settle: Callable[[], None] | None = None) -> None:
        self.detector, self.config, self.settle = detector, config, settle
        self.trained = {name: p for name, p in detector.named_parameters() if p.requires_grad}
        tower = {id(p) for part in detector.tower_parts() for p in part.parameters()}
        origin = [name for name, p in self.trained.items() if id(p) in tower and config.tuned < 1]
        self.origin = {name: self.trained[name].detach().clone() for name in origin}
        self.mean: dict[str, Tensor] = {}
        """The averages, once there are any."""
        self.taken = 0
        """Steps that are in them."""

    @torch.no_grad()
    def take(self, done: int) -> None:
        """Take in the weights after so many steps."""
        over = self.config.over
        if over == "none" or (over == "window" and done <= self.config.window_start):
            return
        if not self.mean:
            self.mean = {name: parameter.detach().clone() for name, parameter in self.trained.items()}
            self.taken = 1
            return
        self.taken += 1
        new = 1 / self.taken if over == "window" else 1 - min(self.config.decay, (1 + done) / (10 + done))
        for name, parameter in self.trained.items():
            self.mean[name].lerp_(parameter, new)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """The detector with the averaged weights; afterwards it has its own again, bit by bit."""
        if not self.config.on:
            yield
            return
        own = {name: tensor.detach().clone() for name, tensor in self.detector.state_dict().items()}
        try:
            self._put_in()
            if self.settle:
                self.settle()
            yield
        finally:
            self.detector.load_state_dict(own)

    @torch.no_grad()
    def _put_in(self) -> None:
        for name, parameter in self.trained.items():
            parameter.copy_(self.mean.get(name, parameter))
            if name in self.origin:
                parameter.copy_(torch.lerp(self.origin[name], parameter, self.config.tuned))

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"mean": self.mean, "taken": self.taken}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was taken."""
        self.taken = state["taken"]
        self.mean = {name: tensor.to(self.trained[name].device) for name, tensor in state["mean"].items()}


@contextmanager
def fresh_statistics(module: nn.Module) -> Iterator[None]:
    """Let every BatchNorm that trains begin anew and take the plain mean over all batches that go through it inside."""
    norms = [child for child in module.modules() if isinstance(child, nn.BatchNorm2d) and child.training]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
