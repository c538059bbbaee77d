"""What moves the features in step two: the offsets of a file, their controls, or offsets fitted again on the way."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection.image_list import ImageList

from clipgap.augment import OffsetFeatures, SemanticAugmentations, permute_channels, random_like
from clipgap.clip import Backbone, Clip
from clipgap.config import RunConfig
from clipgap.data import DetectionDataset
from clipgap.data.stream import seed_for
from clipgap.detector import Detector
from clipgap.engine.fitter import chosen_prompts, crop_batches, make_fitter
from clipgap.errors import ConfigError, TrainingError
from clipgap.prompts import PromptSet


def make_augmentation(config: RunConfig, clip: Backbone) -> tuple[OffsetFeatures | None, str]:
    """What moves the features, and in words what it is.

    Raises:
        ConfigError: the settings ask for offsets but name no file, or would fit others again than those of the file.
        WeightsError: the file is missing, or does not fit this CLIP.
    """
    kind, file, again = config.augment.kind, config.augment.file, config.augment.refit_every
    if again and kind != "fitted":
        raise ConfigError(f"augment.refit_every: only fitted offsets can be fitted again; set it to 0 with kind {kind}")
    if kind == "none":
        return None, "no augmentation"
    if not file:
        raise ConfigError(
            f"augment.file is not set, and augment.kind={kind} needs the offsets that `clipgap fit` writes; "
            "set it, or augment.kind=none"
        )
    augmentations = SemanticAugmentations.load(file)
    augmentations.check_fits(clip, file)
    deviation = config.fit.offsets == "deviation"
    if again and (
        augmentations.prompts != PromptSet.from_config(config.data.prompts)
        or (augmentations.scales is not None) != deviation
    ):
        raise ConfigError(f"augment.refit_every: {file} has other prompts or another fit.offsets than this run")
    pooled, scales = augmentations.pooled, augmentations.scales
    controls = {"random": random_like, "permuted": permute_channels}
    if kind in controls:
        control, seed = controls[kind], seed_for(config.run.seed, 3)
        pooled = control(pooled, seed)
        scales = None if scales is None else control(scales.log(), seed).exp()
    words = f"{kind} offsets, {len(pooled)} prompts" + (f", fitted again every {again} steps" if again else "")
    return OffsetFeatures(pooled, config.augment.probability, scales), words


def move_features(detector: Detector, augment: OffsetFeatures, generator: torch.Generator) -> None:
    """Let `augment` move what the detector's backbone makes of images, in training only; `generator` draws."""
    sizes: list[tuple[int, int]] = []

    def note(_: Any, __: Any, output: tuple[ImageList, Any]) -> None:
        sizes[:] = output[0].image_sizes  # without the batch's padding

    def move(backbone: torch.nn.Module, _: Any, features: Tensor) -> Tensor | None:
        return augment(features, generator, sizes) if backbone.training else None

    detector.transform.register_forward_hook(note)
    detector.backbone.register_forward_hook(move)


def refit(augment: OffsetFeatures, clip: Clip, dataset: DetectionDataset, config: RunConfig, step: int) -> None:
    """Put in offsets fitted from zero on the tower as it is after `step` steps: the detector's is `clip`'s own.

    Of the settings of step one it takes all but `fit.pool` and `fit.patience`. The tower's BatchNorm is left in the
    mode of step one.

    Raises:
        TrainingError: the offsets are not finite.
    """
    fitter = make_fitter(clip, PromptSet.from_config(config.data.prompts), config, augment.pooled.device)
    for at, crops in enumerate(crop_batches(dataset, config, clip, step, step + config.fit.steps), start=step):
        fitter.step(crops, chosen_prompts(config, len(fitter.offsets), at))
        if not fitter.is_finite():
            raise TrainingError(f"train, step {step}: offsets fitted again are not finite; lower fit.lr or train.lr")
    augment.pooled.copy_(torch.stack([offset.detach().mean((1, 2)) for offset in fitter.offsets]))
    if augment.scales is not None and fitter.scales is not None:
        augment.scales.copy_(fitter.scales)
