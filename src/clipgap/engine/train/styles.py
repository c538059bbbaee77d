"""The bank of styles of `augment.kind: pin`, from prompts alone (PODA, ICCV 2023; METHOD, section 8)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clipgap.augment import mean_and_deviation, restyle
from clipgap.clip import Backbone
from clipgap.config import RunConfig
from clipgap.data import DetectionDataset
from clipgap.engine.fitter import crop_batches
from clipgap.engine.progress import progress_bar
from clipgap.errors import TrainingError
from clipgap.prompts import PromptSet

STEPS, LR = 100, 1.0
"""SGD's, as in the paper."""
STYLES = 4
"""Crops, and so styles, of every prompt; fewer where a batch has fewer crops."""
PARTS = ("stem", "layer1", "layer2", "layer3")


def fit_styles(clip: Backbone, dataset: DetectionDataset, config: RunConfig, show: bool) -> tuple[Tensor, Tensor]:
    """Means and deviations (M * STYLES, C) at `augment.layer`, STYLES for each of the M target prompts.

    A crop's own statistics are moved towards what brings its image embedding to the prompt's text embedding: SGD on
    1 - cos. Every prompt has a batch of step one of its own, and takes its crops from as many of the batch's images as
    there are. The paper embeds a prompt in 80 templates; here it is embedded as it stands.

    Raises:
        TrainingError: a style is not finite.
    """
    texts = clip.embed_text(PromptSet.from_config(config.data.prompts).targets)
    parts = [getattr(clip.trunk, name) for name in PARTS]
    cut = PARTS.index(config.augment.layer) + 1
    before, after = nn.Sequential(*parts[:cut]), nn.Sequential(*parts[cut:])
    batches = crop_batches(dataset, config, clip, 0, len(texts))
    banks: list[tuple[Tensor, Tensor]] = []
    with progress_bar("styles", len(texts), 0, show) as report:
        for text, crops in zip(texts, batches, strict=True):
            with torch.no_grad():
                features = before(crops[:: max(len(crops) // STYLES, 1)][:STYLES])
            mean, deviation = (nn.Parameter(one) for one in mean_and_deviation(features))
            optimizer = torch.optim.SGD([mean, deviation], lr=LR)
            for _ in range(STEPS):
                embedding = clip.roi_part(after(restyle(features, mean, deviation)))[0]
                loss = (1 - F.normalize(embedding, dim=-1) @ text).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            banks.append((mean.detach().flatten(1), deviation.detach().flatten(1)))
            report(distance=float(loss.detach()))
    means, deviations = (torch.cat(bank) for bank in zip(*banks, strict=True))
    if not bool((means + deviations).isfinite().all()):
        raise TrainingError("train: a style of augment.kind=pin is not finite; take another augment.layer")
    return means, deviations
