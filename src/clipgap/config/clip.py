"""Which CLIP: the names that fit, and the settings of its weights."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, model_validator

from clipgap.config.section import Count, NotNegative, Section, Seed
from clipgap.errors import did_you_mean

RESNETS = ("RN50", "RN101", "RN50x4", "RN50x16", "RN50x64")
CONVNEXTS = (
    "convnext_tiny",
    "convnext_small",
    "convnext_base",
    "convnext_base_w",
    "convnext_base_w_320",
    "convnext_large",
    "convnext_large_d",
    "convnext_large_d_320",
    "convnext_xlarge",
    "convnext_xxlarge",
    "convnext_xxlarge_320",
)
VITS = (
    "ViT-S-16",
    "ViT-S-32",
    "ViT-M-16",
    "ViT-M-32",
    "ViT-B-16",
    "ViT-B-16-plus",
    "ViT-B-16-plus-240",
    "ViT-B-32",
    "ViT-B-32-256",
    "ViT-B-32-plus-256",
    "ViT-L-14",
    "ViT-L-14-280",
    "ViT-L-14-336",
    "ViT-L-16",
    "ViT-L-16-320",
    "ViT-H-14",
    "ViT-H-14-378",
    "ViT-H-16",
    "ViT-g-14",
    "ViT-e-14",
    "ViT-bigG-14",
)
SIGLIPS = (
    "ViT-B-16-SigLIP",
    "ViT-B-16-SigLIP-256",
    "ViT-B-16-SigLIP-384",
    "ViT-B-16-SigLIP-512",
    "ViT-B-16-SigLIP-i18n-256",
    "ViT-L-16-SigLIP-256",
    "ViT-L-16-SigLIP-384",
    "ViT-SO400M-14-SigLIP",
    "ViT-SO400M-14-SigLIP-378",
    "ViT-B-32-SigLIP2-256",
    "ViT-B-16-SigLIP2",
    "ViT-B-16-SigLIP2-256",
    "ViT-B-16-SigLIP2-384",
    "ViT-B-16-SigLIP2-512",
    "ViT-L-16-SigLIP2-256",
    "ViT-L-16-SigLIP2-384",
    "ViT-L-16-SigLIP2-512",
    "ViT-SO400M-14-SigLIP2",
    "ViT-SO400M-14-SigLIP2-378",
    "ViT-SO400M-16-SigLIP2-256",
    "ViT-SO400M-16-SigLIP2-384",
    "ViT-SO400M-16-SigLIP2-512",
    "ViT-gopt-16-SigLIP2-256",
    "ViT-gopt-16-SigLIP2-384",
)
CLIPS = (*RESNETS, *CONVNEXTS, *VITS, *SIGLIPS)
"""open_clip's names of the models that fit (docs/towers.md)."""
TINY_CLIPS = ("tiny", "tiny-convnext", "tiny-vit")
"""Of the miniature world."""
TEXTLESS = ("efficientnet_lite0",)
"""Backbones of ImageNet, without a text tower."""


def _known_clip(name: str) -> str:
    if name in (*TINY_CLIPS, *TEXTLESS) or name.removesuffix("-quickgelu") in CLIPS:
        return name
    meant = did_you_mean(name, (*TINY_CLIPS, *TEXTLESS, *CLIPS))
    usual = ("RN50", "RN101", "convnext_base_w", "convnext_large_d", "ViT-B-16", "ViT-L-14", *TINY_CLIPS, *TEXTLESS)
    raise ValueError(f"no such CLIP, or none that fits: {meant}there are {', '.join(usual)} and more (docs/towers.md)")


class ClipConfig(Section):
    """Which CLIP, and where its weights come from."""

    name: Annotated[str, AfterValidator(_known_clip)] = "RN101"
    """open_clip's name of a ResNet (`RN101`), ConvNeXt (`convnext_base_w`) or ViT (`ViT-B-16`, `ViT-B-16-SigLIP2`;
    docs/towers.md); `tiny`, `tiny-convnext` or `tiny-vit`, of the miniature world; or a backbone without text:
    `efficientnet_lite0`."""
    pretrained: str | None = None
    """open_clip's tag of the weights (`openai`; tiny's `world`; `imagenet`), or `random`: drawn from `random_seed`."""
    file: str | None = None
    """A local file of weights: OpenAI's .pt, an open_clip state dict, or safetensors; EfficientNet's as published."""
    quick_gelu: bool | None = None
    """The activation of the text tower, and of a ViT; null: from the tag or from the file's layout."""
    tokenizer: str | None = None
    """A SigLIP's tokenizer: its folder, or its name on the Hub; null: the one that open_clip names for `name`."""
    random_seed: Seed = 0
    """Seed of `pretrained: random`; the same for fit and train."""
    roi_blocks: Count | None = None
    """Of a ViT: its last blocks, which every region goes through; null: a sixth of them."""
    window: NotNegative = 0
    """Of a ViT: cells along the side of the windows that its blocks look at, but the last of layer1, layer2 and layer3
    each, which always look at the whole image (ViTDet, Li et al. 2022: 14); 0: all look at the whole, as CLIP does."""

    @property
    def is_vit(self) -> bool:
        """Whether regions go through blocks of a transformer, which have no stride."""
        return self.name.removesuffix("-quickgelu") in (*VITS, *SIGLIPS, "tiny-vit")

    @model_validator(mode="after")
    def _cut_only_where_there_are_blocks(self) -> ClipConfig:
        if (self.roi_blocks or self.window) and not self.is_vit:
            raise ValueError(f"roi_blocks and window are a ViT's, and {self.name} is none: leave them out")
        if self.tokenizer and self.name not in SIGLIPS:
            raise ValueError(f"tokenizer is a SigLIP's, and {self.name} is none: leave it out")
        return self
