"""Detectors at the sizes that are timed, and one training step or one detection of theirs: the plain way and ours."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.plain_detector import make_plain
from clipgap.clip import load_clip
from clipgap.config import BatchNorm, ClipConfig, DetectorConfig, Graphs, ImageConfig, load_config
from clipgap.detector import Detector, DetectorSpec
from clipgap.engine.compiled import compile_heads
from clipgap.export import OnnxDetector, export_onnx
from clipgap.processes import pool

CLASSES = ["bus", "bike", "car", "motor", "person", "rider", "truck"]
Work = Callable[[], Any]


@dataclass(frozen=True)
class Size:
    """A CLIP, the images that it sees, and the detector's settings that belong to them."""

    clip: ClipConfig
    height: int
    width: int
    detector: DetectorConfig
    batch_norm: BatchNorm = "frozen"


_PRESET = load_config("mini_world")
REAL = Size(ClipConfig(name="RN101", pretrained="random"), 600, 1067, DetectorConfig())
MINI = Size(_PRESET.clip, _PRESET.image.short_side, _PRESET.image.long_side, _PRESET.detector)
"""The miniature world's, with the tiny CLIP that ships with the package."""


def detector(plain: bool = False, size: Size = REAL, **settings: Any) -> Detector:
    clip = load_clip(size.clip)
    spec = DetectorSpec(
        classes=CLASSES,
        tower=clip.spec.tower,
        description="benchmark",
        batch_norm=size.batch_norm,
        image=ImageConfig(short_side=size.height, long_side=size.width),
        detector=DetectorConfig(**(size.detector.model_dump() | settings)),
    )
    torch.manual_seed(0)
    made = Detector.from_clip(clip, spec)
    return make_plain(made) if plain else made.to(memory_format=torch.channels_last)


def street(batch: int, size: Size = REAL) -> tuple[list[torch.Tensor], list[dict[str, torch.Tensor]]]:
    """Random images of whole 255ths, as a file holds them, with 8 boxes each."""
    generator = torch.Generator().manual_seed(0)
    side = size.height / 4
    room = torch.tensor([size.width - side, size.height - side])
    corners = torch.rand(8, 2, generator=generator) * room
    labels = torch.randint(1, 8, (8,), generator=generator)
    target = {"boxes": torch.cat([corners, corners + side], dim=1), "labels": labels}
    shape = (3, size.height, size.width)
    return [torch.randint(0, 256, shape, generator=generator) / 255 for _ in range(batch)], [target] * batch


def training(
    plain: bool = False,
    size: Size = REAL,
    batch: int = 1,
    bf16: bool = False,
    compiled: bool = False,
    device: str = "cpu",
    **settings: Any,
) -> Work:
    model = detector(plain, size, **settings).to(device).train()
    precision = partial(torch.autocast, device, torch.bfloat16, enabled=bf16)
    if compiled:
        with precision():
            compile_heads(model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 1e-5, momentum=0.9)
    images, targets = street(batch, size)
    images = [image.to(device) for image in images]
    targets = [{key: value.to(device) for key, value in target.items()} for target in targets]

    def step() -> dict[str, float]:
        torch.manual_seed(1)
        optimizer.zero_grad()
        with precision():
            losses = model(images, targets)
        sum(losses.values()).backward()
        optimizer.step()
        return {name: float(loss.detach()) for name, loss in losses.items()}

    return step


def inference(plain: bool = False, size: Size = REAL, bf16: bool = False, **settings: Any) -> Work:
    model = detector(plain, size, box_score_thresh=0.0, **settings)
    model = model.eval() if plain else model.for_inference("bf16-mixed" if bf16 else "32-true")
    images, _ = street(1, size)
    return lambda: model.detect(images, [(size.height, size.width)])[0]


def onnx_inference(size: Size = REAL, graphs: Graphs = "one") -> Work:
    """The exported detector on the same image, with as many threads as torch has."""
    with tempfile.TemporaryDirectory(prefix="clipgap_bench_") as folder:
        out = Path(folder) / "onnx"
        # In a process of its own: the exporter's memory is not the runtime's.
        with pool(1) as exporter:
            exporter.submit(_export, size, out, graphs).result()
        model = OnnxDetector.load(out, torch.get_num_threads())
    images, _ = street(1, size)
    picture = (images[0] * 255).round().byte().permute(1, 2, 0).numpy()

    def detect() -> dict[str, torch.Tensor]:
        found = model.predict(picture)
        arrays = {"boxes": found.xyxy, "scores": found.confidence, "labels": found.class_id + 1}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    return detect


def _export(size: Size, out: Path, graphs: Graphs) -> None:
    export_onnx(detector(size=size, box_score_thresh=0.0), out, graphs)
