"""ConvNeXt (Liu et al. 2022) as open_clip trains CLIPs with it: timm's model and a projection, cut in two.

    stem, stages 1 to 3 --> C4 features     stage 4 --> spatial mean --> norm --> projection into the joint space

No batch normalisations: nothing to fold. Stage 4 begins with a layer norm: nothing of it can be done before RoIAlign.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, cast

import timm
from pydantic import PositiveFloat, PositiveInt
from timm.layers.mlp import Mlp
from timm.models.convnext import ConvNeXt
from torch import Tensor, nn
from torch.nn import functional as F

from clipgap.clip.tower import RoiPart, TowerSpec, Trunk, channel_norm, padded

STAGES = range(4)


class ConvNextSpec(TowerSpec):
    """The shape of a CLIP's ConvNeXt."""

    mark: ClassVar[str] = "trunk.stages.0.blocks.0.conv_dw.weight"

    family: Literal["convnext"] = "convnext"
    depths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    dims: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
    projection: Literal["linear", "mlp"] = "linear"
    norm_eps: PositiveFloat = 1e-6

    @classmethod
    def read(cls, weights: Mapping[str, Tensor], vision: Mapping[str, Any], quick_gelu: bool) -> Self:
        """`TowerSpec.read`: no tensor tells the size of the input nor what is added in norms."""
        blocks = [{name.split(".")[4] for name in weights if name.startswith(f"trunk.stages.{i}.b")} for i in STAGES]
        dims = [weights[f"trunk.stages.{i}.blocks.0.conv_dw.weight"].shape[0] for i in STAGES]
        projection = "mlp" if "head.mlp.fc2.weight" in weights else "linear"
        last = weights["head.mlp.fc2.weight" if projection == "mlp" else "head.proj.weight"]
        return cls(
            embed_dim=last.shape[0],
            image_size=vision.get("image_size", 224),
            depths=tuple(len(found) for found in blocks),
            dims=tuple(dims),
            projection=projection,
            norm_eps=1e-5 if vision.get("timm_model_name") == "convnext_xxlarge" else 1e-6,
        )

    @property
    def c4_channels(self) -> int:
        """Channels of the C4 features."""
        return self.dims[2]

    def shown(self, features: Tensor) -> Tensor:
        """Normed, as detectors of ConvNeXt's authors have it: what the blocks add up to is of any size."""
        return channel_norm(features)

    def build(self) -> ConvNextTower:
        """A tower with timm's initial weights."""
        return ConvNextTower(self)

    def parts(self, tower: nn.Module) -> tuple[ConvNextTrunk, ConvNextRoiPart]:
        assert isinstance(tower, ConvNextTower)
        return ConvNextTrunk(tower), ConvNextRoiPart(tower)


class ConvNextTower(nn.Module):
    """open_clip's names and arithmetic for a ConvNeXt of any size: images (N, 3, S, S) -> image embeddings (N, D)."""

    def __init__(self, spec: ConvNextSpec) -> None:
        super().__init__()
        sizes: dict[str, Any] = {"depths": spec.depths, "dims": spec.dims, "norm_eps": spec.norm_eps}
        self.trunk = cast(ConvNeXt, timm.create_model("convnext_base", num_classes=0, **sizes))
        width, dim = spec.dims[3], spec.embed_dim
        last: nn.Module = nn.Linear(width, dim, bias=False)
        if spec.projection == "mlp":
            last = Mlp(width, 2 * dim, dim, bias=(True, False))
        self.head = nn.Sequential(OrderedDict({"proj" if spec.projection == "linear" else "mlp": last}))

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.head(self.trunk(images))
        return embeddings


class ConvNextTrunk(Trunk):
    """V_a: stem of stride 4, and stages of stride 1, 2 and 2.

    A side that is no multiple of 16 is padded with zeros: its convolutions would leave out what is over.
    """

    def __init__(self, tower: ConvNextTower) -> None:
        stem, stages = tower.trunk.stem, cast(Any, tower.trunk.stages)
        super().__init__(stem, stages[0], stages[1], stages[2], stages[2].blocks[-1].conv_dw.out_channels)

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(padded(images, 16))

    def cells(self, side: int) -> int:
        return -(-side // 16)


class NormedProjection(nn.Module):
    """Stage 4's output (R, C, h, w) -> embeddings (R, D): mean, layer norm, projection."""

    def __init__(self, tower: ConvNextTower) -> None:
        super().__init__()
        self.norm, self.head = cast(Any, tower.trunk.head).norm, tower.head

    def forward(self, features: Tensor) -> Tensor:
        embeddings: Tensor = self.head(self.norm(features.mean((2, 3), keepdim=True)).flatten(1))
        return embeddings


class ConvNextRoiPart(RoiPart):
    """V_b: stage 4 and the projection; boxes are regressed from normed means."""

    layer4: Any  # its blocks have parts that torch's types know nothing of

    def __init__(self, tower: ConvNextTower) -> None:
        stage = cast(Any, tower.trunk.stages)[3]
        super().__init__(stage, NormedProjection(tower), stage.blocks[-1].conv_dw.out_channels)

    def read(self, features: Tensor) -> tuple[Tensor, Tensor]:
        means = features.mean((2, 3))
        return self.pool(features), F.layer_norm(means, means.shape[1:])

    def atrous(self, features: Tensor) -> Tensor:
        """`RoiPart.atrous`: the 2x2 convolution between the stages without its stride, depthwise ones dilated."""
        norm, convolution = self.layer4.downsample
        features = F.pad(norm(features), (0, 1, 0, 1), mode="replicate")
        features = F.conv2d(features, convolution.weight, convolution.bias)
        for block in self.layer4.blocks:
            own: nn.Conv2d = block.conv_dw
            weight, bias = own.weight, own.bias
            moved = F.conv2d(features, weight, bias, padding=6, dilation=2, groups=own.groups).permute(0, 2, 3, 1)
            moved = block.mlp(block.norm(moved)).permute(0, 3, 1, 2)
            features = features + moved * block.gamma.reshape(-1, 1, 1)
        return features
