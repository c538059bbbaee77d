"""Checkpoints: what a job goes on from; where there is no whole one, an error says so."""

from __future__ import annotations

from pathlib import Path

import torch

from clipgap.engine.checkpoints import Checkpoints
from tests.fuzz.target import Target
from tests.fuzz.weights import saved

KIND = "clipgap test"
CONTENT = {"kind": KIND, "step": 3, "model": {"w": torch.arange(6.0)}, "optimizer": {"state": {}, "groups": [1, 2.5]}}


def seeds() -> list[bytes]:
    contents = [CONTENT, {**CONTENT, "kind": 1}, [1], {}]
    return [saved(content) for content in contents] + [saved(CONTENT, _use_new_zipfile_serialization=False)]


def read(data: bytes, folder: Path) -> None:
    file = folder / "checkpoint.pt"
    file.write_bytes(data)
    content = Checkpoints(file, KIND).load()
    assert content is not None
    assert content["kind"] == KIND


CHECKPOINTS = Target(
    "checkpoints", seeds, read, words=(b"PK\x01\x02", b"PK\x05\x06", b"\x80\x02", b"ctorch\nFloatStorage\n"), good=1
)
