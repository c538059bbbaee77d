"""The text tower alone: words that mean something before there are pictures."""

from __future__ import annotations

import numpy as np
import open_clip
import torch
from torch.nn import functional as F

from clipgap.engine.pretrain.batches import tokenize
from clipgap.engine.pretrain.contrast import contrast
from clipgap.engine.pretrain.recipe import Pretraining
from clipgap.engine.progress import progress_bar
from clipgap.world import CLASSES, Condition, write_caption

WORDS = 96
"""Pairs of captions that the text tower learns words from at a time."""


def learn_words(model: open_clip.CLIP, recipe: Pretraining, device: torch.device) -> None:
    """Teach the text tower, from pairs of captions alone, which of them say the same.

    Without this all captions begin within a cosine of 0.99 of each other: the weather is learnt in a hundred steps,
    because colours tell it, and the classes stay where they are for a thousand.
    """
    tower = [p for name, p in model.named_parameters() if not name.startswith("visual.") and name != "logit_scale"]
    optimizer = torch.optim.AdamW(tower, 2e-3, weight_decay=recipe.weight_decay)
    clear = torch.ones(WORDS, WORDS, dtype=torch.bool, device=device)
    with progress_bar("learn words", recipe.word_steps) as report:
        for step in range(recipe.word_steps):
            random = np.random.default_rng((recipe.seed, 8, step))
            subjects = [_subject(random, recipe) for _ in range(WORDS)]
            pair = [[write_caption(random, *subject) for subject in subjects] for _ in range(2)]
            facts = [[(c.name, c.weather, c.time) for c in captions] for captions in pair]
            same = torch.tensor([[a == b for b in facts[1]] for a in facts[0]], device=device)
            one, other = (F.normalize(model.encode_text(tokenize(c).to(device)), dim=-1) for c in pair)
            loss = contrast(one, other, model.logit_scale.exp().detach(), same, clear)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            report(loss=float(loss.detach()))


def _subject(random: np.random.Generator, recipe: Pretraining) -> tuple[str | None, Condition]:
    """What a caption is written of: a thing or a piece of street, under a condition."""
    name = CLASSES[int(random.integers(len(CLASSES)))] if random.random() < 0.7 else None
    return name, recipe.conditions[int(random.integers(len(recipe.conditions)))]
