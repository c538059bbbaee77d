"""RoIAlign as detectron2 has it: aligned, with as many points a cell as its size asks for (METHOD, section 4).

On a CPU every value of a region is a weighted sum of a few cells of the map: a bag of embeddings. torchvision's
kernel needs three times as long there, and its backward pass, in one thread only, more than ten times.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import roi_align as torchvision_roi_align

from clipgap.clip import halve


def roi_align(
    features: Tensor,
    boxes: list[Tensor] | Tensor,
    size: int,
    stride: int,
    sampling_ratio: int = 0,
    halved: bool = False,
) -> Tensor:
    """Features of regions (R, C, size, size), in the order of `boxes`; gradients to the features only.

    Args:
        features: (N, C, H, W).
        boxes: for every image (R_i, 4) xyxy in pixels; or of all (R, 5), each box behind the number of its image.
        size: cells along a region's side.
        stride: pixels of a cell of the map.
        sampling_ratio: points along each side of a cell; 0: as many as it is large.
        halved: give the means of 2 x 2 cells instead, (R, C, size / 2, size / 2).
    """
    if features.device.type != "cpu" or isinstance(boxes, Tensor) or torch.onnx.is_in_onnx_export():
        regions: Tensor = torchvision_roi_align(features, boxes, size, 1 / stride, sampling_ratio, aligned=True)
        return halve(regions) if halved else regions
    images, channels, height, width = features.shape
    corners = torch.cat(boxes).float() / stride - 0.5
    rows = _axis_weights(corners[:, 1], corners[:, 3], size, height, sampling_ratio)
    columns = _axis_weights(corners[:, 0], corners[:, 2], size, width, sampling_ratio)
    if halved:
        rows, columns = ((one[:, ::2] + one[:, 1::2]) / 2 for one in (rows, columns))
    first_cell = torch.repeat_interleave(torch.arange(images), torch.tensor([len(one) for one in boxes]))
    cells, factors, starts = _bags(rows, columns, first_cell * height * width)
    table = features.permute(0, 2, 3, 1).reshape(-1, channels)
    values = F.embedding_bag(cells, table, starts, mode="sum", per_sample_weights=factors.to(table.dtype))
    side = rows.shape[1]
    return values.view(len(corners), side, side, channels).permute(0, 3, 1, 2)


def _axis_weights(start: Tensor, end: Tensor, size: int, cells: int, sampling_ratio: int) -> Tensor:
    """How much each cell of the map's axis counts for each cell of a region's, (R, size, cells).

    `start` and `end` (R,) are in cells of the map. Points outside of [-1, cells] count for nothing, as in detectron2.
    """
    step = (end - start) / size
    points = torch.full_like(step, sampling_ratio) if sampling_ratio else step.ceil()
    point = torch.arange(int(points.max().clamp(min=1)) if len(points) else 1)
    within = (point + 0.5) / points.clamp(min=1)[:, None]
    position = start[:, None, None] + step[:, None, None] * (torch.arange(size)[:, None] + within[:, None])
    counts = (position >= -1) & (position <= cells) & (point < points[:, None])[:, None]
    position = position.clamp(0, cells - 1)
    closeness = (1 - (position[..., None] - torch.arange(cells)).abs()).clamp(min=0)
    return (closeness * counts[..., None]).sum(2) / points.clamp(min=1)[:, None, None]


def _bags(rows: Tensor, columns: Tensor, first_cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The cells that count for each value, their factors, and where each value's begin in both.

    Args:
        rows: weights of the map's rows (R, s, H).
        columns: weights of its columns (R, s, W).
        first_cell: of each region's image, in the rows of all maps (R,).
    """
    (row, row_weight), (column, column_weight) = _windows(rows), _windows(columns)
    cells = row[:, :, None, :, None] * columns.shape[2] + column[:, None, :, None, :]
    cells = cells + first_cell[:, None, None, None, None]
    factors = (row_weight[:, :, None, :, None] * column_weight[:, None, :, None, :]).flatten(0, 2).flatten(1)
    counts = factors != 0
    starts = counts.sum(1).cumsum(0)
    starts = F.pad(starts, (1, 0))[:-1]
    return cells.flatten(0, 2).flatten(1)[counts], factors[counts], starts


def _windows(weights: Tensor) -> tuple[Tensor, Tensor]:
    """The stretch of each row (R, s, L) that is not 0: indices and values (R, s, k), k that of the longest."""
    some = weights != 0
    first = some.int().argmax(-1, keepdim=True)
    last = weights.shape[-1] - 1 - some.flip(-1).int().argmax(-1, keepdim=True)
    longest = int((last - first).max()) + 1 if weights.numel() else 1
    index = first + torch.arange(longest)
    values = weights.gather(-1, index.clamp(max=weights.shape[-1] - 1)) * (index <= last)
    return index.clamp(max=weights.shape[-1] - 1), values
