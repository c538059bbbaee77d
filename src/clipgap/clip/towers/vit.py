"""CLIP's vision transformers (Radford et al. 2021; open_clip's `VisionTransformer`), cut in two.

    patches, positions, first blocks --> C4 features     last blocks --> class token --> norm --> projection

The C4 features of an image are a map of its patches' tokens and, behind them as further channels, its class token, the
same at every cell: (N, 2 C, h, w). So RoIAlign, offsets and all else that works on maps give every region the class
token of its image. Means over cells take it out again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, cast

import torch
from open_clip.model import CLIPVisionCfg, LayerNorm, QuickGELU
from open_clip.transformer import VisionTransformer
from pydantic import PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from clipgap.clip.tower import RoiPart, channel_norm, padded
from clipgap.clip.towers.tokens import (
    Block,
    Layer,
    TransformerSpec,
    TransformerTrunk,
    patches_of,
    positions,
    seen_cells,
    to_map,
    to_tokens,
)


class ViTSpec(TransformerSpec):
    """The shape of a CLIP's vision transformer, and where it is cut."""

    mark: ClassVar[str] = "transformer.resblocks.0.attn.in_proj_weight"

    family: Literal["vit"] = "vit"
    width: PositiveInt
    head_width: PositiveInt = 64
    mlp_width: PositiveInt
    quick_gelu: bool

    @model_validator(mode="after")
    def _has_whole_heads(self) -> ViTSpec:
        if self.width % self.head_width:
            raise ValueError(f"head_width: {self.width} channels are not so many heads of {self.head_width}")
        return self

    @classmethod
    def read(cls, weights: Mapping[str, Tensor], vision: Mapping[str, Any], quick_gelu: bool) -> Self:
        """`TowerSpec.read`: no tensor tells the width of a head."""
        width, _, patch, _ = weights["conv1.weight"].shape
        layers = len({name.split(".")[2] for name in weights if name.startswith("transformer.resblocks.")})
        grid = round(max(weights["positional_embedding"].shape[0] - 1, 0) ** 0.5)
        return cls(
            embed_dim=weights["proj"].shape[1],
            image_size=grid * patch,
            patch_size=patch,
            width=width,
            layers=layers,
            head_width=vision.get("head_width", 64),
            mlp_width=weights["transformer.resblocks.0.mlp.c_fc.weight"].shape[0],
            quick_gelu=quick_gelu,
            roi_blocks=vision.get("roi_blocks") or max(layers // 6, 1),
            window=vision.get("window", 0),
        )

    @property
    def mlp_ratio(self) -> float:
        """What open_clip multiplies the width with, and rounds down."""
        return (self.mlp_width + 0.5) / self.width

    @property
    def c4_channels(self) -> int:
        """Channels of the C4 features: those of a patch, and of the class token."""
        return 2 * self.width

    @property
    def rpn_channels(self) -> int:
        return self.width

    def shown(self, features: Tensor) -> Tensor:
        """The patches alone, normed: what the blocks add up to is of any size."""
        return channel_norm(features[:, : self.width])

    @property
    def vision(self) -> CLIPVisionCfg:
        sizes = {"layers": self.layers, "width": self.width, "patch_size": self.patch_size}
        return CLIPVisionCfg(**sizes, image_size=self.image_size, head_width=self.head_width, mlp_ratio=self.mlp_ratio)

    def build(self) -> VisionTransformer:
        """A tower with open_clip's initial weights."""
        return VisionTransformer(
            self.image_size,
            self.patch_size,
            self.width,
            self.layers,
            self.width // self.head_width,
            self.mlp_ratio,
            output_dim=self.embed_dim,
            act_layer=QuickGELU if self.quick_gelu else nn.GELU,
            norm_layer=LayerNorm,
        )

    def parts(self, tower: nn.Module) -> tuple[TransformerTrunk, ViTRoiPart]:
        assert isinstance(tower, VisionTransformer)
        blocks = [Block.of_open_clip(block) for block in tower.transformer.resblocks]
        first, last = self.halves(blocks)
        return TransformerTrunk(self, Stem(tower), first, class_token=True), ViTRoiPart(tower, last)


class Stem(nn.Module):
    """Images (N, 3, H, W) -> tokens of patches and class with their positions, as a map.

    CLIP's grid of positions is stretched over each image (bicubic), its padding left out: what an image gives does not
    depend on the others of its batch.
    """

    def __init__(self, tower: VisionTransformer) -> None:
        super().__init__()
        self.conv1, self.ln_pre = tower.conv1, tower.ln_pre
        self.class_embedding, self.positional_embedding = tower.class_embedding, tower.positional_embedding

    def forward(self, images: Tensor, cells: Tensor | None = None) -> Tensor:
        patch = self.conv1.stride[0]
        features = self.conv1(padded(images, patch))
        cells = seen_cells(images, patch) if cells is None else cells
        features = features + positions(self.positional_embedding[1:], cells).to(features.dtype)
        first = (self.class_embedding + self.positional_embedding[0]).expand(len(images), 1, -1)
        tokens = torch.cat([first.to(features.dtype), features.flatten(2).transpose(1, 2)], dim=1)
        return to_map(self.ln_pre(tokens), features.shape[2:])


class ClassToken(nn.Module):
    """layer4's output (R, 2 C, h, w) -> embeddings (R, D): the class token, normed and projected."""

    def __init__(self, tower: VisionTransformer) -> None:
        super().__init__()
        self.ln_post, self.proj = tower.ln_post, tower.proj

    def forward(self, features: Tensor) -> Tensor:
        token = features[:, features.shape[1] // 2 :].mean((2, 3))
        embeddings: Tensor = self.ln_post(token) @ self.proj
        return embeddings


class ViTRoiPart(RoiPart):
    """V_b: the last blocks over a region's patches and its image's class token; boxes are regressed from both, normed.

    Nothing has a stride here: `atrous` would be `dense`.
    """

    layer4: Layer

    def __init__(self, tower: VisionTransformer, blocks: list[Block]) -> None:
        super().__init__(Layer(blocks), ClassToken(tower), 2 * tower.conv1.out_channels)

    def read(self, features: Tensor) -> tuple[Tensor, Tensor]:
        means = torch.stack(features.mean((2, 3)).chunk(2, dim=1), dim=1)
        return self.pool(features), F.layer_norm(means, means.shape[2:]).flatten(1)

    def dense(self, features: Tensor) -> Tensor:
        """`RoiPart.dense`: every patch in place of the class token, which a map has but one of.

        In the last block a patch looks at itself alone, and so lands where CLIP has words for it (MaskCLIP, Zhou et al.
        2022); padding is looked at like any other cell.
        """
        tokens = to_tokens(features)
        for block in self.layer4.blocks[:-1]:
            tokens = block(tokens)
        tokens = cast(Block, self.layer4.blocks[-1]).alone(tokens)
        return patches_of(tokens, features.shape[2:]).repeat(1, 2, 1, 1)
