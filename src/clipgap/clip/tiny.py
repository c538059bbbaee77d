"""CLIPs for demos, tests and the miniature world, one of every family: regions of 8 x 8 cells, one text tower."""

from __future__ import annotations

from pathlib import Path

from open_clip.model import CLIPTextCfg

from clipgap.clip.model import ClipSpec
from clipgap.clip.tower import TowerSpec
from clipgap.clip.towers.convnext import ConvNextSpec
from clipgap.clip.towers.modified_resnet import ModifiedResNetSpec
from clipgap.clip.towers.vit import ViTSpec
from clipgap.config import TINY_CLIPS


def _clip(tower: TowerSpec) -> ClipSpec:
    return ClipSpec(tower, CLIPTextCfg(context_length=32, vocab_size=49408, width=64, heads=1, layers=2), True)


TINY = _clip(ModifiedResNetSpec(embed_dim=128, image_size=128, layers=(1, 2, 3, 1), width=16))
"""1.5 M image parameters."""
TINY_CONVNEXT = _clip(ConvNextSpec(embed_dim=128, image_size=128, depths=(1, 1, 3, 1), dims=(32, 64, 128, 256)))
"""1.2 M."""
TINY_VIT = _clip(
    ViTSpec(
        embed_dim=128,
        image_size=128,
        patch_size=16,
        width=128,
        layers=8,
        head_width=32,
        mlp_width=512,
        quick_gelu=True,
        roi_blocks=2,
    )
)
"""1.7 M."""
TINIES = dict(zip(TINY_CLIPS, (TINY, TINY_CONVNEXT, TINY_VIT), strict=True))
"""By `clip.name`."""


def shipped_file(name: str) -> Path:
    """Where the weights are that come with the package, pre-trained on the miniature world (docs/world.md), with their
    card and log beside them."""
    folder = name.replace("-", "_") + ("_clip" if name == "tiny" else "")
    return Path(__file__).parent / folder / f"{folder}.safetensors"
