"""Pickles of tensors, read without running anything that they hold: only names that are allowed exist.

A TorchScript archive (the form of OpenAI's downloads) is not loaded as a program: its pickle makes tensors and inert
placeholders and nothing else. Arrays of numpy (detectron2's files) are made by stand-ins: numpy's own reconstructors
would believe a file that says that its bytes are pointers to objects.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy._core import numeric
from torch import Tensor

STORAGE_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
MOST_PARTS, DEEPEST, LONGEST = 100_000, 50, 1000
"""Of an archive's objects: how many are looked at, how deep they are in each other, how long a tensor's name may be.
Objects may be in several others, so a few hundred bytes can stand for more than any machine can walk through."""
MOST_REPEATED = 2**24
"""Numbers of a tensor that are not stored one by one: a stride of 0 repeats one number as often as a file likes."""


def is_torchscript(path: Path) -> bool:
    """Whether the file is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def read_torchscript(path: Path) -> dict[str, Tensor]:
    """The parameters and buffers of a TorchScript archive."""
    with zipfile.ZipFile(path) as archive:
        root = next(name for name in archive.namelist() if name.endswith("/data.pkl")).removesuffix("data.pkl")

        def storage(key: str, dtype: torch.dtype) -> Tensor:
            content = bytearray(archive.read(f"{root}data/{key}"))
            return torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)

        module = TensorUnpickler(io.BytesIO(archive.read(f"{root}data.pkl")), _torchscript_name, storage).load()
    return _tensors_in(module)


class _Inert:
    """Stands for any object of a TorchScript archive: keeps its attributes, does nothing."""

    def __setstate__(self, state: Any) -> None:
        self.attributes = state if isinstance(state, dict) else {}


class _Number:
    """Stands for `numpy.dtype` in a pickle: a kind of number, never of objects."""

    def __init__(self, kind: str, *_: Any) -> None:
        self.dtype = np.dtype(str(kind))
        if self.dtype.kind not in "biuf" or self.dtype.itemsize > 8:
            raise pickle.UnpicklingError(f"numpy arrays of {str(kind)!r} are not weights")

    def __setstate__(self, state: Any) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray[Any, Any]):
    """Stands for `numpy.ndarray` in a pickle: empty, whatever it is called with, until it is given its numbers."""

    def __new__(cls, *_: Any) -> _Array:
        return super().__new__(cls, (0,), np.int8)

    def __setstate__(self, state: Any, /) -> None:
        *_, shape, number, fortran, content = state
        content = content.encode("latin1") if isinstance(content, str) else content  # Python 2's
        super().__setstate__((1, shape, number.dtype, bool(fortran), bytes(content)))  # type: ignore[arg-type]


def numpy_names() -> dict[tuple[str, str], Any]:
    """What a pickle of numpy arrays names; made anew for every file, which may set attributes on what it is given."""

    def scalar(number: _Number, content: bytes) -> Any:
        return np.frombuffer(content, number.dtype)[0]

    def from_buffer(content: bytes, number: _Number, *layout: Any) -> Any:
        return numeric._frombuffer(content, number.dtype, *layout).copy()  # type: ignore[attr-defined]

    def encode(text: str, *_: Any) -> bytes:
        return text.encode("latin1")

    names: dict[tuple[str, str], Any] = {("numpy", "ndarray"): _Array, ("numpy", "dtype"): _Number}
    for core in ("numpy.core", "numpy._core"):
        names[f"{core}.multiarray", "_reconstruct"] = _Array
        names[f"{core}.multiarray", "scalar"] = scalar
        names[f"{core}.numeric", "_frombuffer"] = from_buffer
    return {**names, ("_codecs", "encode"): encode}


class TensorUnpickler(pickle.Unpickler):
    """An unpickler for which only the names that `allowed` knows exist.

    Args:
        file: the pickle.
        allowed: the stand-in for a (module, name); None where there is none.
        storage: the flat tensor of a key and a kind of number, where the pickle refers to such.
    """

    def __init__(
        self,
        file: IO[bytes],
        allowed: Callable[[tuple[str, str]], Any],
        storage: Callable[[str, torch.dtype], Tensor] | None = None,
    ) -> None:
        require_near_memo(file)
        super().__init__(file, encoding="latin1")
        self.allowed, self.storage = allowed, storage

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a name in the pickle; a name that is not on the list does not exist."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        found = self.allowed((module, name))
        if found is None:
            raise pickle.UnpicklingError(f"GLOBAL {module}.{name} is not a tensor")
        return found

    def persistent_load(self, pid: Any) -> Tensor:
        """The storage that a tensor refers to, as a flat tensor."""
        if self.storage is None:
            raise pickle.UnpicklingError("it refers to storages outside itself")
        _, dtype, key, *_ = pid
        return self.storage(str(key), dtype)


def _torchscript_name(name: tuple[str, str]) -> Any:
    module, attribute = name
    if module == "torch._utils" and attribute == "_rebuild_tensor_v2":
        return _strided
    if module == "torch._utils" and attribute == "_rebuild_parameter":
        return lambda data, *_: data
    if module == "torch":
        return STORAGE_DTYPES.get(attribute)
    if module == "torch.jit._pickle":
        return lambda value, *_: value
    return _Inert if module.split(".")[0] == "__torch__" else None


def _strided(flat: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    if math.prod(size) > max(flat.numel(), MOST_REPEATED):
        raise pickle.UnpicklingError("a tensor of more numbers than are there")
    return torch.as_strided(flat, size, stride, offset).clone()


def _tensors_in(module: Any) -> dict[str, Tensor]:
    """The tensors of an archive's object and the objects in it, by their dotted names."""
    found: dict[str, Tensor] = {}
    left = MOST_PARTS

    def walk(value: Any, name: str, depth: int) -> None:
        nonlocal left
        left -= 1
        if left < 0 or depth > DEEPEST or len(name) > LONGEST:
            raise pickle.UnpicklingError("its objects are in each other without end")
        if isinstance(value, Tensor):
            found[name] = value
        elif isinstance(value, _Inert):
            for key, inner in value.__dict__.get("attributes", {}).items():
                walk(inner, f"{name}.{key}" if name else str(key), depth + 1)

    walk(module, "", 0)
    return found


def require_near_memo(file: IO[bytes]) -> None:
    """Make sure that a pickle remembers nothing at places far out, for which Python would make room.

    Raises:
        pickle.UnpicklingError: it does.
        ValueError: it is no pickle.
    """
    start = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(start)
    for operation, argument, _ in pickletools.genops(file):
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and (argument or 0) > size:
            raise pickle.UnpicklingError("it remembers things at places that it does not reach")
    file.seek(start)
