"""The training of a tiny CLIP, which can be interrupted and gone on with."""

from __future__ import annotations

import json
import math
from pathlib import Path

import open_clip
import torch
from torch import Tensor, nn

from clipgap.clip import load_clip
from clipgap.config import ClipConfig
from clipgap.engine.checkpoints import Checkpoints
from clipgap.engine.pretrain.batches import batches
from clipgap.engine.pretrain.contrast import contrast
from clipgap.engine.pretrain.recipe import CHECKPOINT, LOG, Pretraining
from clipgap.engine.pretrain.words import learn_words
from clipgap.engine.progress import progress_bar
from clipgap.errors import ConfigError
from clipgap.files import add_line, write_text
from clipgap.world import Album

KIND = "clipgap world pretrain"
"""What its checkpoints are of."""
SAVE_EVERY = 200
"""Steps between two checkpoints, for `--resume`."""


def train(model: open_clip.CLIP, album: Album, recipe: Pretraining, out: Path, device: torch.device) -> None:
    """Train a tower on an album; a checkpoint in `out` is gone on from."""
    if recipe.tower != "resnet":
        _share_text(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in trained if p.ndim > 1]
    others = [p for p in trained if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, recipe.lr, betas=(0.9, 0.98))
    checkpoints = Checkpoints(out / CHECKPOINT, KIND)
    first = _restore(checkpoints, recipe, model, optimizer)
    _cut_log(out / LOG, first)
    if not first:
        _open_residuals(model)
        if recipe.tower == "resnet":
            learn_words(model, recipe, device)
    model.train()
    with progress_bar("pre-train", recipe.steps, first) as report:
        for step, (images, tokens, true, clear) in enumerate(batches(album, recipe, first), start=first):
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
                _checkpoint(checkpoints, recipe, step + 1, model, optimizer)
    model.eval()


def _open_residuals(model: open_clip.CLIP) -> None:
    """Let every residual branch count from the start; open_clip begins with all of them shut, for long trainings."""
    for name, parameter in model.visual.named_parameters():
        if (name.startswith("layer") and name.endswith("bn3.weight")) or name.endswith(".gamma"):
            nn.init.ones_(parameter)


def _share_text(model: open_clip.CLIP) -> None:
    """Put in the text tower of the shipped tiny CLIP, and keep it as it is."""
    theirs = load_clip(ClipConfig(name="tiny")).model.state_dict()
    own = dict(model.named_parameters())
    for name in own.keys() & theirs.keys():
        if not name.startswith("visual."):
            own[name].data.copy_(theirs[name])
            own[name].requires_grad_(False)


def _schedule(step: int, recipe: Pretraining) -> float:
    """Linear warm-up, then half a cosine."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    return 0.5 * (1 + math.cos(math.pi * (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)))


def _checkpoint(
    checkpoints: Checkpoints, recipe: Pretraining, step: int, model: nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    state = {"recipe": repr(recipe), "step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    checkpoints.save(state)


def _restore(checkpoints: Checkpoints, recipe: Pretraining, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    state = checkpoints.load()
    if state is None:
        return 0
    if (begun := state["recipe"]) != repr(recipe):
        folder = checkpoints.file.parent
        raise ConfigError(f"--resume: {folder} was begun with other settings ({begun}); use those")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def _log(file: Path, step: int, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    line = {"step": step, "loss": round(float(loss.detach()), 5), "lr": optimizer.param_groups[0]["lr"]}
    add_line(file, json.dumps(line))


def _cut_log(file: Path, step: int) -> None:
    """Forget what an interrupted training logged after its last checkpoint: it is done again."""
    if file.is_file():
        lines = file.read_text(encoding="utf-8").splitlines()
        write_text(file, "".join(f"{line}\n" for line in lines if json.loads(line)["step"] <= step))
