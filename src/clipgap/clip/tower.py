"""What every image tower is to the rest: one network cut in two where the detector needs it (METHOD, section 2).

    image --V_a: `Trunk`--> C4 features --V_b: `RoiPart`--> image embedding

Trunk and RoI part hold the tower's own modules, not copies. A family (`clip.towers`) says how its towers are cut. The
names are a ResNet's in all of them: the C4 features are what the trunk gives, and layer4 is what regions go through.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

import torch
from open_clip.model import CLIPVisionCfg
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from clipgap.config import BatchNorm, Section

IMAGE_MEAN = (0.48145466, 0.4578275, 0.40821073)
IMAGE_STD = (0.26862954, 0.26130258, 0.27577711)
"""OpenAI's, which most CLIPs have taken over."""


class TowerSpec(Section):
    """The shape of an image tower: all it takes to build one without weights."""

    has_text: ClassVar[bool] = True
    """Whether a text tower belongs to it."""
    mean: ClassVar[tuple[float, float, float]] = IMAGE_MEAN
    """What is taken off an image's channels (R, G, B), in [0, 1] ..."""
    std: ClassVar[tuple[float, float, float]] = IMAGE_STD
    """... and what they are divided by then."""
    mark: ClassVar[str]
    """The name of a tensor that every CLIP's image tower of this family has, and no other's."""
    custom_text: ClassVar[bool] = False
    """Whether the text tower is a module of its own (open_clip's `CustomTextCLIP`), with a tokenizer of its own."""
    layer4_stride: ClassVar[int] = 2
    """Cells of the C4 features, along a side, for one of layer4's."""

    family: str
    embed_dim: PositiveInt
    image_size: Annotated[int, Field(ge=1, le=16_384)]

    @classmethod
    def read(cls, weights: Mapping[str, Tensor], vision: Mapping[str, Any], quick_gelu: bool) -> Self:
        """The shape of a CLIP's image tower.

        Args:
            weights: its tensors by name; only their shapes count.
            vision: open_clip's settings of the tower, for what no tensor tells; empty: the usual.
            quick_gelu: the CLIP's activation.

        Raises:
            KeyError, IndexError: a tensor is missing, or has not as many dimensions.
            ValidationError: a size is none.
        """
        raise NotImplementedError

    @property
    def stride(self) -> int:
        """Pixels of the image for one cell of the C4 features."""
        return 16

    @property
    def roi_size(self) -> int:
        """Side of a region's C4 features: the tower's own input, seen by the trunk."""
        return self.image_size // self.stride

    @property
    def cut(self) -> str:
        """In words, where it is cut, if the same tower can be cut elsewhere: features of one cut do not fit another."""
        return ""

    @property
    def least_side(self) -> int:
        """Pixels that a side of a batch has at least, so that layer4 has a cell."""
        return 2 * self.stride

    @property
    def c4_channels(self) -> int:
        """Channels of the C4 features."""
        raise NotImplementedError

    @property
    def rpn_channels(self) -> int:
        """Channels of what the RPN reads of them (`shown`)."""
        return self.c4_channels

    def shown(self, features: Tensor) -> Tensor:
        """What the RPN reads of C4 features (N, C, h, w): (N, `rpn_channels`, h, w)."""
        return features

    @property
    def vision(self) -> CLIPVisionCfg | None:
        """open_clip's settings that make this tower; None where it is `build` alone that can."""
        return None

    def build(self) -> nn.Module:
        """A tower with its library's initial weights."""
        raise NotImplementedError

    def parts(self, tower: nn.Module) -> tuple[Trunk, RoiPart]:
        """What `build` made, cut in two."""
        raise NotImplementedError


class Trunk(nn.Module):
    """V_a: stem and layer1 to layer3. Normalised images (N, 3, H, W) -> C4 features (N, C, H/stride, W/stride)."""

    def __init__(
        self, stem: nn.Module, layer1: nn.Module, layer2: nn.Module, layer3: nn.Module, out_channels: int
    ) -> None:
        super().__init__()
        self.stem, self.layer1, self.layer2, self.layer3 = stem, layer1, layer2, layer3
        self.out_channels = out_channels

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.layer3(self.layer2(self.layer1(self.stem(images))))
        return features

    def cells(self, side: int) -> int:
        """Cells of the C4 features, at least one, along a side in pixels."""
        raise NotImplementedError

    def folded(self) -> Self:
        """A copy that computes the same on running statistics, without batch normalisations, where there are any."""
        return copy.deepcopy(self).eval()


class RoiPart(nn.Module):
    """V_b: layer4 and the pooling into the space of embeddings; the detector's box_head.

    Regions (R, C, roi_size, roi_size) -> the pair of embeddings (R, D), not of unit length, and spatial means of
    layer4's output (R, C'), from which boxes are regressed.

    layer4 may begin with linear maps. `begin` is these and `finish` the rest, for callers that can put something else
    that is linear in between: RoIAlign, or an offset. Where nothing is gained by that, `begin` does nothing.
    """

    halved: ClassVar[tuple[bool, ...]] = (False,)
    """For each of what `begin` gives, whether `finish` takes it at half the size (`halve`)."""

    def __init__(self, layer4: nn.Module, pool: nn.Module, out_channels: int) -> None:
        super().__init__()
        self.layer4, self.pool = layer4, pool
        self.out_channels = out_channels

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        return self.read(self.layer4(regions))

    def begin(self, features: Tensor) -> tuple[Tensor, ...]:
        """C4 features (N, C, h, w) -> what layer4 first makes of them, linearly, each (N, .., h, w)."""
        return (features,)

    def finish(self, *begun: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` makes of regions, from what `begin` gives, `halved` where that says so."""
        (regions,) = begun
        return self.forward(regions)

    def dense(self, features: Tensor) -> Tensor:
        """layer4 of a whole map: C4 features (N, C, h, w) -> (N, C', h / `layer4_stride`, w / `layer4_stride`)."""
        made: Tensor = self.layer4(features)
        return made

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
        return copy.deepcopy(self).eval()


def padded(images: Tensor, multiple: int) -> Tensor:
    """Images (..., H, W) with zeros on the right and below, so that both sides are multiples."""
    height, width = images.shape[-2:]
    return F.pad(images, (0, -width % multiple, 0, -height % multiple))


def channel_norm(features: Tensor) -> Tensor:
    """Features (N, C, h, w), every cell's channels normed: mean 0, deviation 1."""
    return F.layer_norm(features.permute(0, 2, 3, 1), features.shape[1:2]).permute(0, 3, 1, 2)


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


def redraw_norms(module: nn.Module, generator: torch.Generator) -> None:
    """Draw every normalisation anew, so that all residual branches count (METHOD, section 2, "random weights")."""
    for name, child in module.named_modules():
        if isinstance(child, nn.BatchNorm2d):
            branch = name.endswith("bn3") and "layer" in name
            _redraw(child.weight, (0.1, 0.5) if branch else (0.6, 1.4), generator)
            _redraw(child.bias, (-0.1, 0.1), generator)
            _redraw(child.running_mean, (-0.1, 0.1), generator)
            _redraw(child.running_var, (0.6, 1.4), generator)
        elif isinstance(child, nn.LayerNorm):
            _redraw(child.weight, (0.6, 1.4), generator)
            _redraw(child.bias, (-0.1, 0.1), generator)
        elif (scale := getattr(child, "gamma", None)) is not None:  # ConvNeXt's: begins at a millionth
            _redraw(scale, (0.1, 0.5), generator)


def _redraw(tensor: Tensor | None, limits: tuple[float, float], generator: torch.Generator) -> None:
    assert tensor is not None  # affine, with running statistics: no family has other ones
    tensor.data.uniform_(*limits, generator=generator)


@torch.no_grad()
def fold(parent: nn.Module, convolution: str, norm: str) -> None:
    """Put a BatchNorm on running statistics, which is a factor and a shift, into the convolution before it.

    Of timm's BatchNorm the activation inside it is left.
    """
    parts: dict[str, Any] = dict(parent.named_children())
    setattr(parent, convolution, fuse_conv_bn_eval(parts[convolution], parts[norm]))
    setattr(parent, norm, getattr(parts[norm], "act", nn.Identity()))
