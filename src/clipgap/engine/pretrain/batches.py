"""What a tiny CLIP is shown: crops and captions, and which of them belong together."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import open_clip
import torch
from torch import Tensor
from torchvision.transforms.functional import normalize

from clipgap.clip import TINY
from clipgap.engine.pretrain.recipe import Pretraining
from clipgap.world import Album, Caption, Crop, cut, truth, write_caption

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Images (B, 3, S, S), tokens (B, L), whether caption j is true of image i (B, B), and whether that is clear."""


def batches(album: Album, recipe: Pretraining, first: int) -> Iterator[Batch]:
    """The batches from a step on; the next is made while one is trained on."""
    with ThreadPoolExecutor(1) as maker:
        coming = maker.submit(_batch, album, recipe, first)
        for step in range(first, recipe.steps):
            batch = coming.result()
            if step + 1 < recipe.steps:
                coming = maker.submit(_batch, album, recipe, step + 1)
            yield batch


def _batch(album: Album, recipe: Pretraining, step: int) -> Batch:
    random = np.random.default_rng((recipe.seed, 7, step))
    crops = [cut(album, random, TINY.tower.image_size, recipe.of_thing) for _ in range(recipe.batch_size)]
    captions = [write_caption(random, crop.name, crop.condition) for crop in crops]
    named, also = [crop.name for crop in crops], [crop.also for crop in crops]
    true, clear = truth(captions, named, also, [crop.condition for crop in crops])
    return as_images(crops), tokenize(captions), torch.from_numpy(true), torch.from_numpy(clear)


def as_images(crops: list[Crop]) -> Tensor:
    """Crops as CLIP takes them: (B, 3, S, S), normalised."""
    pixels = torch.from_numpy(np.stack([crop.pixels for crop in crops])).permute(0, 3, 1, 2).float() / 255
    images: Tensor = normalize(pixels, list(TINY.tower.mean), list(TINY.tower.std))
    return images


def tokenize(captions: list[Caption]) -> Tensor:
    """The tokens of captions (B, L)."""
    texts = [caption.text for caption in captions]
    tokens: Tensor = open_clip.tokenize(texts, context_length=TINY.text.context_length)
    return tokens
