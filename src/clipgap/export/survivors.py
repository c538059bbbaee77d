"""Non-maximum suppression with a shape that is known beforehand, for graphs: a mask of what survives."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision.ops import nms


@torch.library.custom_op("clipgap::survivors", mutates_args=())
def survivors(boxes: Tensor, scores: Tensor, iou: float, least: float) -> Tensor:
    """Which boxes stay when those that overlap a better one by more than `iou` go, (B, P) bool.

    Args:
        boxes: (B, P, 4) xyxy; those of different rows leave each other alone.
        scores: (B, P).
        iou: the largest overlap that is left.
        least: boxes that score no more do not stay, nor take part.
    """
    stay = torch.zeros_like(scores, dtype=torch.bool)
    for row, (some, of) in enumerate(zip(boxes, scores, strict=True)):
        asked = (of > least).nonzero()[:, 0]
        stay[row, asked[nms(some[asked], of[asked], iou)]] = True
    return stay


@survivors.register_fake
def _(boxes: Tensor, scores: Tensor, iou: float, least: float) -> Tensor:
    return torch.empty_like(scores, dtype=torch.bool)


def survivors_onnx(boxes: Any, scores: Any, iou: float, least: float) -> Any:
    """`survivors` in ONNX's operators: what the exporter puts in its place."""
    from onnx import TensorProto, helper
    from onnxscript import opset18

    op: Any = opset18  # its annotations know nothing of constants

    def filled(shape: Any, value: int) -> Any:
        return op.ConstantOfShape(shape, value=helper.make_tensor("value", TensorProto.INT32, [1], [value]))

    chosen = op.NonMaxSuppression(boxes, op.Unsqueeze(scores, [1]), torch.iinfo(torch.int32).max, iou, least)
    places = op.Gather(chosen, [0, 2], axis=1)  # of row, class and box: there is one class
    ones = filled(op.Shape(places, start=0, end=1), 1)
    return op.Cast(op.ScatterND(filled(op.Shape(scores), 0), places, ones), to=TensorProto.BOOL)
