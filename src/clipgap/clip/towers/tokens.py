"""What transformers are made of here: blocks of tokens, and maps that hold tokens (`clipgap.clip.towers.vit`)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Self, cast

import torch
from open_clip.transformer import ResidualAttentionBlock
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from clipgap.clip.tower import TowerSpec, Trunk, padded


class TransformerSpec(TowerSpec):
    """What the shapes of all transformers have in common: blocks, and where they are cut."""

    layer4_stride: ClassVar[int] = 1

    patch_size: PositiveInt
    layers: Annotated[int, Field(ge=1, le=1000)]
    roi_blocks: PositiveInt
    """The last blocks that regions go through."""
    window: NonNegativeInt = 0
    """Cells along the side of the windows that blocks of the trunk look at, but the last of each of its layers
    (ViTDet, Li et al. 2022); 0: all of them look at everything, as CLIP does."""

    @model_validator(mode="after")
    def _leaves_the_trunk_a_block(self) -> TransformerSpec:
        if self.roi_blocks >= self.layers:
            most = f"of {self.layers} blocks at most {self.layers - 1}"
            raise ValueError(f"clip.roi_blocks={self.roi_blocks}: {most} can be the regions'")
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size: must be a multiple of a patch ({self.patch_size})")
        return self

    @property
    def stride(self) -> int:
        return self.patch_size

    @property
    def cut(self) -> str:
        return f" roi_blocks={self.roi_blocks} window={self.window}"

    def halves(self, blocks: list[Block]) -> tuple[list[Block], list[Block]]:
        """A tower's blocks, of the trunk and of the RoI part."""
        return blocks[: -self.roi_blocks], blocks[-self.roi_blocks :]


class Block(nn.Module):
    """One block, of attention and of a perceptron, each behind a norm: tokens (N, L, C) -> tokens.

    Args:
        norms: before attention and before the perceptron.
        projection: weight (3 C, C) and bias (3 C,) of queries, keys and values.
        out: what follows the attention's heads.
        heads: how many.
        mlp: the perceptron.
    """

    def __init__(
        self,
        norms: tuple[nn.Module, nn.Module],
        projection: tuple[nn.Parameter, nn.Parameter],
        out: nn.Module,
        heads: int,
        mlp: nn.Module,
    ) -> None:
        super().__init__()
        self.norm1, self.norm2 = norms
        self.weight, self.bias = projection
        self.out, self.heads, self.mlp = out, heads, mlp

    @classmethod
    def of_open_clip(cls, block: ResidualAttentionBlock) -> Self:
        """With the block's own modules."""
        own = block.attn
        return cls(
            (block.ln_1, block.ln_2), (own.in_proj_weight, own.in_proj_bias), own.out_proj, own.num_heads, block.mlp
        )

    @classmethod
    def of_timm(cls, block: Any) -> Self:
        """With the block's own modules, of a timm `vision_transformer.Block`."""
        own = block.attn
        return cls((block.norm1, block.norm2), (own.qkv.weight, own.qkv.bias), own.proj, own.num_heads, block.mlp)

    def forward(self, tokens: Tensor, seen: Tensor | None = None) -> Tensor:
        """`seen` (N, L): the tokens that are looked at; None: all."""
        projected = self._projected(tokens).reshape(*tokens.shape[:2], 3, self.heads, -1)
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        mask = None if seen is None else seen[:, None, None]
        found = F.scaled_dot_product_attention(query, key, value, mask)
        return self._add(tokens, found.transpose(1, 2).flatten(2))

    def alone(self, tokens: Tensor) -> Tensor:
        """The same with every token looking at itself only."""
        return self._add(tokens, self._projected(tokens).chunk(3, dim=-1)[2])

    def _projected(self, tokens: Tensor) -> Tensor:
        return F.linear(self.norm1(tokens), self.weight, self.bias)

    def _add(self, tokens: Tensor, found: Tensor) -> Tensor:
        tokens = tokens + self.out(found)
        made: Tensor = tokens + self.mlp(self.norm2(tokens))
        return made


class Layer(nn.Module):
    """Blocks one after the other: a map of tokens -> the same shape.

    Args:
        blocks: in their order.
        window: cells along the side of the windows that all blocks but the last look at; 0: everything.
        class_token: whether the map holds one (`to_tokens`).
    """

    def __init__(self, blocks: Sequence[Block], window: int = 0, class_token: bool = True) -> None:
        super().__init__()
        self.blocks, self.window, self.class_token = nn.ModuleList(blocks), window, class_token

    def forward(self, features: Tensor, seen: Tensor | None = None) -> Tensor:
        """`seen` (N, h, w): the cells that are looked at, those of no padding; None: all."""
        size, tokens = features.shape[2:], to_tokens(features, self.class_token)
        looked_at = None if seen is None else self._with_first(seen.flatten(1))
        for number, block in enumerate(self.blocks, start=1):
            if self.window and number < len(self.blocks):
                tokens = self._in_windows(cast(Block, block), tokens, size, seen)
            else:
                tokens = block(tokens, looked_at)
        return to_map(tokens, size, self.class_token)

    def _in_windows(self, block: Block, tokens: Tensor, size: Sequence[int], seen: Tensor | None) -> Tensor:
        """A block that looks at windows, of which each sees the class token; what they make of it is averaged."""
        (height, width), first = size, int(self.class_token)
        side = self.window if torch.compiler.is_exporting() else min(self.window, max(height, width))
        if seen is None:
            seen = torch.ones(len(tokens), height, width, dtype=torch.bool, device=tokens.device)
        patches = padded(patches_of(tokens, size, self.class_token), side).permute(0, 2, 3, 1)
        grid = (len(tokens), patches.shape[1] // side, patches.shape[2] // side)
        pieces, there = (_cut(one, grid, side) for one in (patches, padded(seen, side)[..., None]))
        windows = grid[1] * grid[2]
        given = tokens[:, None, :first].expand(-1, windows, -1, -1).flatten(0, 1)
        made = block(torch.cat([given, pieces], dim=1), self._with_first(there[..., 0]))
        some = there.any(1).reshape(len(tokens), windows, 1, 1).to(made.dtype)  # a window of padding says nothing
        given = made[:, :first].reshape(len(tokens), windows, first, tokens.shape[2])
        given = (given * some).sum(1) / some.sum(1).clamp(min=1)
        whole = made[:, first:].reshape(*grid, side, side, -1).transpose(2, 3).flatten(3, 4).flatten(1, 2)
        return torch.cat([given, whole[:, :height, :width].flatten(1, 2)], dim=1)

    def _with_first(self, seen: Tensor) -> Tensor:
        """Which tokens are looked at, of which patches (N, L): a class token always."""
        return F.pad(seen, (int(self.class_token), 0), value=True)


def _cut(cells: Tensor, grid: tuple[int, int, int], side: int) -> Tensor:
    """(N, h, w, C) -> windows (N * rows * columns, side * side, C)."""
    images, rows, columns = grid
    cut = cells.reshape(images, rows, side, columns, side, -1).transpose(2, 3)
    return cut.reshape(images * rows * columns, side**2, -1)


class TransformerTrunk(Trunk):
    """V_a of a transformer, whose blocks do not look at padding: an image gives the same in any batch.

    Args:
        spec: its shape.
        stem: images (N, 3, H, W), and perhaps the cells that are no padding -> a map of tokens.
        blocks: the trunk's; layer1 to layer3 have as many each as can be.
        class_token: whether maps hold one (`to_tokens`).
    """

    def __init__(self, spec: TransformerSpec, stem: nn.Module, blocks: Sequence[Block], class_token: bool) -> None:
        cuts = [round(part * len(blocks) / 3) for part in range(4)]
        one, two, three = (Layer(blocks[start:end], spec.window, class_token) for start, end in pairwise(cuts))
        super().__init__(stem, one, two, three, spec.c4_channels)
        self.patch = spec.patch_size

    def forward(self, images: Tensor) -> Tensor:
        cells = seen_cells(images, self.patch)
        everything = not torch.compiler.is_exporting() and bool(cells.all())
        seen = None if everything else cells
        features: Tensor = self.stem(images, cells)
        for layer in (self.layer1, self.layer2, self.layer3):
            features = layer(features, seen)
        return features

    def cells(self, side: int) -> int:
        return -(-side // self.patch)


def positions(places: Tensor, seen: Tensor) -> Tensor:
    """The tower's square of positions (g g, C), stretched over each image: (N, C, h, w), bicubic.

    Args:
        places: row by row.
        seen: the cells of every image that are no padding (N, h, w): what an image gets does not depend on the others.
    """
    side = round(len(places) ** 0.5)
    grid = places.T.reshape(1, -1, side, side).expand(len(seen), -1, -1, -1)
    axes = []
    for axis, other in ((1, 2), (2, 1)):
        cells = seen.any(other).sum(1).clamp(min=1)
        middle = torch.arange(seen.shape[axis], device=seen.device) + 0.5
        axes.append(2 * middle / cells[:, None] - 1)
    rows, columns = (one.expand(seen.shape) for one in (axes[0][:, :, None], axes[1][:, None, :]))
    where = torch.stack([columns, rows], dim=-1).to(grid.dtype)
    return F.grid_sample(grid, where, mode="bicubic", padding_mode="border", align_corners=False)


def to_tokens(features: Tensor, class_token: bool = True) -> Tensor:
    """A map (N, 2 C, h, w) -> tokens (N, 1 + h w, C), the class token first; (N, C, h, w) -> (N, h w, C) without."""
    if not class_token:
        return features.flatten(2).transpose(1, 2)
    patches, first = features.chunk(2, dim=1)
    return torch.cat([first.mean((2, 3))[:, None], patches.flatten(2).transpose(1, 2)], dim=1)


def to_map(tokens: Tensor, size: Sequence[int], class_token: bool = True) -> Tensor:
    """Tokens -> the map that `to_tokens` reads."""
    patches = patches_of(tokens, size, class_token)
    if not class_token:
        return patches
    return torch.cat([patches, tokens[:, 0, :, None, None].expand_as(patches)], dim=1)


def patches_of(tokens: Tensor, size: Sequence[int], class_token: bool = True) -> Tensor:
    """Tokens -> the map (N, C, h, w) of those of patches."""
    patches = tokens[:, int(class_token) :]
    return patches.transpose(1, 2).reshape(len(tokens), tokens.shape[2], *size)


def seen_cells(images: Tensor, patch: int) -> Tensor:
    """Which cells of normalised images (N, 3, H, W) are no padding (N, h, w): padding is zero after normalisation."""
    some = padded((images != 0).any(1), patch)
    rows, columns = (side // patch for side in some.shape[1:])
    return some.reshape(len(some), rows, patch, columns, patch).any(4).any(2)
