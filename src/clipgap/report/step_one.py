"""Step one as a picture: crops in CLIP's space, which way the prompts point, and where the offsets take them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from markupsafe import Markup
from torch import Tensor
from torch.nn import functional as F

from clipgap.augment import SemanticAugmentations, directions
from clipgap.clip import Clip, load_clip
from clipgap.config import RunConfig
from clipgap.data import load_domains
from clipgap.data.stream import generator_for
from clipgap.engine.prompts_check import as_clip_sees, choose_boxes, crops_of
from clipgap.engine.run_folder import RunFolder
from clipgap.errors import ClipgapError
from clipgap.files import hash_of_file
from clipgap.report.series import Run
from clipgap.report.svg import Plot

CROPS = 48
"""Boxes of the source that are looked at."""


@dataclass(frozen=True)
class StepOne:
    """The offsets that one series was trained with."""

    letter: str
    file: str
    rows: list[tuple[str, list[float]]]
    """Every target prompt with its cosines to where crops should land: before, after, and as step two moves them."""
    plot: Markup | None
    said: str
    """What is to be known of the plot, or why there is none."""


def step_one_of(letter: str, run: Run) -> StepOne | None:
    """Of a run; None where it used no offsets, or their file is not there any more."""
    config = run.made
    if config is None or not (config.augment.offsets and config.augment.file and Path(config.augment.file).is_file()):
        return None
    file = Path(config.augment.file)
    if RunFolder(run.path).record().get("offsets_hash") != hash_of_file(file):
        return StepOne(letter, str(file), [], None, "The file holds other offsets than the run was trained with.")
    augmentations = SemanticAugmentations.load(file)
    cosines = augmentations.record.get("cosines", [])
    rows = [
        (prompt, [float(row[name]) for name in ("before", "after", "pooled")])
        for prompt, row in zip(augmentations.prompts.targets, cosines, strict=False)
    ]
    try:
        plot, said = _plot(augmentations, config)
    except ClipgapError as error:
        plot, said = None, f"no picture: {error}"
    return StepOne(letter, str(file), rows, plot, said)


@torch.no_grad()
def _plot(augmentations: SemanticAugmentations, config: RunConfig) -> tuple[Markup, str]:
    clip = load_clip(config.clip)
    augmentations.check_fits(clip, str(config.augment.file))
    words = clip.embed_text([augmentations.prompts.source, *augmentations.prompts.targets])
    ways = directions(words[0], words[1:])
    z, landed = _crops_before_and_after(clip, augmentations.pooled, config)
    centre = z.mean(0)
    plane, shown = _plane(ways, z - centre)
    crops, ends, aims = ((points @ plane.T).tolist() for points in (z - centre, landed - centre, ways))
    x, y = zip(*crops, *ends, *aims, strict=True)
    plot = Plot("", (min(x) * 1.1, max(x) * 1.1, ""), (min(y) * 1.1, max(y) * 1.1, ""), (620, 420), ticks=[])
    for point in crops:
        plot.dot((point[0], point[1]), "crop", "a crop of the source")
    for prompt, aim, end in zip(augmentations.prompts.targets, aims, ends, strict=True):
        plot.line([(0, 0), (aim[0], aim[1])], "ideal", f"direction of: {prompt}")
        plot.dot((aim[0], aim[1]), "aim", f"direction of: {prompt}")
        plot.line([(0, 0), (end[0], end[1])], "moved", f"the offset of: {prompt}")
        plot.dot((end[0], end[1]), "moved", f"the offset of: {prompt}")
    return plot.svg(), (
        f"The plane in which {shown:.0%} of the prompts' directions lie. Grey: {len(crops)} crops of the source; "
        "dashed: where the words point from their mean; solid: where the offsets take it."
    )


def _crops_before_and_after(clip: Clip, offsets: Tensor, config: RunConfig) -> tuple[Tensor, Tensor]:
    """Unit image embeddings of crops (N, D), and the mean of the crops' moved by each offset (M, D)."""
    dataset = load_domains(config.data).source.train
    if dataset is None:
        raise ClipgapError(f"{config.data.source.name}: no training split")
    pictures = list(crops_of(dataset, choose_boxes(dataset, CROPS, generator_for(config.run.seed, 9, 0))))
    if not pictures:
        raise ClipgapError(f"{config.data.source.name}: no box to look at")
    features = clip.trunk(as_clip_sees(clip, pictures))
    z = F.normalize(clip.roi_part(features)[0], dim=-1)
    moved = [F.normalize(clip.roi_part(features + one[:, None, None])[0], dim=-1).mean(0) for one in offsets]
    return z, torch.stack(moved)


def _plane(ways: Tensor, crops: Tensor) -> tuple[Tensor, float]:
    """Two orthonormal axes (2, D) that show the most of directions (M, D), and the share of them that they show.

    Where the directions span a line alone, the crops (N, D) decide the second.
    """
    _, _, axes = torch.linalg.svd(torch.cat([ways, 1e-3 * crops]), full_matrices=False)
    plane = axes[:2]
    return plane, float((ways @ plane.T).square().sum() / ways.square().sum())
