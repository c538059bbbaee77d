"""Pre-train the tiny CLIP on crops and captions of a drawn world: it plays the part of CLIP's web pre-training.

The contrast is CLIP's, with one change: a caption counts as right for every picture of the batch that it is true of
(UniCL, CVPR 2022), because in a small world many pictures share a caption.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.functional import normalize

from clipgap.clip import IMAGE_MEAN, IMAGE_STD, TINY, Clip
from clipgap.engine.progress import log, progress_bar
from clipgap.engine.runtime import environment_record
from clipgap.errors import ConfigError, DataError
from clipgap.files import require_new, write_text, write_then_rename
from clipgap.prompts import class_prompts
from clipgap.world import (
    CLASSES,
    CONDITIONS,
    DOMAINS,
    STREETS,
    WEB,
    Album,
    Caption,
    Condition,
    Crop,
    Style,
    cut,
    draw_album,
    truth,
    write_caption,
)

WEIGHTS, LOG, CARD, CHECKPOINT, ALBUM = "tiny_clip.safetensors", "log.jsonl", "card.json", "checkpoint.pt", "album.npy"
SAVE_EVERY = 200
"""Steps between two checkpoints, for `--resume`."""
WORDS = 96
"""Pairs of captions that the text tower learns words from at a time."""
HELD_OUT_SEED = 1_000_003
"""Added to the seed for the scenes that the zero-shot accuracy is measured on."""


@dataclass(frozen=True)
class Pretraining:
    """The recipe of the tiny CLIP."""

    seed: int = 0
    scenes: int = 18_000
    steps: int = 2000
    batch_size: int = 192
    lr: float = 1.5e-3
    weight_decay: float = 0.05
    warmup: int = 60
    word_steps: int = 300
    """Steps in which the text tower learns from captions alone which of them say the same, before it sees a picture."""
    of_thing: float = 0.85
    """Share of the crops that are made around a thing: weather is learnt sooner than classes."""
    skipped: tuple[Condition, ...] = ()
    """Conditions that are left out: the control tower is trained without the four target conditions."""
    held_out: int = 1000
    """Scenes of each style that the zero-shot accuracy is measured on."""

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions that are drawn, in turn: most photographs are taken by day, and in good weather."""
        usual = (Condition("clear", "day"),) * 4 + (Condition("cloudy", "day"),) * 2
        return tuple(condition for condition in CONDITIONS + usual if condition not in self.skipped)


Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Images (B, 3, S, S), tokens (B, L), whether caption j is true of image i (B, B), and whether that is clear."""


def pretrain(
    out: Path, recipe: Pretraining, device: torch.device, workers: int = 2, resume: bool = False
) -> dict[str, Any]:
    """Draw an album, train the tiny CLIP on it, measure its zero-shot accuracy; returns what the card says.

    Raises:
        DataError: `out` holds something already.
        ConfigError: what is to be resumed was begun with another recipe.
    """
    if not resume:
        require_new(out, "--out (--resume goes on with a pre-training)")
    out.mkdir(parents=True, exist_ok=True)
    with progress_bar("draw the album", recipe.scenes) as report:
        album = draw_album(out / ALBUM, recipe.scenes, WEB, recipe.conditions, recipe.seed, workers, report)
    torch.manual_seed(recipe.seed)
    model = TINY.build().to(device, memory_format=torch.channels_last)
    _train(model, album, recipe, out, device)
    save_weights(model, out / WEIGHTS)
    clip = Clip(model, TINY, "tiny", WEIGHTS)
    card = {"recipe": asdict(recipe), "zero_shot": zero_shot(clip, recipe, out, workers), **environment_record()}
    write_text(out / CARD, json.dumps(card, indent=1))
    _forget_album(out / ALBUM)
    (out / CHECKPOINT).unlink(missing_ok=True)
    return card


def save_weights(model: open_clip.CLIP, file: Path) -> None:
    """The weights in half precision, which loses nothing that shows: 9 MB, most of it the token table."""
    state = {
        name: tensor.detach().cpu().half().contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith(("num_batches_tracked", "attn_mask"))
    }
    write_then_rename(file, lambda path: save_file(state, path))


def contrast(images: Tensor, texts: Tensor, scale: Tensor, true: Tensor, clear: Tensor) -> Tensor:
    """CLIP's symmetric contrast with several right answers.

    Args:
        images: unit embeddings (B, D).
        texts: unit embeddings (B, D).
        scale: factor on the cosine.
        true: (B, B), whether caption j is true of image i; who has no right answer does not count.
        clear: (B, B), false where it is neither right nor wrong: such pairs are left out.
    """
    logits = (scale * images @ texts.T).masked_fill(~clear, float("-inf"))
    weights = true.to(logits.dtype)
    by_image = (
        -(weights / weights.sum(1, keepdim=True).clamp(min=1) * logits.log_softmax(1).masked_fill(~true, 0))
        .sum(1)
        .mean()
    )
    by_text = (
        -(weights / weights.sum(0, keepdim=True).clamp(min=1) * logits.log_softmax(0).masked_fill(~true, 0))
        .sum(0)
        .mean()
    )
    return (by_image + by_text) / 2


def _train(model: open_clip.CLIP, album: Album, recipe: Pretraining, out: Path, device: torch.device) -> None:
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, recipe.lr, betas=(0.9, 0.98))
    first = _restore(out / CHECKPOINT, recipe, model, optimizer)
    _cut_log(out / LOG, first)
    if not first:
        _open_residuals(model)
        _learn_words(model, recipe, device)
    model.train()
    with progress_bar("pre-train", recipe.steps, first) as report:
        for step, (images, tokens, true, clear) in enumerate(_batches(album, recipe, first), start=first):
            for group in optimizer.param_groups:
                group["lr"] = recipe.lr * _schedule(step, recipe)
            pictures = images.to(device, memory_format=torch.channels_last)
            image, text, scale = model(pictures, tokens.to(device))[:3]
            loss = contrast(image, text, scale, true.to(device), clear.to(device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            with torch.no_grad():
                model.logit_scale.clamp_(0, math.log(100))
            report(loss=float(loss.detach()))
            if (step + 1) % 50 == 0 or step + 1 == recipe.steps:
                _log(out / LOG, step + 1, loss, optimizer)
            if (step + 1) % SAVE_EVERY == 0:
                _checkpoint(out / CHECKPOINT, recipe, step + 1, model, optimizer)
    model.eval()


def _open_residuals(model: open_clip.CLIP) -> None:
    """Let every residual branch count from the start; open_clip begins with all of them shut, for long trainings."""
    for name, parameter in model.visual.named_parameters():
        if name.startswith("layer") and name.endswith("bn3.weight"):
            nn.init.ones_(parameter)


def _learn_words(model: open_clip.CLIP, recipe: Pretraining, device: torch.device) -> None:
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
            one, other = (F.normalize(model.encode_text(_tokens(c).to(device)), dim=-1) for c in pair)
            loss = contrast(one, other, model.logit_scale.exp().detach(), same, clear)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            report(loss=float(loss.detach()))


def _subject(random: np.random.Generator, recipe: Pretraining) -> tuple[str | None, Condition]:
    """What a caption is written of: a thing or a piece of street, under a condition."""
    name = CLASSES[int(random.integers(len(CLASSES)))] if random.random() < 0.7 else None
    return name, recipe.conditions[int(random.integers(len(recipe.conditions)))]


def _tokens(captions: list[Caption]) -> Tensor:
    texts = [caption.text for caption in captions]
    tokens: Tensor = open_clip.tokenize(texts, context_length=TINY.text.context_length)
    return tokens


def _batches(album: Album, recipe: Pretraining, first: int) -> Iterator[Batch]:
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
    return as_images(crops), _tokens(captions), torch.from_numpy(true), torch.from_numpy(clear)


def as_images(crops: list[Crop]) -> Tensor:
    """Crops as CLIP takes them: (B, 3, S, S), normalised."""
    pixels = torch.from_numpy(np.stack([crop.pixels for crop in crops])).permute(0, 3, 1, 2).float() / 255
    images: Tensor = normalize(pixels, IMAGE_MEAN, IMAGE_STD)
    return images


def _schedule(step: int, recipe: Pretraining) -> float:
    """Linear warm-up, then half a cosine."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    return 0.5 * (1 + math.cos(math.pi * (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)))


def _checkpoint(file: Path, recipe: Pretraining, step: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    state = {"recipe": repr(recipe), "step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    write_then_rename(file, lambda path: torch.save(state, path))


def _restore(file: Path, recipe: Pretraining, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    if not file.is_file():
        return 0
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
        begun = state["recipe"]
    except Exception as error:  # noqa: BLE001 (a damaged file makes the reader stumble in every way)
        raise DataError(f"{file}: damaged ({type(error).__name__}); remove it and begin again") from None
    if begun != repr(recipe):
        raise ConfigError(f"--resume: {file.parent} was begun with other settings ({begun}); use those")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def _log(file: Path, step: int, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    line = {"step": step, "loss": round(float(loss.detach()), 5), "lr": optimizer.param_groups[0]["lr"]}
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")


def _cut_log(file: Path, step: int) -> None:
    """Forget what an interrupted training logged after its last checkpoint: it is done again."""
    if file.is_file():
        lines = file.read_text(encoding="utf-8").splitlines()
        write_text(file, "".join(f"{line}\n" for line in lines if json.loads(line)["step"] <= step))


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
        _forget_album(file)
    return found


def _forget_album(file: Path) -> None:
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


DOMAIN_PROMPTS = {
    "daytime_clear": "an image taken on a clear day",
    "daytime_foggy": "an image taken on a fog day",
    "night_sunny": "an image taken on a clear night",
    "dusk_rainy": "an image taken on a rain evening",
    "night_rainy": "an image taken on a rain night",
}
__all__ = ["Caption", "Pretraining", "Style", "accuracy", "contrast", "pretrain", "zero_shot"]
