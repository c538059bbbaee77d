"""Detectors with towers of every family at their real size, and what a user would take instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2

from benchmarks.detectors import CLASSES, REAL, Size, Work, inference, street, training
from clipgap.clip import load_clip
from clipgap.config import ClipConfig, FitConfig
from clipgap.engine.fitter import Fitter
from clipgap.prompts import BUILT_IN

TOWERS = {
    name: replace(REAL, clip=ClipConfig(name=name, pretrained="random"))
    for name in ("RN101", "convnext_base_w", "ViT-B-16")
}
FAST: dict[str, dict[str, dict[str, Any]]] = {
    "RN101": {"roi: atrous": {"roi": "atrous"}},
    "convnext_base_w": {"roi: atrous": {"roi": "atrous"}},
    "ViT-B-16": {"roi: dense": {"roi": "dense"}},
}
"""Of every tower layer4 once on the whole map."""
FEWER = {"rpn_post_nms_top_n_test": 300}


def fit_step(size: Size, bf16: bool = False, crops: int = 8, prompts: int = 2) -> Work:
    """Step one's iteration, of a seventh of the method's crops and prompts: its time is proportional to both."""
    clip, words = load_clip(size.clip), BUILT_IN["weather"]
    words = replace(words, targets=words.targets[:prompts])
    fitter = Fitter(clip, words, "frozen", FitConfig(), torch.device("cpu"), bf16)
    side = clip.tower_spec.image_size
    pictures = torch.randn(crops, 3, side, side, generator=torch.Generator().manual_seed(0))
    return lambda: tuple(float(loss) for loss in fitter.step(pictures))


def torchvisions(train: bool = False) -> Work:
    """torchvision's detector on the same picture, with 1000 proposals or 512 regions."""
    torch.manual_seed(0)
    sizes = {"min_size": REAL.height, "max_size": REAL.width, "num_classes": len(CLASSES) + 1}
    model = fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, **sizes).train(train)
    optimizer = torch.optim.SGD(model.parameters(), 1e-5, momentum=0.9)
    images, targets = street(1)

    def step() -> None:
        optimizer.zero_grad()
        sum(model(images, targets).values()).backward()
        optimizer.step()

    @torch.inference_mode()
    def detect() -> None:
        model(images)

    return step if train else detect


def ways_of_inference() -> dict[str, Callable[[], Work]]:
    ways: dict[str, Callable[[], Work]] = {"torchvision fasterrcnn_resnet50_fpn_v2": torchvisions}
    for name, size in TOWERS.items():
        ways[f"{name}, exact"] = partial(inference, size=size)
        ways[f"{name}, exact, bf16"] = partial(inference, size=size, bf16=True)
        ways[f"{name}, exact, bf16, 300 proposals"] = partial(inference, size=size, bf16=True, **FEWER)
        for way, settings in FAST[name].items():
            ways[f"{name}, {way}, 300 proposals"] = partial(inference, size=size, **settings, **FEWER)
            ways[f"{name}, {way}, 300 proposals, bf16"] = partial(inference, size=size, bf16=True, **settings, **FEWER)
    return ways


def ways_of_training() -> dict[str, Callable[[], Work]]:
    ways: dict[str, Callable[[], Work]] = {"torchvision fasterrcnn_resnet50_fpn_v2": partial(torchvisions, train=True)}
    for name, size in TOWERS.items():
        ways[f"{name}, exact, bf16"] = partial(training, size=size, bf16=True)
        ways[f"{name}, exact, bf16, 128 regions"] = partial(
            training, size=size, bf16=True, box_batch_size_per_image=128
        )
        for way, settings in FAST[name].items():
            ways[f"{name}, {way}, bf16"] = partial(training, size=size, bf16=True, **settings)
    return ways


def ways_of_fit() -> dict[str, Callable[[], Work]]:
    return {
        f"{name}{', bf16' if bf16 else ''}": partial(fit_step, size, bf16)
        for name, size in TOWERS.items()
        for bf16 in (False, True)
    }
