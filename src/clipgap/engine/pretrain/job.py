"""The whole pre-training: an album, a training, a measurement, a card."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import save_file

from clipgap.clip import TINIES, Clip
from clipgap.engine.checkpoints import Checkpoints
from clipgap.engine.names import ALBUM, require_new_pretraining
from clipgap.engine.pretrain.loop import KIND, train
from clipgap.engine.pretrain.recipe import CARD, CHECKPOINT, Pretraining
from clipgap.engine.pretrain.zero_shot import forget_album, zero_shot
from clipgap.engine.progress import progress_bar
from clipgap.engine.runtime import environment_record
from clipgap.files import alone_in, sweep, write_text, write_then_rename
from clipgap.weights import bytes_of
from clipgap.world import WEB, draw_album


def pretrain(
    out: Path, recipe: Pretraining, device: torch.device, workers: int = 2, resume: bool = False
) -> dict[str, Any]:
    """Draw an album, train a tiny CLIP on it, measure its zero-shot accuracy; returns what the card says.

    Raises:
        DataError: `out` holds something already.
        ConfigError: what is to be resumed was begun with another recipe.
    """
    if not resume:
        require_new_pretraining(out)
    with alone_in(out):
        sweep(out)
        return _pretrain(out, recipe, device, workers)


def _pretrain(out: Path, recipe: Pretraining, device: torch.device, workers: int) -> dict[str, Any]:
    with progress_bar("draw the album", recipe.scenes) as report:
        album = draw_album(out / ALBUM, recipe.scenes, WEB, recipe.conditions, recipe.seed, workers, report)
    torch.manual_seed(recipe.seed)
    spec = TINIES[recipe.name]
    model = spec.build().to(device, memory_format=torch.channels_last)
    train(model, album, recipe, out, device)
    save_weights(model, out / recipe.weights)
    clip = Clip(model, spec, recipe.name, recipe.weights)
    card = {"recipe": asdict(recipe), "zero_shot": zero_shot(clip, recipe, out, workers), **environment_record()}
    write_text(out / CARD, json.dumps(card, indent=1))
    forget_album(out / ALBUM)
    Checkpoints(out / CHECKPOINT, KIND).remove()
    return card


def save_weights(model: open_clip.CLIP, file: Path) -> None:
    """The weights in half precision, which loses nothing that shows: 8 to 10 MB, most of it the token table."""
    state = {
        name: tensor.detach().cpu().half().contiguous()
        for name, tensor in model.state_dict().items()
        if not name.endswith(("num_batches_tracked", "attn_mask"))
    }
    write_then_rename(file, lambda path: save_file(state, path), needs=bytes_of(state))
