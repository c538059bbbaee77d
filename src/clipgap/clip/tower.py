"""CLIP's ResNet image tower, cut in two where the detector needs it (METHOD, section 2).

    image --V_a: `Trunk`--> C4 features --V_b: `RoiPart`--> image embedding

Trunk and RoI part hold the tower's own modules, not copies. Every size comes from the tower: nothing knows RN101.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from open_clip.modified_resnet import AttentionPool2d, ModifiedResNet
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from clipgap.config import BatchNorm, Section

STRIDE = 16
"""Pixels of the image for one cell of the C4 features, for every ModifiedResNet."""
IMAGE_MEAN = (0.48145466, 0.4578275, 0.40821073)
IMAGE_STD = (0.26862954, 0.26130258, 0.27577711)


class TowerSpec(Section):
    """The shape of an image tower: all it takes to build one without weights."""

    embed_dim: PositiveInt
    image_size: PositiveInt
    layers: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    width: PositiveInt

    @property
    def roi_size(self) -> int:
        """Side of a region's C4 features: CLIP's own input, seen by the trunk."""
        return self.image_size // STRIDE

    @property
    def c4_channels(self) -> int:
        """Channels of the C4 features."""
        return self.width * 16

    def build(self) -> ModifiedResNet:
        """A tower with open_clip's initial weights."""
        heads = self.width * 32 // 64
        return ModifiedResNet(list(self.layers), self.embed_dim, heads, self.image_size, self.width)


def c4_size(side: int) -> int:
    """Cells of the C4 features, at least one, along a side in pixels: a convolution of stride 2 and three poolings."""
    return max((side + 1) // 2 // 8, 1)


class Trunk(nn.Module):
    """V_a: stem and layer1 to layer3. Normalised images (N, 3, H, W) -> C4 features (N, C, H/16, W/16)."""

    def __init__(self, tower: ModifiedResNet) -> None:
        super().__init__()
        names = ("conv1", "bn1", "act1", "conv2", "bn2", "act2", "conv3", "bn3", "act3", "avgpool")
        self.stem = nn.Sequential(OrderedDict((name, getattr(tower, name)) for name in names))
        self.layer1, self.layer2, self.layer3 = tower.layer1, tower.layer2, tower.layer3
        self.out_channels: int = tower.layer3[-1].conv3.out_channels

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.layer3(self.layer2(self.layer1(self.stem(images))))
        return features


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


class RoiPart(nn.Module):
    """V_b: layer4 and the pooling into CLIP's joint space; the detector's box_head.

    Regions (R, C, roi_size, roi_size) -> the pair of embeddings (R, D), not of unit length, and spatial means of
    layer4's output (R, 2 C), from which boxes are regressed.

    layer4 begins with two linear maps, its first 1x1 convolution and the one of its shortcut. `begin` is these and
    `finish` the rest, for callers that can put something else that is linear in between: RoIAlign, or an offset.
    """

    def __init__(self, tower: ModifiedResNet) -> None:
        super().__init__()
        self.layer4 = tower.layer4
        self.pool: nn.Module = AttentionPool(tower.attnpool)

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        return self.read(self.layer4(regions))

    def begin(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """C4 features (N, C, h, w) -> layer4's first convolution (N, C / 2, h, w) and its shortcut (N, 2 C, h, w)."""
        block = self.layer4[0]
        return block.conv1(features), block.downsample[1](features)

    def finish(self, main: Tensor, shortcut: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` makes of regions, from both parts of `begin`, the shortcut at half the size (`halve`)."""
        block = self.layer4[0]
        out = block.avgpool(block.act2(block.bn2(block.conv2(block.act1(block.bn1(main))))))
        out = block.act3(block.bn3(block.conv3(out)) + block.downsample[2](shortcut))
        return self.read(self.layer4[1:](out))

    def atrous(self, features: Tensor) -> Tensor:
        """layer4 of a whole map without its stride: C4 features (N, C, h, w) -> (N, 2 C, h, w).

        What halves the map (both average poolings of the first block) is left out, and the 3x3 convolutions after it
        are dilated by 2, so that each sees cells as far apart as before: DC5 of Dai et al. (R-FCN, 2016) and of
        detectron2's model zoo. The weights are layer4's own.
        """
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

    def read(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """layer4's output (R, 2 C, h, w) -> embeddings (R, D) and spatial means (R, 2 C)."""
        return self.pool(features), features.mean((2, 3))


def halve(features: Tensor) -> Tensor:
    """layer4's stride: means of 2 x 2 cells."""
    return F.avg_pool2d(features, 2)


def set_batch_norm(module: nn.Module, mode: BatchNorm) -> None:
    """Put every BatchNorm into the mode that METHOD, section 4, calls `frozen` or `train`.

    `frozen` uses running statistics and gives weight and bias no gradient; call it after every `module.train()`.
    """
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.train(mode == "train")
            if mode == "frozen":
                child.requires_grad_(False)


def redraw_batch_norm(module: nn.Module, generator: torch.Generator) -> None:
    """Draw every BatchNorm anew, so that all residual branches count (METHOD, section 2, "random weights")."""
    for name, child in module.named_modules():
        if isinstance(child, nn.BatchNorm2d):
            low, high = (0.1, 0.5) if name.endswith("bn3") and "layer" in name else (0.6, 1.4)
            for tensor, (start, end) in (
                (child.weight, (low, high)),
                (child.bias, (-0.1, 0.1)),
                (child.running_mean, (-0.1, 0.1)),
                (child.running_var, (0.6, 1.4)),
            ):
                assert tensor is not None  # affine with running statistics: ModifiedResNet has no other
                tensor.data.uniform_(start, end, generator=generator)
