"""Detector, optimiser and levers of step two, and one step of training them (METHOD, section 4)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from clipgap.augment import FeatureAugmentation
from clipgap.config import RunConfig
from clipgap.detector import Detector
from clipgap.engine.runtime import group_of
from clipgap.engine.train.average import WeightAverage, fresh_statistics
from clipgap.engine.train.batches import Batch
from clipgap.engine.train.tune import Tuning
from clipgap.errors import ConfigError, TrainingError
from clipgap.group import ALONE, Group
from clipgap.weights import what_is_not_finite

FIX = "lower train.lr, set train.clip_norm, or look at the images of this step"


class BadStepError(TrainingError):
    """A loss or gradient of a step is not finite, and so the step is not taken.

    Args:
        message: which, and the fix.
        figures: the losses, and the gradient's norm where it was computed.
    """

    def __init__(self, message: str, figures: dict[str, float]) -> None:
        super().__init__(message)
        self.figures = figures


class Trainer:
    """Detector, optimiser and levers, and one step of training them.

    Args:
        detector: as it was made from CLIP: what pulls back, and averages towards CLIP, goes by its weights.
        some_batches: gives batches of the source, for BatchNorm's statistics of averaged weights.
    """

    def __init__(
        self,
        detector: Detector,
        config: RunConfig,
        augment: FeatureAugmentation | None,
        fabric: Fabric,
        some_batches: Callable[[], Iterable[Batch]] | None = None,
    ) -> None:
        self.detector, self.config, self.augment, self.fabric = detector, config.train, augment, fabric
        detector.to(fabric.device)  # before its weights are remembered
        self.generator = torch.Generator()
        self.group = group_of(fabric, config.diversify.views)
        self._join(self.group)
        if augment is not None:
            augment.to(fabric.device)
            augment.attach(detector.transform, detector.trunk, self.generator)
        detector.roi_heads.align = config.align if config.align.on else None
        self.tuning = Tuning(detector.train(), config.tune, config.train)
        train = config.train
        optimizer = torch.optim.SGD(self.tuning.groups, train.lr, train.momentum, weight_decay=train.weight_decay)
        self.model, self.optimizer = fabric.setup(detector, optimizer)
        settle = partial(self._settle, some_batches) if config.batch_norm == "train" and some_batches else None
        self.average = WeightAverage(detector, config.average, settle)
        norms = [part for part in detector.modules() if isinstance(part, nn.BatchNorm2d) and part.training]
        self.statistics = [buffer for norm in norms for buffer in norm.buffers()]
        """Of BatchNorms that train: they move in the forward pass, before it is known whether the step is taken."""

    def step(self, batch: Batch, seed: int, step: int = 0) -> dict[str, float]:
        """SGD step number `step`, from 0; the losses of all processes' images, and `gradient_norm` (none where 16-mixed
        left the step out). All that is random in it comes from `seed`, the same in all processes.

        Raises:
            BadStepError: a loss or the gradient, of any process, is not finite; the weights are left as they were.
        """
        torch.manual_seed(seed)
        self.generator.manual_seed(seed)
        statistics = [buffer.clone() for buffer in self.statistics]
        images, targets = batch
        losses = self.model(images, targets)
        figures = {name: float(loss.detach()) for name, loss in losses.items()}
        try:
            figures = self._finite_losses(figures)
            self.optimizer.zero_grad()
            self.fabric.backward(sum(losses.values()))
            self.fabric.strategy.precision.unscale_gradients(self.optimizer.optimizer)  # of 16-mixed
            self.tuning.edit(step)
            norm = self._clipped_norm(figures)
        except BadStepError:
            for buffer, before in zip(self.statistics, statistics, strict=True):
                buffer.copy_(before)
            raise
        self.optimizer.step()
        self.average.take(step + 1)
        return {**figures, "gradient_norm": norm} if math.isfinite(norm) else figures

    def _finite_losses(self, figures: dict[str, float]) -> dict[str, float]:
        """The losses of all processes' images, before `backward`, which waits for all: they agree not to begin it."""
        everybody = self.group.exchange(figures)
        means = {name: sum(one[name] for one in everybody) / len(everybody) for name in figures}
        broken = [name for name, value in means.items() if not math.isfinite(value)]
        if broken:
            raise BadStepError(f"{', '.join(broken)} not finite; {FIX}", means)
        return means

    def _join(self, group: Group) -> None:
        """Have detector and levers learn as one process that has the images of a whole group."""
        self.detector.join(group)
        if self.augment is not None:
            self.augment.join(group)

    def _clipped_norm(self, figures: dict[str, float]) -> float:
        """The gradient's norm; a gradient above `train.clip_norm` is made as long as that."""
        trained = [p for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        norm = nn.utils.get_total_norm([cast(Tensor, p.grad) for p in trained])
        scaled = getattr(self.fabric.strategy.precision, "scaler", None) is not None  # 16-mixed leaves such steps out
        if not scaled and not norm.isfinite():
            self.optimizer.zero_grad()
            raise BadStepError(f"the gradient is not finite; {FIX}", {**figures, "gradient_norm": float(norm)})
        if self.config.clip_norm:
            nn.utils.clip_grads_with_norm_(trained, self.config.clip_norm, norm)
        return float(norm)

    def share_statistics(self) -> None:
        """Give all processes the main one's BatchNorm statistics: every one has moved its own by its own images."""
        if self.group.size > 1:
            for buffer in self.statistics:
                buffer.copy_(self.fabric.broadcast(buffer))

    def require_finite(self) -> None:
        """Make sure, before the weights are scored or saved, that the last step has not broken them.

        Raises:
            TrainingError: some are not finite; says how many.
        """
        fault = what_is_not_finite(self.detector.state_dict())
        if fault:
            raise TrainingError(f"{fault}, and so are not saved; lower train.lr")

    def set_lr(self, step: int) -> float:
        """The learning rate of a step: `lr`, times `lr_gamma` for every one of `lr_steps` that is past."""
        lr = self.config.lr * self.config.lr_gamma ** sum(step >= mark for mark in self.config.lr_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["factor"]
        return lr

    def state(self) -> dict[str, Any]:
        """Everything a checkpoint needs of this trainer."""
        offsets = self.augment.state_dict() if self.augment else {}
        return {
            "detector": self.detector.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "offsets": offsets,
            "average": self.average.state(),
            "precision": self.fabric.strategy.precision.state_dict(),  # how 16-mixed scales its gradients
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was taken.

        Raises:
            ConfigError: it had other offsets.
        """
        self.detector.load_state_dict(state["detector"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state.get("average"):
            self.average.load_state(state["average"])
        if state.get("precision"):
            self.fabric.strategy.precision.load_state_dict(state["precision"])
        if self.augment:
            mine = {name: tensor.shape for name, tensor in self.augment.state_dict().items()}
            if mine != {name: tensor.shape for name, tensor in state["offsets"].items()}:
                raise ConfigError("--resume: augment.file holds other offsets than the run was begun with; use those")
            self.augment.load_state_dict(state["offsets"])

    @torch.no_grad()
    def _settle(self, some_batches: Callable[[], Iterable[Batch]]) -> None:
        """Take BatchNorm's statistics anew, of the weights that are in the detector, over a few batches."""
        self.detector.train()
        devices = [] if self.fabric.device.type == "cpu" else [self.fabric.device]
        self._join(ALONE)  # every process takes them of the same images
        with torch.random.fork_rng(devices), fresh_statistics(self.detector):
            torch.manual_seed(0)
            self.generator.manual_seed(0)
            for images, targets in some_batches():
                self.detector(*self.fabric.to_device((images, targets)))
        self._join(self.group)
