"""A pyramid over the C4 features, for objects smaller than CLIP's own input (ViTDet, Li et al. 2022, section 3).

    C4 features --> twice as fine   (stride 8)   regions and anchors below CLIP's input size
                --> as they are     (stride 16)  up to twice that
                --> half as fine    (stride 32)  above

ViTDet makes 256 channels of them. Here every level keeps the trunk's, because regions go on into CLIP's own last
part: a level is the C4 features at its size, and what a branch adds to them, which begins as nothing. So a fresh neck
changes the fineness alone, and a region as large as CLIP's input is read as without one.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clipgap.clip import TowerSpec, Trunk, channel_norm, halve
from clipgap.config import Neck

LEVELS = 3
RegionsOf = Callable[[list[Tensor]], list[Tensor]]


def strides(tower: TowerSpec, neck: Neck) -> tuple[int, ...]:
    """Pixels of a cell of every level."""
    return (tower.stride,) if neck == "none" else (tower.stride // 2, tower.stride, 2 * tower.stride)


def level_of(sides: Tensor, own: int) -> Tensor:
    """The level (R,) of regions of these sides in pixels (R,), CLIP's input being `own`.

    Equation 1 of FPN (Lin et al. 2017): a region has as many cells as CLIP's input has, and up to twice as many along a
    side, where the levels go so far.
    """
    return (torch.log2(sides.clamp(min=1e-6) / own).floor().long() + 1).clamp(0, LEVELS - 1)


class Branch(nn.Module):
    """What a level adds to the features (N, C, h, w): norm, a quarter of the channels, 3x3, and zeros at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(channels // 4, 1)
        self.narrow, self.look = nn.Conv2d(channels, narrow, 1), nn.Conv2d(narrow, narrow, 3, padding=1)
        self.widen = nn.Conv2d(narrow, channels, 1)
        for parameter in self.widen.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor) -> Tensor:
        inner = F.gelu(self.narrow(channel_norm(features)))
        added: Tensor = self.widen(F.gelu(self.look(inner)))
        return features + added


class SimpleFPN(nn.Module):
    """A trunk and the pyramid over it: images (N, 3, H, W) -> levels by name, the finest first."""

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.trunk = trunk
        self.branches = nn.ModuleList(Branch(trunk.out_channels) for _ in range(LEVELS))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        features: Tensor = self.trunk(images)
        finer = F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)
        sizes = (finer, features, halve(features))
        return OrderedDict(
            (str(n), branch(one)) for n, (branch, one) in enumerate(zip(self.branches, sizes, strict=True))
        )

    def folded(self) -> Self:
        """A copy whose trunk is folded."""
        folded = copy.deepcopy(self).eval()
        folded.trunk = folded.trunk.folded()
        return folded


def from_levels(pools: Sequence[RegionsOf], boxes: list[Tensor], own: int) -> list[Tensor]:
    """Regions of boxes, each from the level of its size, in the boxes' order.

    Args:
        pools: for every level what makes regions of its maps, (R, ...) each, of boxes.
        boxes: for every image (R_i, 4), xyxy in pixels.
        own: CLIP's input size.
    """
    sides = [(one[:, 2:] - one[:, :2]).prod(1).sqrt() for one in boxes]
    levels = [level_of(side, own) for side in sides]
    parts = [pool([one[at == n] for one, at in zip(boxes, levels, strict=True)]) for n, pool in enumerate(pools)]
    back = torch.cat(levels).argsort(stable=True).argsort()
    return [torch.cat(part)[back] for part in zip(*parts, strict=True)]
