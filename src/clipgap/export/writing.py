"""A Detector into a folder of ONNX graphs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clipgap.config import GraphPrecision, Graphs
from clipgap.detector import Detector
from clipgap.errors import ClipgapError, ConfigError
from clipgap.export.folder import FORMS, write_exported
from clipgap.export.one_graph import OneGraph, inputs_of
from clipgap.export.precision import to_half, to_int8
from clipgap.export.tracing import onnxruntime
from clipgap.files import new_folder, require_new


@dataclass(frozen=True)
class Exported:
    """What `export_onnx` wrote."""

    difference: float | None
    """The largest between ONNX Runtime's numbers and PyTorch's on random images: of scores, where there is one graph,
    and None where neither detects anything in them; as a part of each output's largest number, where there are two."""
    opset: int
    """The version of ONNX's operators."""
    files: dict[str, dict[str, str]]
    """By the name of a graph's file its inputs and outputs, and their types and shapes."""


@torch.no_grad()
def export_onnx(
    detector: Detector,
    out: Path,
    graphs: Graphs = "one",
    precision: GraphPrecision = "float32",
    calibration: Sequence[Tensor] = (),
) -> Exported:
    """Write a folder that `OnnxDetector.load` reads, and run what was written on images of another size.

    Args:
        detector: stays as it is.
        out: a new folder.
        graphs: `one` from pixels to detections; `two` with the choice of proposals between them, which `OnnxDetector`
            makes: less memory where there are many.
        precision: of backbone, layer4 and pooling in one graph. `float16` where the runtime computes in it: on CPUs it
            is slower. `int8`: their convolutions.
        calibration: for `int8`, resized images (3, H, W) in [0, 1] of the kind that the detector will see.

    Raises:
        ClipgapError: the packages of the extra `onnx` are missing, `out` holds something already, or the detector has
            score fusion or a neck.
        ConfigError: a precision for two graphs, or `int8` without images.
    """
    if detector.spec.detector.neck != "none":
        raise ClipgapError(
            "detector.neck: a detector with a neck cannot be exported to ONNX; train one with detector.neck=none"
        )
    if detector.spec.detector.fusion:
        raise ClipgapError(
            "detector.fusion: a detector with score fusion cannot be exported to ONNX; train one with detector.fusion=0"
        )
    if precision != "float32" and graphs == "two":
        raise ConfigError(f"precision {precision}: for one graph only; two graphs are written in float32")
    if precision == "int8" and not calibration:
        raise ConfigError("precision int8: images are needed to find the range of its numbers")
    onnxruntime()
    require_new(out, "--out")
    folded = detector.for_inference().cpu().to(memory_format=torch.contiguous_format)
    with new_folder(out) as half_made:
        FORMS[graphs].write(folded, half_made)
        _with_fewer_bits(half_made, precision, calibration)
        difference = FORMS[graphs].differs(folded, half_made)
        write_exported(half_made, detector.spec, graphs, precision)
        opset, files = _described([half_made / name for name in FORMS[graphs].files])
    return Exported(difference, opset, files)


def _with_fewer_bits(folder: Path, precision: GraphPrecision, calibration: Sequence[Tensor]) -> None:
    (name,) = OneGraph.files
    if precision == "float16":
        to_half(folder / name)
    elif precision == "int8":
        to_int8(folder / name, (inputs_of([image.numpy()]) for image in calibration))


def _described(files: Sequence[Path]) -> tuple[int, dict[str, dict[str, str]]]:
    import onnx

    described, opset = {}, 0
    for file in files:
        model = onnx.load(file)
        opset = next(one.version for one in model.opset_import if not one.domain)
        described[file.name] = {one.name: _shape(one) for one in (*model.graph.input, *model.graph.output)}
    return opset, described


def _shape(value: Any) -> str:
    import onnx

    tensor = value.type.tensor_type
    named = (side.dim_param or str(side.dim_value) for side in tensor.shape.dim)
    sides = ", ".join("?" if re.search(r"\W|^s\d+$", side) else side for side in named)  # `?`: follows from others
    return f"{onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)} ({sides})"
