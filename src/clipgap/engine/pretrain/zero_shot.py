"""What the tiny CLIP knows without having been taught the task: classes and conditions, told by words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from clipgap.clip import Clip
from clipgap.engine.pretrain.batches import as_images
from clipgap.engine.pretrain.recipe import Pretraining
from clipgap.engine.progress import log, progress_bar
from clipgap.prompts import class_prompts
from clipgap.world import CLASSES, DOMAINS, STREETS, WEB, Album, cut, draw_album

HELD_OUT_SEED = 1_000_003
"""Added to the seed for the scenes that the zero-shot accuracy is measured on."""
DOMAIN_PROMPTS = {
    "daytime_clear": "an image taken on a clear day",
    "daytime_foggy": "an image taken on a fog day",
    "night_sunny": "an image taken on a clear night",
    "dusk_rainy": "an image taken on a rain evening",
    "night_rainy": "an image taken on a rain night",
}


def zero_shot(clip: Clip, recipe: Pretraining, folder: Path, workers: int) -> dict[str, Any]:
    """Zero-shot accuracy in percent, on scenes of neither the training's seed nor, for `streets`, its assets.

    For each style and domain: `class`, 7 ways, on crops around a thing (right is the thing the crop is around);
    `condition`, 5 ways, on pieces of street, by prompts of the paper's kind.
    """
    found: dict[str, Any] = {}
    for style in (WEB, STREETS):
        file, seed = folder / f"held_out_{style.name}.npy", recipe.seed + HELD_OUT_SEED
        with progress_bar(f"draw held-out scenes ({style.name})", recipe.held_out) as report:
            album = draw_album(file, recipe.held_out, style, tuple(DOMAINS.values()), seed, workers, report)
        found[style.name] = accuracy(clip, album)
        forget_album(file)
    return found


def forget_album(file: Path) -> None:
    """Remove an album: it is drawn again in a minute."""
    file.unlink()
    file.with_suffix(".json").unlink()


@torch.no_grad()
def accuracy(clip: Clip, album: Album) -> dict[str, dict[str, float]]:
    """Zero-shot accuracy of classes and conditions for every domain of an album."""
    names = list(CLASSES)
    class_texts = clip.embed_groups(class_prompts(names))
    condition_texts = clip.embed_text([DOMAIN_PROMPTS[domain] for domain in DOMAINS])
    random = np.random.default_rng(11)
    right: dict[str, dict[str, list[bool]]] = {domain: {"class": [], "condition": []} for domain in DOMAINS}
    domains = {condition: domain for domain, condition in DOMAINS.items()}
    for kind, of_thing, texts in (("class", 1.0, class_texts), ("condition", 0.0, condition_texts)):
        for _ in range(0, 2 * len(album), 100):
            batch = [cut(album, random, clip.spec.tower.image_size, of_thing) for _ in range(100)]
            embeddings = F.normalize(clip.model.encode_image(as_images(batch).to(texts.device)), dim=-1)
            best = (embeddings @ texts.T).argmax(1).tolist()
            for crop, answer in zip(batch, best, strict=True):
                domain = domains[crop.condition]
                said = names[answer] == crop.name if kind == "class" else list(DOMAINS)[answer] == domain
                right[domain][kind].append(said)
    table = {
        domain: {kind: round(100 * float(np.mean(v)), 1) for kind, v in kinds.items()}
        for domain, kinds in right.items()
    }
    for domain, row in table.items():
        log.print(f"  {domain}: class {row['class']:.1f} %, condition {row['condition']:.1f} %", highlight=False)
    return table
