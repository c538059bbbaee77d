"""SigLIP's vision transformers (Zhai et al. 2023; SigLIP 2, Tschannen et al. 2025), as timm has them, cut in two.

    patches, positions, first blocks --> C4 features     last blocks --> norm --> attention pooling of a learned query

No class token: the C4 features are the patches' tokens alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, cast

import timm
import torch
from pydantic import PositiveInt, model_validator
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from clipgap.clip.tower import RoiPart, channel_norm, padded
from clipgap.clip.towers.tokens import (
    Block,
    Layer,
    TransformerSpec,
    TransformerTrunk,
    positions,
    seen_cells,
    to_tokens,
)


class SiglipSpec(TransformerSpec):
    """The shape of a SigLIP's vision transformer, and where it is cut."""

    custom_text: ClassVar[bool] = True
    mean: ClassVar[tuple[float, float, float]] = (0.5, 0.5, 0.5)
    std: ClassVar[tuple[float, float, float]] = (0.5, 0.5, 0.5)
    mark: ClassVar[str] = "trunk.attn_pool.latent"

    family: Literal["siglip"] = "siglip"
    heads: PositiveInt
    mlp_width: PositiveInt
    activation: Literal["gelu", "gelu_tanh"] = "gelu"

    @model_validator(mode="after")
    def _has_whole_heads(self) -> SiglipSpec:
        if self.embed_dim % self.heads:
            raise ValueError(f"heads: {self.embed_dim} channels are not {self.heads} heads")
        return self

    @classmethod
    def read(cls, weights: Mapping[str, Tensor], vision: Mapping[str, Any], quick_gelu: bool) -> Self:
        """`TowerSpec.read`: no tensor tells the number of heads nor the activation; timm's model of the name does."""
        width, _, patch, _ = weights["trunk.patch_embed.proj.weight"].shape
        layers = len({name.split(".")[2] for name in weights if name.startswith("trunk.blocks.")})
        heads, activation = (
            _of_timm(vision["timm_model_name"]) if "timm_model_name" in vision else (width // 64, "gelu")
        )
        return cls(
            embed_dim=width,
            image_size=round(weights["trunk.pos_embed"].shape[1] ** 0.5) * patch,
            patch_size=patch,
            layers=layers,
            heads=vision.get("heads", heads),
            mlp_width=weights["trunk.blocks.0.mlp.fc1.weight"].shape[0],
            activation=vision.get("activation", activation),
            roi_blocks=vision.get("roi_blocks") or max(layers // 6, 1),
            window=vision.get("window", 0),
        )

    @property
    def c4_channels(self) -> int:
        """Channels of the C4 features."""
        return self.embed_dim

    def shown(self, features: Tensor) -> Tensor:
        """Normed: what the blocks add up to is of any size."""
        return channel_norm(features)

    def build(self) -> SiglipTower:
        """A tower with timm's initial weights."""
        return SiglipTower(self)

    def parts(self, tower: nn.Module) -> tuple[TransformerTrunk, SiglipRoiPart]:
        assert isinstance(tower, SiglipTower)
        blocks = [Block.of_timm(block) for block in tower.trunk.blocks]
        first, last = self.halves(blocks)
        return TransformerTrunk(self, Stem(tower), first, class_token=False), SiglipRoiPart(tower, last)


def _of_timm(name: str) -> tuple[int, str]:
    """Heads and activation of one of timm's models."""
    with torch.device("meta"):
        block = cast(Any, timm.create_model(name)).blocks[0]
    return block.attn.num_heads, "gelu" if isinstance(block.mlp.act, nn.GELU) else "gelu_tanh"


class SiglipTower(nn.Module):
    """open_clip's names and arithmetic: images (N, 3, S, S) -> image embeddings (N, D)."""

    def __init__(self, spec: SiglipSpec) -> None:
        super().__init__()
        self.trunk = VisionTransformer(
            img_size=spec.image_size,
            patch_size=spec.patch_size,
            num_classes=0,
            global_pool="map",
            embed_dim=spec.embed_dim,
            depth=spec.layers,
            num_heads=spec.heads,
            mlp_ratio=(spec.mlp_width + 0.5) / spec.embed_dim,  # timm rounds down
            class_token=False,
            act_layer=spec.activation,
        )

    def forward(self, images: Tensor) -> Tensor:
        embeddings: Tensor = self.trunk(images)
        return embeddings


class Stem(nn.Module):
    """Images (N, 3, H, W) -> tokens of patches with their positions, as a map (`tokens.positions`)."""

    def __init__(self, tower: SiglipTower) -> None:
        super().__init__()
        self.proj, self.pos_embed = cast(Any, tower.trunk.patch_embed).proj, tower.trunk.pos_embed

    def forward(self, images: Tensor, cells: Tensor | None = None) -> Tensor:
        patch = self.proj.stride[0]
        features: Tensor = self.proj(padded(images, patch))
        assert self.pos_embed is not None
        cells = seen_cells(images, patch) if cells is None else cells
        return features + positions(self.pos_embed[0], cells).to(features.dtype)


class LatentPool(nn.Module):
    """layer4's output (R, C, h, w) -> embeddings (R, D): norm and attention of a learned query."""

    def __init__(self, tower: SiglipTower) -> None:
        super().__init__()
        self.norm, self.attn_pool = tower.trunk.norm, tower.trunk.attn_pool

    def forward(self, features: Tensor) -> Tensor:
        embeddings: Tensor = cast(nn.Module, self.attn_pool)(self.norm(to_tokens(features, False)))
        return embeddings


class SiglipRoiPart(RoiPart):
    """V_b: the last blocks over a region's patches, and the pooling; boxes are regressed from their mean, normed.

    Nothing has a stride here: `atrous` would be `dense`.
    """

    def __init__(self, tower: SiglipTower, blocks: list[Block]) -> None:
        super().__init__(Layer(blocks, class_token=False), LatentPool(tower), tower.trunk.embed_dim)

    def read(self, features: Tensor) -> tuple[Tensor, Tensor]:
        means = features.mean((2, 3))
        return self.pool(features), F.layer_norm(means, means.shape[1:])
