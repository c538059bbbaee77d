"""Batch normalisation on running statistics is a factor and a shift: both go into the convolution before it."""

from __future__ import annotations

import copy
from typing import Any

import torch
from open_clip.modified_resnet import Bottleneck
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from clipgap.clip.tower import RoiPart, Trunk


def fold_trunk(trunk: Trunk) -> Trunk:
    """A copy that computes the same as `trunk` on running statistics, without batch normalisations."""
    folded = copy.deepcopy(trunk).eval()
    for number in (1, 2, 3):
        _fold(folded.stem, f"conv{number}", f"bn{number}")
    for layer in (folded.layer1, folded.layer2, folded.layer3):
        _fold_blocks(layer)
    return folded


def fold_roi_part(part: RoiPart) -> RoiPart:
    """The same of V_b. Its first block keeps two: `RoiPart.begin` has to stay linear."""
    folded = copy.deepcopy(part).eval()
    first = folded.layer4[0]
    _fold(first, "conv2", "bn2")
    _fold(first, "conv3", "bn3")
    _fold_blocks(folded.layer4[1:])
    return folded


def _fold_blocks(blocks: nn.Module) -> None:
    for block in blocks.children():
        assert isinstance(block, Bottleneck)
        for number in (1, 2, 3):
            _fold(block, f"conv{number}", f"bn{number}")
        if block.downsample is not None:
            _fold(block.downsample, "0", "1")


@torch.no_grad()
def _fold(parent: nn.Module, convolution: str, norm: str) -> None:
    parts: dict[str, Any] = dict(parent.named_children())
    setattr(parent, convolution, fuse_conv_bn_eval(parts[convolution], parts[norm]))
    setattr(parent, norm, nn.Identity())
