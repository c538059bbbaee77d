"""EfficientNet-lite0 of ImageNet (Tan and Le 2019; Google's lite variants of 2020: ReLU6, no squeeze-excitation).

    stem, blocks 0 to 10 --> C4 features (112 channels)   blocks 11 to 15, head --> spatial mean of 1280 channels

timm's `tf_efficientnet_lite0`. It has no text: what it makes of a region is told apart by a learned classifier.
3.4 M parameters without ImageNet's classifier.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, ClassVar, Literal, Self, cast

import timm
from timm.layers.conv2d_same import Conv2dSame
from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn
from torch.nn import functional as F

from clipgap.clip.tower import RoiPart, TowerSpec, Trunk, fold


class EfficientNetLiteSpec(TowerSpec):
    """The shape of EfficientNet-lite0: there is but one."""

    has_text: ClassVar[bool] = False
    mean: ClassVar[tuple[float, float, float]] = (127 / 255,) * 3  # (x - 127) / 128 of 0..255
    std: ClassVar[tuple[float, float, float]] = (128 / 255,) * 3

    family: Literal["efficientnet_lite0"] = "efficientnet_lite0"
    embed_dim: Literal[1280] = 1280
    image_size: Literal[224] = 224

    @property
    def c4_channels(self) -> int:
        """Channels of the C4 features."""
        return 112

    def build(self) -> EfficientNet:
        """A tower with timm's initial weights, ImageNet's classifier on it."""
        tower = cast(EfficientNet, timm.create_model("tf_efficientnet_lite0", pretrained=False))
        for name, module in list(tower.named_modules()):
            if isinstance(module, Conv2dSame):
                parent, _, leaf = name.rpartition(".")
                setattr(tower.get_submodule(parent), leaf, HalvingConv(module))
        return tower

    def parts(self, tower: nn.Module) -> tuple[LiteTrunk, LiteRoiPart]:
        assert isinstance(tower, EfficientNet)
        return LiteTrunk(tower), LiteRoiPart(tower)


class HalvingConv(nn.Conv2d):
    """A convolution of stride 2, padded as TensorFlow pads maps of even sides: more on the right and below.

    TensorFlow moves every cell by a pixel where a side is odd; here cells stay where they are, and the last row or
    column of an odd side has none of its own (CLIP's poolings do the same). It also exports in a tenth of the time.
    """

    def __init__(self, same: Conv2dSame) -> None:
        channels, size = same.in_channels, same.kernel_size[0]
        super().__init__(channels, same.out_channels, size, stride=2, groups=same.groups, bias=False)
        self.weight = same.weight

    def forward(self, features: Tensor) -> Tensor:
        before = (self.kernel_size[0] - 2) // 2
        padded = F.pad(features, (before, before + 1) * 2)
        return F.conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)


class LiteTrunk(Trunk):
    """V_a: the stem is all of stride 2, layer1 of stride 4, layer2 of stride 8, layer3 of stride 16."""

    def __init__(self, tower: EfficientNet) -> None:
        stages: Any = tower.blocks
        stem = nn.Sequential(OrderedDict(conv=tower.conv_stem, bn=tower.bn1, blocks=stages[0]))
        super().__init__(stem, stages[1], stages[2], nn.Sequential(*stages[3], *stages[4]), 112)

    def cells(self, side: int) -> int:
        return max(side // 16, 1)

    def folded(self) -> Self:
        folded = copy.deepcopy(self).eval()
        fold(folded.stem, "conv", "bn")
        _fold_blocks(folded)
        return folded


class SpatialMean(nn.Module):
    """The embedding where no text has to be met: (R, C, h, w) -> (R, C)."""

    def forward(self, features: Tensor) -> Tensor:
        return features.mean((2, 3))


class LiteRoiPart(RoiPart):
    """V_b: blocks 11 to 15 and the head's 1x1 convolution; embeddings and means are the same 1280 numbers.

    Nothing is put before RoIAlign (`begin`): the first 1x1 convolution makes six times as many channels.
    """

    layer4: Any  # its blocks have parts that torch's types know nothing of

    def __init__(self, tower: EfficientNet) -> None:
        stages: Any = tower.blocks
        blocks = nn.Sequential(*stages[5], *stages[6])
        parts = OrderedDict(blocks=blocks, conv=tower.conv_head, bn=tower.bn2)
        super().__init__(nn.Sequential(parts), SpatialMean(), 1280)

    def atrous(self, features: Tensor) -> Tensor:
        """`RoiPart.atrous`: the first block's depthwise convolution without its stride, later ones dilated."""
        blocks, conv, bn = self.layer4
        for number, block in enumerate(blocks):
            dilation = 2 if number else 1
            weight = block.conv_dw.weight
            out = F.conv2d(
                block.bn1(block.conv_pw(features)),
                weight,
                block.conv_dw.bias,
                padding=dilation * (weight.shape[-1] // 2),
                dilation=dilation,
                groups=len(weight),
            )
            out = block.bn3(block.conv_pwl(block.bn2(out)))
            features = features + out if block.has_skip else out
        made: Tensor = bn(conv(features))
        return made

    def folded(self) -> Self:
        folded = copy.deepcopy(self).eval()
        fold(folded.layer4, "conv", "bn")
        _fold_blocks(folded)
        return folded


CONVOLUTIONS = {
    InvertedResidual: (("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")),
    DepthwiseSeparableConv: (("conv_dw", "bn1"), ("conv_pw", "bn2")),
}
"""timm's names of a block's convolutions, in their order, and of the batch normalisations after them."""


def _fold_blocks(part: nn.Module) -> None:
    for block in list(part.modules()):
        for convolution, norm in CONVOLUTIONS.get(type(block), ()):
            fold(block, convolution, norm)


def published_names(tower: EfficientNet) -> Iterator[tuple[str, str]]:
    """Pairs of timm's name of a module and the published files' (of lukemelas' EfficientNet-PyTorch)."""
    yield from (("conv_stem", "_conv_stem"), ("bn1", "_bn0"), ("conv_head", "_conv_head"), ("bn2", "_bn1"))
    yield "classifier", "_fc"
    theirs = (("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
    stages: Any = tower.blocks
    names = [f"blocks.{s}.{b}" for s, stage in enumerate(stages) for b in range(len(stage))]
    for number, name in enumerate(names):
        own = CONVOLUTIONS[type(tower.get_submodule(name))]
        for pair, published in zip(own, theirs[-len(own) :], strict=True):
            for one, other in zip(pair, published, strict=True):
                yield f"{name}.{one}", f"_blocks.{number}.{other}"
