"""Files of semantic augmentations: as they lie on a disk, and sound ones that say anything about themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from clipgap.augment import SemanticAugmentations
from clipgap.augment.offsets import FORMAT, METADATA, UNCHECKED, _hash
from tests.fuzz.target import Target

TENSORS = {"offsets": torch.arange(24.0).reshape(2, 3, 2, 2), "scales": torch.ones(2, 3)}
ORIGIN = {
    "source_prompt": "a day",
    "target_prompts": ["fog", "night"],
    "clip_name": "tiny",
    "clip_hash": "0" * 64,
    "record": {"steps": 3},
}


def seeds() -> list[bytes]:
    """The first byte: 0 for the bytes of a file, else JSON of a file, of whose tensors the byte chooses the shapes."""
    origins: list[Any] = [{"format": FORMAT, **ORIGIN}, {"format": UNCHECKED, **ORIGIN}, {}, [], "x"]
    origins.append({"format": FORMAT, **ORIGIN, "record": _deep(900)})
    texts = [json.dumps(origin).encode() for origin in origins]
    whole = save(TENSORS, {METADATA: json.dumps({"format": UNCHECKED, **ORIGIN})})
    return [b"\0" + whole, *(bytes([n]) + text for text in texts for n in range(1, len(SHAPES) + 1))]


KINDS = (torch.float32, torch.float16, torch.int64, torch.bool, torch.float8_e4m3fn)
SHAPES = (
    ((2, 3, 2, 2), (2, 3)),
    ((2, 3, 2, 2), None),
    ((2, 3, 2, 2), ()),
    ((0, 3, 2, 2), (0, 3)),
    ((2, 3, 0, 0), (7,)),
)


def _deep(depth: int) -> dict[str, Any]:
    return {"a": _deep(depth - 1)} if depth else {}


def read(data: bytes, folder: Path) -> None:
    file, kind = folder / "a.safetensors", data[0] if data else 0
    file.write_bytes(data[1:] if kind == 0 else _sound(kind - 1, data[1:].decode(errors="replace")))
    loaded = SemanticAugmentations.load(file)
    assert loaded.offsets.ndim == 4
    assert len(loaded.prompts.targets) == len(loaded.pooled)
    loaded.save(folder / "again.safetensors")


def _sound(kind: int, text: str) -> bytes:
    """A file that says this about itself; the hash in it is right where there can be one."""
    number = KINDS[kind // len(SHAPES) % len(KINDS)]
    offsets, scales = SHAPES[kind % len(SHAPES)]
    tensors = {"offsets": torch.zeros(offsets).to(number)}
    if scales is not None:
        tensors["scales"] = torch.zeros(scales).to(number)
    try:
        origin = json.loads(text)
        if isinstance(origin, dict) and origin.get("format") == FORMAT:
            text = json.dumps(origin | {"hash": _hash(origin, tensors)})
    except (ValueError, RuntimeError, RecursionError):
        pass
    return save(tensors, {METADATA: text})


OFFSETS = Target(
    "offsets", seeds, read, words=(*(f'"{key}": '.encode() for key in ORIGIN), b"null", b"{}", b"[]", b"1")
)
