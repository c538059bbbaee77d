"""A CLIP, or a backbone without text: its image tower cut in two, text embeddings, and weights from tags or files."""

from clipgap.clip.backbone import Backbone
from clipgap.clip.imagenet import load_backbone
from clipgap.clip.load import cached_weights, load_clip
from clipgap.clip.model import Clip, ClipSpec, clip_from_weights
from clipgap.clip.tiny import TINIES, TINY, shipped_file
from clipgap.clip.tower import RoiPart, TowerSpec, Trunk, channel_norm, halve, set_batch_norm
from clipgap.clip.towers import AnyTowerSpec
from clipgap.clip.towers.modified_resnet import AttentionPool, ModifiedResNetSpec

__all__ = [
    "TINIES",
    "TINY",
    "AnyTowerSpec",
    "AttentionPool",
    "Backbone",
    "Clip",
    "ClipSpec",
    "ModifiedResNetSpec",
    "RoiPart",
    "TowerSpec",
    "Trunk",
    "cached_weights",
    "channel_norm",
    "clip_from_weights",
    "halve",
    "load_backbone",
    "load_clip",
    "set_batch_norm",
    "shipped_file",
]
