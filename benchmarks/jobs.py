"""The work that is compared: for every job the plain way, ours, and faster settings that give other numbers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.detectors import CLASSES, MINI, REAL, Work, inference, onnx_inference, training
from benchmarks.files import data_check, loading
from benchmarks.levers import WAYS, lever_step
from benchmarks.objective import fit_to_objective
from benchmarks.plain_fit import PlainFit
from benchmarks.plain_voc import plain_ap50
from benchmarks.towers import ways_of_fit, ways_of_inference, ways_of_training
from clipgap.clip import load_clip
from clipgap.config import FitConfig
from clipgap.engine.fitter import Fitter
from clipgap.metrics import VocAP
from clipgap.prompts import BUILT_IN


@dataclass(frozen=True)
class Job:
    """One piece of work: a title, the ways to do it (the first is the yardstick), and how results are compared."""

    title: str
    ways: dict[str, Callable[[], Work]]
    compare: Callable[[Any, Any], str] = lambda plain, ours: ""
    rounds: int = 3
    bars: dict[str, str] = field(default_factory=dict)
    shorter: dict[str, Callable[[], Work]] = field(default_factory=dict)
    """Ways whose peak memory is that of a part of their work."""
    compared: tuple[str, ...] = ("exact",)
    """The ways whose result is compared with the plain one's."""
    floored: bool = False
    """Whether to say what the operations alone would take, at the rate of matrix products on this machine."""


def fit_step(plain: bool, crops: int = 60) -> Work:
    clip, prompts = load_clip(REAL.clip), BUILT_IN["weather"]
    fitter: Any = (
        PlainFit(clip, prompts, lr=0.01) if plain else Fitter(clip, prompts, "frozen", FitConfig(), torch.device("cpu"))
    )
    size = clip.spec.tower.image_size
    pictures = torch.randn(crops, 3, size, size, generator=torch.Generator().manual_seed(0))
    return lambda: tuple(float(loss) for loss in fitter.step(pictures))


def voc_ap(plain: bool) -> Work:
    """26,000 images, 500,000 detections."""
    random = np.random.default_rng(0)
    predictions, targets = [], []
    for i in range(26_000):
        boxes = random.uniform(0, 1000, (random.integers(1, 14), 4)).astype(np.float32)
        boxes[:, 2:] = boxes[:, :2] + random.uniform(10, 200, (len(boxes), 2))
        labels = random.choice(7, len(boxes), p=[0.015, 0.01, 0.81, 0.005, 0.11, 0.01, 0.04]) + 1
        near = random.integers(0, len(boxes), 500_000 // 26_000 + (i < 500_000 % 26_000))
        moved = boxes[near] + random.normal(0, 8, (len(near), 4)).astype(np.float32)
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        predictions.append({"boxes": moved, "labels": labels[near], "scores": random.random(len(near))})
        none = np.zeros(len(boxes), dtype=bool)
        targets.append({"boxes": boxes, "labels": labels, "difficult": none, "iscrowd": none})

    def ours() -> float | None:
        metric = VocAP(CLASSES)
        metric.update(predictions, targets)
        return metric.compute().headline

    return (lambda: plain_ap50(predictions, targets, len(CLASSES))) if plain else ours


def objectives(plain: tuple[float, float], ours: tuple[float, float]) -> str:
    return f"pooled held-out objective {ours[1]:.3f}; plain {plain[1]:.3f}, no offsets {plain[0]:.3f}"


def counts(plain: tuple[int, int], ours: tuple[int, int]) -> str:
    return f"{ours[0]:,} boxes, {ours[1]} faults; plain {plain[0]:,} boxes"


def command(*arguments: str) -> Work:
    """A command of ours in a fresh process."""
    clipgap = str(Path(sys.executable).with_name("clipgap"))
    return lambda: subprocess.run([clipgap, *arguments], check=True, capture_output=True)


def python(code: str) -> Work:
    return lambda: subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def same_losses(plain: Any, ours: Any) -> str:
    pairs = (
        zip(plain.values(), ours.values(), strict=True) if isinstance(plain, dict) else zip(plain, ours, strict=True)
    )
    return f"losses differ by {max(abs(a - b) for a, b in pairs):.1e}"


def same_detections(plain: dict[str, torch.Tensor], ours: dict[str, torch.Tensor]) -> str:
    """How many plain detections have one of ours within 0.1 px and 1e-3; on random weights scores tie."""
    boxes = torch.cdist(plain["boxes"], ours["boxes"], p=torch.inf)
    scores = (plain["scores"][:, None] - ours["scores"]).abs()
    same = (boxes <= 0.1) & (scores <= 1e-3) & (plain["labels"][:, None] == ours["labels"])
    return f"{int(same.any(1).sum())} of {len(same)} detections within 0.1 px and 1e-3"


JOBS = {
    "fit_step": Job(
        "step one, one iteration, RN101, 60 crops, 15 prompts",
        {"plain": lambda: fit_step(True), "exact": lambda: fit_step(False)},
        same_losses,
        rounds=1,
        bars={"exact": ">= 2.5 x, memory <= 1/2"},
    ),
    "fit_objective": Job(
        "step one to the plain loop's final objective, tiny CLIP",
        {"plain": lambda: fit_to_objective(True), "one number a channel, lr 0.1": lambda: fit_to_objective(False)},
        objectives,
        rounds=1,
        bars={"one number a channel, lr 0.1": ">= 10 x"},
        shorter={"plain": lambda: fit_to_objective(True, steps=20)},
        compared=("one number a channel, lr 0.1",),
    ),
    "train_step": Job(
        "training step, RN101, 600 x 1067, batch 1, 512 regions",
        {
            "plain": lambda: training(True),
            "exact": training,
            "exact, bf16": lambda: training(bf16=True),
            "roi: dense": lambda: training(roi="dense"),
            "roi: atrous": lambda: training(roi="atrous"),
            "128 regions": lambda: training(box_batch_size_per_image=128),
            "roi: dense, 128 regions": lambda: training(roi="dense", box_batch_size_per_image=128),
        },
        same_losses,
        rounds=3,
        bars={"exact": ">= 1.5 x, memory <= 1/2", "roi: dense": ">= 8 x"},
    ),
    "train_step_4": Job(
        "training step, RN101, batch 4",
        {"exact": lambda: training(batch=4)},
        rounds=1,
        bars={"exact": "16 GB"},
    ),
    "train_step_tiny": Job(
        "training step, tiny CLIP, 288 x 480, batch 4, 32 regions an image",
        {
            "plain": lambda: training(True, MINI, batch=4),
            "exact": lambda: training(size=MINI, batch=4),
            "roi: dense": lambda: training(size=MINI, batch=4, roi="dense"),
            "roi: atrous": lambda: training(size=MINI, batch=4, roi="atrous"),
        },
        same_losses,
        rounds=5,
    ),
    "levers": Job(
        "training step and its images, tiny CLIP, 288 x 480, batch 4, one lever each",
        {way: partial(lever_step, *settings) for way, settings in WAYS.items()},
        rounds=5,
        bars={way: ">= 0.91 x" for way in WAYS if way.endswith("half of the images")},
    ),
    "inference": Job(
        "inference, RN101, 600 x 1067, 1000 proposals",
        {
            "plain": lambda: inference(True),
            "exact": inference,
            "exact, bf16": lambda: inference(bf16=True),
            "ONNX Runtime, one graph": onnx_inference,
            "ONNX Runtime, two graphs": lambda: onnx_inference(graphs="two"),
            "roi: dense": lambda: inference(roi="dense"),
            "roi: atrous": lambda: inference(roi="atrous"),
            "roi: dense, 300 proposals": lambda: inference(roi="dense", rpn_post_nms_top_n_test=300),
        },
        same_detections,
        rounds=5,
        bars={"exact": ">= 1.5 x", "roi: dense": ">= 10 x"},
        compared=("exact", "ONNX Runtime, one graph", "ONNX Runtime, two graphs"),
    ),
    "inference_lean": Job(
        "inference, RN101, 600 x 1067, fewer of 1000 proposals",
        {
            "plain": lambda: inference(True),
            "exact, bf16, 500 proposals": lambda: inference(bf16=True, rpn_post_nms_top_n_test=500),
            "exact, bf16, 400 proposals": lambda: inference(bf16=True, rpn_post_nms_top_n_test=400),
        },
        rounds=3,
        bars={"exact, bf16, 500 proposals": ">= 8 x", "exact, bf16, 400 proposals": ">= 8 x"},
    ),
    "inference_tiny": Job(
        "inference, tiny CLIP, 288 x 480, 100 proposals",
        {
            "plain": lambda: inference(True, MINI),
            "exact": lambda: inference(size=MINI),
            "roi: dense": lambda: inference(size=MINI, roi="dense"),
            "roi: atrous": lambda: inference(size=MINI, roi="atrous"),
        },
        same_detections,
        rounds=9,
    ),
    "towers_fit": Job(
        "step one, one iteration, 8 crops, 2 prompts",
        ways_of_fit(),
        rounds=1,
        floored=True,
    ),
    "towers_train": Job(
        "training step, 600 x 1067, batch 1, 512 regions",
        ways_of_training(),
        rounds=1,
        floored=True,
    ),
    "towers_inference": Job(
        "detection, 600 x 1067, 1000 proposals",
        ways_of_inference(),
        rounds=2,
        bars={"RN101, roi: atrous, 300 proposals": ">= 0.67 x"},
        floored=True,
    ),
    "voc_ap": Job(
        "VOC AP of 26,000 images, 500,000 detections",
        {"plain": lambda: voc_ap(True), "exact": lambda: voc_ap(False)},
        lambda plain, ours: f"AP differs by {abs(plain - ours):.1e}",
        bars={"exact": ">= 10 x, under 5 s"},
    ),
    "data_check": Job(
        "data check of 20,000 VOC files, images of 64 x 48",
        {"plain": lambda: data_check(True), "clipgap data check": lambda: data_check(False)},
        counts,
        compared=("clipgap data check",),
    ),
    "loading": Job(
        "loading 10 batches of 4 images of 720 x 1280",
        {"no workers": lambda: loading(0), "2 workers": lambda: loading(2)},
        bars=dict.fromkeys(("no workers", "2 workers"), "< 10 training steps of batch 4"),
    ),
    "start_up": Job(
        "start-up, against importing torch",
        {
            "import torch": lambda: python("import torch"),
            "clipgap --help": lambda: command("--help"),
            "import clipgap": lambda: python("import clipgap"),
        },
        bars={"clipgap --help": "under 0.5 s"},
        rounds=5,
    ),
}
