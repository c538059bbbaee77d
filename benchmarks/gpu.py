"""What is measured on a GPU only: the training step, and layer4 beside the card's rate of matrix products."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.detectors import REAL, Size, Work, detector, training
from benchmarks.jobs import Job, same_losses
from clipgap.clip import RoiPart

TIMES = 10
"""Passes that are timed together: one alone would be the time it takes to ask for it."""


def on_card(make: Callable[..., Work], **settings: Any) -> Callable[[], Work]:
    """The work on the card, warmed up, and waited for; float32 means float32."""

    def made() -> Work:
        torch.backends.cudnn.allow_tf32 = False  # matrix products' is off by default
        work = make(device="cuda", **settings)

        def waited() -> Any:
            result = work()
            torch.cuda.synchronize()
            return result

        waited()
        return waited

    return made


def card_peak() -> float:
    """Peak memory that this process had on the card, in GB."""
    return torch.cuda.max_memory_allocated() / 2**30


def matrix_product(device: str, side: int = 8192, kind: torch.dtype = torch.bfloat16) -> Work:
    """Gives operations a second."""
    a, b = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    return rate(lambda: torch.mm(a, b), device)


def layer4(device: str, regions: int = 2048, size: Size = REAL) -> Work:
    """Forward and backward of layer4 and the pooling in bf16, as in training; gives operations a second."""
    model = detector(size=size).to(device).train()
    part: RoiPart = model.roi_heads.box_head
    tower = model.spec.tower
    shape = (regions, tower.c4_channels, tower.roi_size, tower.roi_size)
    features = torch.randn(shape, device=device, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    features.requires_grad_()

    def forward_and_backward() -> None:
        part.zero_grad()
        features.grad = None
        with torch.autocast(device, torch.bfloat16):
            embeddings, means = part(features)
        (embeddings.float().sum() + means.float().sum()).backward()

    return rate(forward_and_backward, device)


def rate(work: Callable[[], Any], device: str) -> Work:
    """Operations a second of some work."""
    count = operations(work)

    def timed() -> float:
        start = time.perf_counter()
        for _ in range(TIMES):
            work()
        if device == "cuda":
            torch.cuda.synchronize()
        return TIMES * count / (time.perf_counter() - start)

    return timed


def operations(work: Callable[[], Any]) -> int:
    """Multiplications and additions in the convolutions and matrix products of some work."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def share(product: float, ours: float) -> str:
    return f"{ours / 1e12:.0f} of {product / 1e12:.0f} TFLOP/s: {100 * ours / product:.0f} %"


GPU_JOBS = {
    "gpu_train_step": Job(
        "training step on the GPU, RN101, 600 x 1067, batch 4",
        {
            "plain": on_card(training, plain=True, batch=4),
            "exact": on_card(training, batch=4),
            "exact, bf16": on_card(training, batch=4, bf16=True),
            "exact, bf16, compiled": on_card(training, batch=4, bf16=True, compiled=True),
            "roi: dense, bf16": on_card(training, batch=4, bf16=True, roi="dense"),
        },
        same_losses,
        rounds=5,
        bars={"exact, bf16": ">= 5 x"},
    ),
    "gpu_layer4": Job(
        f"{TIMES} x layer4 and pooling on the GPU, forward and backward, 2048 regions, bf16",
        {"matrix product, 8192 x 8192": on_card(matrix_product), "layer4": on_card(layer4)},
        share,
        bars={"layer4": ">= 35 % of the matrix product's rate"},
        compared=("layer4",),
    ),
}
