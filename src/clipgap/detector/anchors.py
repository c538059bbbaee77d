"""Anchors as detectron2 lays them out (METHOD, section 4), so that imported heads keep their channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList


class Anchors(nn.Module):
    """Anchors of every size (outer) and height-to-width ratio (inner), centred at multiples of the stride.

    torchvision's generator orders them the other way round and rounds their corners; it also takes `image // grid` for
    the stride, which is not the tower's for every image size.
    """

    def __init__(self, sizes: Sequence[float], ratios: Sequence[float], stride: int) -> None:
        super().__init__()
        self.stride = stride
        shapes = [(size / ratio**0.5, size * ratio**0.5) for size in sizes for ratio in ratios]
        self.cells: Tensor
        self.register_buffer(
            "cells", torch.tensor([[-w / 2, -h / 2, w / 2, h / 2] for w, h in shapes]).reshape(-1, 4), persistent=False
        )

    def num_anchors_per_location(self) -> list[int]:
        """Anchors at every cell of the one feature map."""
        return [len(self.cells)]

    def forward(self, images: ImageList, features: list[Tensor]) -> list[Tensor]:
        """For every image the same anchors (H * W * A, 4), xyxy in pixels of the resized image, not clipped."""
        height, width = features[0].shape[-2:]
        y = torch.arange(height, device=self.cells.device, dtype=torch.float32) * self.stride
        x = torch.arange(width, device=self.cells.device, dtype=torch.float32) * self.stride
        y, x = torch.meshgrid(y, x, indexing="ij")
        centres = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4)
        anchors = (centres + self.cells).reshape(-1, 4)
        return [anchors] * len(images.image_sizes)


class LevelAnchors(nn.Module):
    """The same on the levels of a pyramid, each with sizes of its own, or with none."""

    def __init__(self, levels: Sequence[Anchors]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(levels)

    def num_anchors_per_location(self) -> list[int]:
        """Anchors at every cell of each level."""
        return [len(cast(Anchors, level).cells) for level in self.levels]

    def forward(self, images: ImageList, features: list[Tensor]) -> list[Tensor]:
        """For every image all levels' anchors, the finest first."""
        each = [level(images, [one])[0] for level, one in zip(self.levels, features, strict=True)]
        return [torch.cat(each)] * len(images.image_sizes)
