"""CLIP's own ResNets (Radford et al. 2021, section 2.4; open_clip's `ModifiedResNet`), cut in two.

Stem of three convolutions, average poolings in place of strides, attention pooling into the joint space. Every size
comes from the tower: nothing knows RN101.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import torch
from open_clip.model import CLIPVisionCfg
from open_clip.modified_resnet import AttentionPool2d, Bottleneck, ModifiedResNet
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from clipgap.clip.tower import RoiPart, TowerSpec, Trunk, fold


class ModifiedResNetSpec(TowerSpec):
    """The shape of a CLIP's ResNet."""

    mark: ClassVar[str] = "attnpool.positional_embedding"

    family: Literal["modified_resnet"] = "modified_resnet"
    layers: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    width: PositiveInt

    @classmethod
    def read(cls, weights: Mapping[str, Tensor], vision: Mapping[str, Any], quick_gelu: bool) -> Self:
        """`TowerSpec.read`: every size is a tensor's; the tower has no activation but ReLU."""
        blocks = [{name.split(".")[1] for name in weights if name.startswith(f"layer{i}.")} for i in range(1, 5)]
        grid = round(max(weights["attnpool.positional_embedding"].shape[0] - 1, 0) ** 0.5)
        return cls(
            embed_dim=weights["attnpool.c_proj.weight"].shape[0],
            image_size=grid * 32,
            layers=(len(blocks[0]), len(blocks[1]), len(blocks[2]), len(blocks[3])),
            width=weights["layer1.0.conv1.weight"].shape[0],
        )

    @property
    def c4_channels(self) -> int:
        """Channels of the C4 features."""
        return self.width * 16

    @property
    def vision(self) -> CLIPVisionCfg:
        return CLIPVisionCfg(layers=list(self.layers), width=self.width, image_size=self.image_size)

    def build(self) -> ModifiedResNet:
        """A tower with open_clip's initial weights."""
        heads = self.width * 32 // 64
        return ModifiedResNet(list(self.layers), self.embed_dim, heads, self.image_size, self.width)

    def parts(self, tower: nn.Module) -> tuple[ResNetTrunk, ResNetRoiPart]:
        assert isinstance(tower, ModifiedResNet)
        return ResNetTrunk(tower), ResNetRoiPart(tower)


class ResNetTrunk(Trunk):
    """V_a of a CLIP's ResNet."""

    def __init__(self, tower: ModifiedResNet) -> None:
        names = ("conv1", "bn1", "act1", "conv2", "bn2", "act2", "conv3", "bn3", "act3", "avgpool")
        stem = nn.Sequential(OrderedDict((name, getattr(tower, name)) for name in names))
        super().__init__(stem, tower.layer1, tower.layer2, tower.layer3, tower.layer3[-1].conv3.out_channels)

    def cells(self, side: int) -> int:
        """A convolution of stride 2, and three poolings."""
        return max((side + 1) // 2 // 8, 1)

    def folded(self) -> Self:
        folded = copy.deepcopy(self).eval()
        for number in (1, 2, 3):
            fold(folded.stem, f"conv{number}", f"bn{number}")
        for layer in (folded.layer1, folded.layer2, folded.layer3):
            _fold_blocks(layer)
        return folded


class AttentionPool(nn.Module):
    """CLIP's attention pooling, computing the one query that is used. (R, C, h, w) -> (R, D).

    The same numbers as open_clip's `AttentionPool2d`, which computes every query and returns the first. The key
    projection is folded into the query and the value projection applied after the weighted sum, so that neither is
    ever computed for all h * w + 1 tokens.
    """

    def __init__(self, pool: AttentionPool2d) -> None:
        super().__init__()
        self.positional_embedding = pool.positional_embedding
        self.q_proj, self.k_proj, self.v_proj, self.c_proj = pool.q_proj, pool.k_proj, pool.v_proj, pool.c_proj
        self.num_heads: int = pool.num_heads

    def forward(self, regions: Tensor) -> Tensor:
        tokens = regions.flatten(2).transpose(1, 2)
        tokens = torch.cat([tokens.mean(1, keepdim=True), tokens], dim=1) + self.positional_embedding
        channels, heads = tokens.shape[-1], self.num_heads
        split = (heads, channels // heads)
        query = self.q_proj(tokens[:, 0]).unflatten(1, split) * split[1] ** -0.5
        folded = torch.einsum("rhd,hdc->rhc", query, self.k_proj.weight.unflatten(0, split))
        shift = (query * self.k_proj.bias.unflatten(0, split)).sum(-1, keepdim=True)
        attention = (folded @ tokens.transpose(1, 2) + shift).softmax(-1)
        values = torch.einsum("rhc,hdc->rhd", attention @ tokens, self.v_proj.weight.unflatten(0, split))
        values = values.flatten(1) + self.v_proj.bias
        embedding: Tensor = self.c_proj(values)
        return embedding


class ResNetRoiPart(RoiPart):
    """V_b of a CLIP's ResNet: C4 features (C channels) -> CLIP's joint space, and means of layer4 (2 C).

    layer4 begins with two linear maps, its first 1x1 convolution and the one of its shortcut.
    """

    halved: ClassVar[tuple[bool, ...]] = (False, True)
    layer4: Any  # its blocks have parts that torch's types know nothing of

    def __init__(self, tower: ModifiedResNet) -> None:
        super().__init__(tower.layer4, AttentionPool(tower.attnpool), tower.layer4[-1].conv3.out_channels)

    def begin(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """C4 features (N, C, h, w) -> layer4's first convolution (N, C / 2, h, w) and its shortcut (N, 2 C, h, w)."""
        block = self.layer4[0]
        return block.conv1(features), block.downsample[1](features)

    def finish(self, *begun: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` makes of regions, from both parts of `begin`, the shortcut at half the size (`halve`)."""
        main, shortcut = begun
        block = self.layer4[0]
        out = block.avgpool(block.act2(block.bn2(block.conv2(block.act1(block.bn1(main))))))
        out = block.act3(block.bn3(block.conv3(out)) + block.downsample[2](shortcut))
        return self.read(self.layer4[1:](out))

    def atrous(self, features: Tensor) -> Tensor:
        """`RoiPart.atrous`: without both average poolings of the first block, later 3x3 convolutions dilated."""
        block = self.layer4[0]
        main, shortcut = self.begin(features)
        inner = block.act2(block.bn2(block.conv2(block.act1(block.bn1(main)))))
        out: Tensor = block.act3(block.bn3(block.conv3(inner)) + block.downsample[2](shortcut))
        for block in self.layer4[1:]:
            inner = F.conv2d(
                block.act1(block.bn1(block.conv1(out))), block.conv2.weight, block.conv2.bias, padding=2, dilation=2
            )
            out = block.act3(block.bn3(block.conv3(block.act2(block.bn2(inner)))) + out)
        return out

    def folded(self) -> Self:
        """Its first block keeps two batch normalisations: `begin` has to stay linear."""
        folded = copy.deepcopy(self).eval()
        first = folded.layer4[0]
        fold(first, "conv2", "bn2")
        fold(first, "conv3", "bn3")
        _fold_blocks(folded.layer4[1:])
        return folded


def _fold_blocks(blocks: nn.Module) -> None:
    for block in blocks.children():
        assert isinstance(block, Bottleneck)
        for number in (1, 2, 3):
            fold(block, f"conv{number}", f"bn{number}")
        if block.downsample is not None:
            fold(block.downsample, "0", "1")
