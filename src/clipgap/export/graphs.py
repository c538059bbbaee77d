"""A Detector as two ONNX graphs and a JSON of everything between them.

    features.onnx   image (3, H, W) in [0, 1] -> objectness (h, w, A), deltas (h * w * A, 4), maps for the regions
    regions.onnx    boxes (R, 4) xyxy in the resized image, maps -> scores (R, K + 1), deltas (R, (K + 1) * 4)
    detector.json   classes, sizes and every constant of the detector, as in a Detector folder's config.yaml

Two, because between them proposals are chosen (`OnnxDetector` does it) and regions go in pieces, so that memory is
bounded. H, W and R are free.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from clipgap.detector import Detector
from clipgap.errors import ClipgapError
from clipgap.files import hash_of_file, new_folder, require_new, write_text, write_then_rename

FEATURES_FILE, REGIONS_FILE, DETECTOR_FILE = "features.onnx", "regions.onnx", "detector.json"
FORMAT = "clipgap onnx 1"
EXAMPLE = (3, 256, 320)
"""Of the image that the exporter traces; any other size will do as well."""


class _Features(nn.Module):
    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector.eval()

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        features = self.detector.backbone(self.detector.transform.normalize(image)[None])
        logits, deltas = (one[0] for one in self.detector.rpn.head([features]))
        deltas = deltas[0].unflatten(0, (-1, 4)).permute(2, 3, 0, 1)
        return logits[0].permute(1, 2, 0), deltas.flatten(0, 2), *self.detector.roi_heads.maps(features)


class _Regions(nn.Module):
    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.heads = detector.roi_heads.eval()

    def forward(self, boxes: Tensor, *maps: Tensor) -> tuple[Tensor, Tensor]:
        logits, deltas = self.heads.predict(maps, [boxes])
        return logits.float().softmax(-1), deltas


@torch.no_grad()
def export_onnx(detector: Detector, out: Path) -> float:
    """Write a folder that `OnnxDetector.load` reads, and run both graphs on an image of another size.

    Returns:
        The largest difference between ONNX Runtime's numbers and PyTorch's, as a part of each output's largest number.

    Raises:
        ClipgapError: the packages of the extra `onnx` are missing, `out` holds something already, or the detector has
            score fusion.
    """
    if detector.spec.detector.fusion:
        raise ClipgapError(
            "detector.fusion: a detector with score fusion cannot be exported to ONNX; train one with detector.fusion=0"
        )
    onnxruntime()
    require_new(out, "--out")
    with new_folder(out) as half_made:
        return _export(detector, half_made)


def _export(detector: Detector, out: Path) -> float:
    folded = detector.for_inference().cpu().to(memory_format=torch.contiguous_format)
    features, regions = _Features(folded), _Regions(folded)
    image, boxes = torch.rand(EXAMPLE), torch.tensor([[8.0, 8, 120, 100], [50, 30, 300, 200], [0, 0, 60, 60]])
    maps = features(image)[2:]
    names = [f"map_{number}" for number in range(len(maps))]
    free: dict[str, Any] = {"image": {1: Dim.DYNAMIC, 2: Dim.DYNAMIC}}
    _write(features, (image,), out / FEATURES_FILE, ["image"], ["objectness", "deltas", *names], free)
    cells = {2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    free = {"boxes": {0: Dim.DYNAMIC}, "maps": tuple(cells for _ in maps)}
    _write(regions, (boxes, *maps), out / REGIONS_FILE, ["boxes", *names], ["scores", "deltas"], free)
    spec = detector.spec.model_dump(mode="json")
    hashes = {name: hash_of_file(out / name) for name in (FEATURES_FILE, REGIONS_FILE)}
    write_text(out / DETECTOR_FILE, json.dumps({"format": FORMAT, "hashes": hashes, **spec}, indent=1))
    other = torch.rand(3, 176, 240)
    maps = features(other)[2:]
    return max(
        _difference(features, out / FEATURES_FILE, other), _difference(regions, out / REGIONS_FILE, boxes, *maps)
    )


def is_exported(folder: Path) -> bool:
    """Whether `export_onnx` wrote this folder."""
    return (folder / DETECTOR_FILE).is_file()


def onnxruntime() -> Any:
    """The package.

    Raises:
        ClipgapError: it is not installed.
    """
    try:
        return importlib.import_module("onnxruntime")
    except ImportError:
        raise ClipgapError("ONNX needs more packages: pip install 'clipgap[onnx]'") from None


def _difference(module: nn.Module, file: Path, *inputs: Tensor) -> float:
    session = onnxruntime().InferenceSession(file, providers=["CPUExecutionProvider"])
    named = dict(zip([one.name for one in session.get_inputs()], [one.numpy() for one in inputs], strict=True))
    pairs = zip(module(*inputs), map(torch.from_numpy, session.run(None, named)), strict=True)
    return max(float((ours - theirs).abs().max() / ours.abs().max().clamp(min=1e-12)) for ours, theirs in pairs)


def _write(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    file: Path,
    names: list[str],
    outputs: list[str],
    free: dict[str, Any],
) -> None:
    """One graph, weights inside. The exporter talks much, and says nothing that our callers could act on."""
    write = partial(
        torch.onnx.export,
        module,
        inputs,
        input_names=names,
        output_names=outputs,
        dynamic_shapes=free,
        dynamo=True,
        external_data=False,
    )
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _quiet():
            warnings.simplefilter("ignore")
            write_then_rename(file, write)
    except ImportError:
        raise ClipgapError("export needs more packages: pip install 'clipgap[onnx]'") from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
