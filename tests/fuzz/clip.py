"""A CLIP's weights: which tensors there are, and their shapes."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from open_clip.model import CLIPTextCfg

from clipgap.clip import ClipSpec, ModifiedResNetSpec, load_clip
from clipgap.config import ClipConfig
from tests.clips import make_clip
from tests.fuzz.target import Target

SMALL = ClipSpec(
    ModifiedResNetSpec(embed_dim=32, image_size=64, layers=(1, 1, 1, 1), width=8),
    CLIPTextCfg(context_length=8, vocab_size=40, width=64, heads=1, layers=1),
    quick_gelu=True,
)


def seeds() -> list[bytes]:
    """Names to shapes, as JSON: whole, inside of `state_dict`, with OpenAI's marks, and without sizes."""
    shapes = {name: list(tensor.shape) for name, tensor in make_clip(SMALL).model.state_dict().items()}
    empty = {name: [0 for _ in shape] for name, shape in shapes.items()}
    wide = {name: [shape[0] * 10**7, 0] if len(shape) > 1 else shape for name, shape in shapes.items()}
    trees = [shapes, {"state_dict": shapes}, {**shapes, "input_resolution": []}, empty, wide, {"state_dict": [1]}]
    return [json.dumps(tree).encode() for tree in trees]


def read(data: bytes, folder: Path) -> None:
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        return
    torch.save(_made(tree), folder / "a.pt")
    load_clip(ClipConfig(name="tiny", file=str(folder / "a.pt"), quick_gelu=True))


def _made(tree: object) -> object:
    """Lists of a few whole numbers are shapes of tensors; the rest stays."""
    if isinstance(tree, dict):
        return {_key(key): _made(value) for key, value in tree.items()}
    whole = isinstance(tree, list) and all(isinstance(side, int) and 0 <= side < 2**40 for side in tree)
    if whole and len(tree) < 9 and math.prod(tree) < 2**20:  # type: ignore[arg-type]
        return torch.zeros(tree)
    return tree


def _key(text: str) -> object:
    """Names that are numbers are numbers in a pickle."""
    return int(text) if text.isdigit() and len(text) < 9 else text


CLIP = Target(
    "clip", seeds, read, words=(b'"visual.proj": [1],', b"visual.", b"transformer.resblocks.", b'"1": [2],'), quick=60
)
