"""Detector, optimiser and augmentation of step two, and one step of training them (METHOD, section 4)."""

from __future__ import annotations

import math
from typing import Any

import torch
from lightning_fabric import Fabric

from clipgap.augment import OffsetFeatures
from clipgap.config import TrainConfig
from clipgap.detector import Detector
from clipgap.engine.train.augmentation import move_features
from clipgap.engine.train.batches import Batch
from clipgap.errors import ConfigError, TrainingError
from clipgap.weights import what_is_not_finite


class Trainer:
    """Detector, optimiser and augmentation, and one step of training them."""

    def __init__(self, detector: Detector, config: TrainConfig, augment: OffsetFeatures | None, fabric: Fabric) -> None:
        self.detector, self.config, self.augment, self.fabric = detector, config, augment, fabric
        self.generator = torch.Generator()
        if augment is not None:
            augment.to(fabric.device)
            move_features(detector, augment, self.generator)
        trained = [parameter for parameter in detector.train().parameters() if parameter.requires_grad]
        optimizer = torch.optim.SGD(trained, config.lr, momentum=config.momentum, weight_decay=config.weight_decay)
        self.model, self.optimizer = fabric.setup(detector, optimizer)

    def step(self, batch: Batch, seed: int) -> dict[str, float]:
        """One SGD step; the losses. All that is random in it comes from `seed`.

        Raises:
            TrainingError: a loss is not finite; the weights are left as they were.
        """
        torch.manual_seed(seed)
        self.generator.manual_seed(seed)
        images, targets = batch
        losses = self.model(images, targets)
        figures = {name: float(loss.detach()) for name, loss in losses.items()}
        broken = [name for name, value in figures.items() if not math.isfinite(value)]
        if broken:
            raise TrainingError(f"{', '.join(broken)} not finite; lower train.lr, or look at the images of this step")
        self.optimizer.zero_grad()
        self.fabric.backward(sum(losses.values()))
        self.optimizer.step()
        return figures

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
            group["lr"] = lr
        return lr

    def state(self) -> dict[str, Any]:
        """Everything a checkpoint needs of this trainer."""
        offsets = self.augment.state_dict() if self.augment else {}
        return {
            "detector": self.detector.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "offsets": offsets,
            "precision": self.fabric.strategy.precision.state_dict(),  # how 16-mixed scales its gradients
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was taken.

        Raises:
            ConfigError: it had other offsets.
        """
        self.detector.load_state_dict(state["detector"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state.get("precision"):
            self.fabric.strategy.precision.load_state_dict(state["precision"])
        if self.augment:
            mine = {name: tensor.shape for name, tensor in self.augment.state_dict().items()}
            if mine != {name: tensor.shape for name, tensor in state["offsets"].items()}:
                raise ConfigError("--resume: augment.file holds other offsets than the run was begun with; use those")
            self.augment.load_state_dict(state["offsets"])
