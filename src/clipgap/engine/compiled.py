"""Step two's layer4 and pooling through torch.compile, where that works."""

from __future__ import annotations

import copy

import torch

from clipgap.clip import RoiPart
from clipgap.detector import Detector
from clipgap.detector.roi_heads import at_once
from clipgap.engine.progress import log


def compile_heads(detector: Detector) -> None:
    """Compile what layer4 and the pooling do with regions (`roi: per_region`), for the autocast that is on.

    A trial, forward and backward, tells whether that can be done here; where it fails, they stay as they are.
    """
    trial = copy.deepcopy(detector.roi_heads)  # so that no BatchNorm's averages move
    tower, device = detector.spec.tower, next(detector.parameters()).device
    box_head: RoiPart = trial.box_head
    shape = (1, tower.c4_channels, tower.roi_size, tower.roi_size)
    features = torch.zeros(shape, device=device, requires_grad=True)
    boxes = torch.tensor([[0.0, 0, tower.image_size, tower.image_size]] * at_once(device), device=device)
    try:
        trial.finish = compiled = torch.compile(type(box_head).finish)
        logits, deltas = trial.predict(trial.maps(*[features] * len(trial.strides)), [boxes])
        torch.autograd.grad(logits.sum() + deltas.sum(), [features])
    except RuntimeError as error:  # the base of all that torch.compile raises
        reason = " ".join(str(error).split())[:200]
        log.print(f"run.compile: torch.compile fails here, so nothing is compiled ({reason})", style="yellow")
    else:
        detector.roi_heads.finish = compiled
