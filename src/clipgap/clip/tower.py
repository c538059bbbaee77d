"""What every image tower is to the rest: one network cut in two where the detector needs it (METHOD, section 2).

    image --V_a: `Trunk`--> C4 features --V_b: `RoiPart`--> image embedding

Trunk and RoI part hold the tower's own modules, not copies. A family (`clip.towers`) says how its towers are cut.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import torch
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from clipgap.config import BatchNorm, Section

STRIDE = 16
"""Pixels of the image for one cell of the C4 features, in every family."""


class TowerSpec(Section):
    """The shape of an image tower: all it takes to build one without weights."""

    has_text: ClassVar[bool]
    """Whether a text tower belongs to it."""
    mean: ClassVar[tuple[float, float, float]]
    """What is taken off an image's channels (R, G, B), in [0, 1] ..."""
    std: ClassVar[tuple[float, float, float]]
    """... and what they are divided by then."""

    family: str
    embed_dim: PositiveInt
    image_size: PositiveInt

    @property
    def roi_size(self) -> int:
        """Side of a region's C4 features: the tower's own input, seen by the trunk."""
        return self.image_size // STRIDE

    @property
    def c4_channels(self) -> int:
        """Channels of the C4 features."""
        raise NotImplementedError

    def build(self) -> nn.Module:
        """A tower with its library's initial weights."""
        raise NotImplementedError

    def parts(self, tower: nn.Module) -> tuple[Trunk, RoiPart]:
        """What `build` made, cut in two."""
        raise NotImplementedError


class Trunk(nn.Module):
    """V_a: stem and layer1 to layer3. Normalised images (N, 3, H, W) -> C4 features (N, C, H/16, W/16)."""

    def __init__(
        self, stem: nn.Module, layer1: nn.Module, layer2: nn.Module, layer3: nn.Module, out_channels: int
    ) -> None:
        super().__init__()
        self.stem, self.layer1, self.layer2, self.layer3 = stem, layer1, layer2, layer3
        self.out_channels = out_channels

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.layer3(self.layer2(self.layer1(self.stem(images))))
        return features

    def folded(self) -> Self:
        """A copy that computes the same on running statistics, without batch normalisations."""
        raise NotImplementedError


class RoiPart(nn.Module):
    """V_b: layer4 and the pooling into the space of embeddings; the detector's box_head.

    Regions (R, C, roi_size, roi_size) -> the pair of embeddings (R, D), not of unit length, and spatial means of
    layer4's output (R, C'), from which boxes are regressed.

    layer4 may begin with linear maps. `begin` is these and `finish` the rest, for callers that can put something else
    that is linear in between: RoIAlign, or an offset.
    """

    halved: ClassVar[tuple[bool, ...]]
    """For each of what `begin` gives, whether `finish` takes it at half the size (`halve`)."""

    def __init__(self, layer4: nn.Module, pool: nn.Module, out_channels: int) -> None:
        super().__init__()
        self.layer4, self.pool = layer4, pool
        self.out_channels = out_channels

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        return self.read(self.layer4(regions))

    def begin(self, features: Tensor) -> tuple[Tensor, ...]:
        """C4 features (N, C, h, w) -> what layer4 first makes of them, linearly, each (N, .., h, w)."""
        raise NotImplementedError

    def finish(self, *begun: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` makes of regions, from what `begin` gives, `halved` where that says so."""
        raise NotImplementedError

    def atrous(self, features: Tensor) -> Tensor:
        """layer4 of a whole map without its stride: C4 features (N, C, h, w) -> (N, C', h, w).

        What halves the map is left out, and the spatial convolutions after it are dilated by 2, so that each sees cells
        as far apart as before: DC5 of Dai et al. (R-FCN, 2016) and of detectron2's model zoo. The weights are layer4's.
        """
        raise NotImplementedError

    def read(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """layer4's output (R, C', h, w) -> embeddings (R, D) and spatial means (R, C')."""
        return self.pool(features), features.mean((2, 3))

    def folded(self) -> Self:
        """A copy that computes the same on running statistics, without batch normalisations; `begin` stays linear."""
        raise NotImplementedError


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
                assert tensor is not None  # affine with running statistics: no family has other ones
                tensor.data.uniform_(start, end, generator=generator)


@torch.no_grad()
def fold(parent: nn.Module, convolution: str, norm: str) -> None:
    """Put a BatchNorm on running statistics, which is a factor and a shift, into the convolution before it.

    Of timm's BatchNorm the activation inside it is left.
    """
    parts: dict[str, Any] = dict(parent.named_children())
    setattr(parent, convolution, fuse_conv_bn_eval(parts[convolution], parts[norm]))
    setattr(parent, norm, getattr(parts[norm], "act", nn.Identity()))
