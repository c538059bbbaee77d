"""CLIP: its image tower cut in two, its text embeddings, and its weights from tags or files."""

from clipgap.clip.fold import fold_roi_part, fold_trunk
from clipgap.clip.load import TINY, cached_weights, load_clip
from clipgap.clip.model import Clip, ClipSpec, clip_from_weights
from clipgap.clip.tower import (
    IMAGE_MEAN,
    IMAGE_STD,
    STRIDE,
    AttentionPool,
    RoiPart,
    TowerSpec,
    Trunk,
    c4_size,
    halve,
    set_batch_norm,
)

__all__ = [
    "IMAGE_MEAN",
    "IMAGE_STD",
    "STRIDE",
    "TINY",
    "AttentionPool",
    "Clip",
    "ClipSpec",
    "RoiPart",
    "TowerSpec",
    "Trunk",
    "c4_size",
    "cached_weights",
    "clip_from_weights",
    "fold_roi_part",
    "fold_trunk",
    "halve",
    "load_clip",
    "set_batch_norm",
]
