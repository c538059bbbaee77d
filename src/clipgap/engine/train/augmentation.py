"""What moves the features in step two: the offsets of a file or their controls, and the other levers of features."""

from __future__ import annotations

import torch
from torch import nn

from clipgap.augment import (
    FeatureAugmentation,
    OffsetFeatures,
    SemanticAugmentations,
    StyleBank,
    permute_channels,
    random_like,
)
from clipgap.augment.levers import Placed
from clipgap.classes import make_lever
from clipgap.clip import Backbone, Clip
from clipgap.config import FEATURES, RunConfig
from clipgap.data import DetectionDataset
from clipgap.data.stream import seed_for
from clipgap.engine.fitter import chosen_prompts, crop_batches, make_fitter
from clipgap.engine.train.styles import fit_styles
from clipgap.errors import ConfigError, TrainingError
from clipgap.prompts import PromptSet

CONTROLS = {"random": random_like, "permuted": permute_channels}


def make_augmentation(
    config: RunConfig, clip: Backbone, dataset: DetectionDataset, show: bool = False
) -> tuple[FeatureAugmentation | None, str]:
    """What moves the features, and in words what it is.

    Raises:
        ConfigError: the settings ask for offsets but name no file, or would fit others again than those of the file; a
            class of the user's own cannot be made.
        WeightsError: the file is missing, or does not fit this CLIP.
    """
    augment = config.augment
    if augment.refit_every and "fitted" not in augment.kinds:
        raise ConfigError(
            f"augment.refit_every: only fitted offsets can be fitted again; set it to 0 with kind {augment.kind}"
        )
    placed, words = [], []
    for kind in augment.kinds:
        if kind == augment.offsets:
            lever, told = _offsets(config, clip)
            placed.append(Placed(lever, None))
        else:
            placed.append(Placed(_lever(kind, config, clip, dataset, show), augment.layer))
            told = f"{kind} at {augment.layer}"
        words.append(told)
    return (FeatureAugmentation(placed) if placed else None), ", ".join(words) or "no augmentation"


def _lever(kind: str, config: RunConfig, clip: Backbone, dataset: DetectionDataset, show: bool) -> nn.Module:
    probability = config.augment.probability
    if kind == "pin":
        return StyleBank(*fit_styles(clip, dataset, config, show), probability)
    lever = make_lever(FEATURES.get(kind, kind), "augment.kind", probability)
    if not isinstance(lever, nn.Module):
        raise ConfigError(f"augment.kind: {kind}: a lever of features is a torch.nn.Module; derive the class from it")
    return lever


def _offsets(config: RunConfig, clip: Backbone) -> tuple[OffsetFeatures, str]:
    kind, file, again = config.augment.offsets, config.augment.file, config.augment.refit_every
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
    if kind in CONTROLS:
        control, seed = CONTROLS[kind], seed_for(config.run.seed, 3)
        pooled = control(pooled, seed)
        scales = None if scales is None else control(scales.log(), seed).exp()
    words = f"{kind} offsets, {len(pooled)} prompts" + (f", fitted again every {again} steps" if again else "")
    return OffsetFeatures(pooled, config.augment.probability, scales), words


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
