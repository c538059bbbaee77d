"""Files of weights as they lie on a disk, under every name; and the pickles in them, in archives that are sound."""

from __future__ import annotations

import io
import pickle
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from clipgap.weights import read_file, require_finite, tensors_of
from tests.clips import save_torchscript
from tests.fuzz.target import Target

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([1.5, -2]).half(), "n": torch.tensor(7)}
NAMES = ("a.pt", "a.pkl", "a.safetensors")
PICKLE = "/data.pkl"


def seeds() -> list[bytes]:
    arrays = {name: tensor.numpy() for name, tensor in STATE.items()}
    contents = [save(STATE), saved(STATE), pickle.dumps({"model": arrays}, 2), pickle.dumps({"model": arrays}, 5)]
    contents += [saved({"state_dict": STATE, "epoch": 1}), saved(STATE, _use_new_zipfile_serialization=False)]
    contents.append(torchscript(STATE))
    return [bytes([NAMES.index(name)]) + content for content in contents for name in NAMES]


def saved(content: object, **how: Any) -> bytes:
    """What `torch.save` writes."""
    file = io.BytesIO()
    torch.save(content, file, **how)
    return file.getvalue()


def torchscript(state: dict[str, Tensor]) -> bytes:
    """The form of OpenAI's downloads."""
    with tempfile.TemporaryDirectory() as folder:
        save_torchscript(state, Path(folder) / "a.pt")
        return (Path(folder) / "a.pt").read_bytes()


def read_weights(data: bytes, folder: Path) -> None:
    """The first byte chooses the name."""
    path = folder / NAMES[(data[0] if data else 0) % len(NAMES)]
    path.write_bytes(data[1:])
    look(path)


def look(path: Path) -> None:
    """Read a file both ways, and go over its tensors as every reader of weights does."""
    for numpy in (True, False):  # the latter refuses more
        content = read_file(path, numpy=numpy)
        for one in (content, content.get("model"), content.get("state_dict")):
            if isinstance(one, dict):
                require_finite(tensors_of(one), path, "save it again")


WEIGHTS = Target(
    "weights", seeds, read_weights, good=1, words=(b"PK\x03\x04", b"PK\x01\x02", b"F32", b"shape", b"[0,0]")
)


@cache
def parts(kind: int) -> dict[str, bytes]:
    """What is in an archive of torch's (0), or of TorchScript (1)."""
    with zipfile.ZipFile(io.BytesIO(torchscript(STATE) if kind else saved(STATE))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pickles() -> list[bytes]:
    """Pickles by the kind of file that they are of: the first byte."""
    plain, script = (next(v for k, v in parts(kind).items() if k.endswith(PICKLE)) for kind in (0, 1))
    arrays = {name: tensor.numpy() for name, tensor in STATE.items()} | {"f": np.asfortranarray(np.ones((2, 3)))}
    made = [(0, plain), (1, script), (2, pickle.dumps(arrays, 2)), (2, pickle.dumps(arrays, 5))]
    memo = b"\x80\x02}r\x00\x00\x00\x40."  # LONG_BINPUT to a place far out
    return [bytes([kind]) + content for kind, content in [*made, (2, memo), (0, memo), (1, memo), (1, nested(40))]]


def nested(depth: int) -> bytes:
    """A TorchScript object whose two parts are one, which has two parts, ...: 2 ** depth ways down."""
    inner = b"c__torch__\nNode\n)R}b"
    for number in range(depth):
        put = b"q" + bytes([number])
        get = b"h" + bytes([number])
        inner += put + b"0c__torch__\nNode\n)R}(X\x01\0\0\0a" + get + b"X\x01\0\0\0b" + get + b"ub"
    return b"\x80\x02" + inner + b"."


def read_pickle(data: bytes, folder: Path) -> None:
    """Put a pickle into a sound file, and read that."""
    kind, content = (data[0] if data else 0) % 3, data[1:]
    if kind == 2:
        (folder / "a.pkl").write_bytes(content)
        look(folder / "a.pkl")
        return
    path = folder / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name, entry in parts(kind).items():
            archive.writestr(name, content if name.endswith(PICKLE) else entry)
    look(path)


PICKLES = Target(
    "pickles",
    pickles,
    read_pickle,
    words=tuple(
        b"cnumpy\nndarray\n|cnumpy\ndtype\n|c__torch__\nNode\n|ctorch._utils\n_rebuild_tensor_v2\n|ctorch\nFloatStorage\n"
        b"|Q|R|b|u|\x8a\x08|r\xff\xff\xff\x0f|J\xff\xff\xff\x7f".split(b"|")
    ),
    good=2,
)
