"""Read tensors from files of weights without running anything that the files hold.

safetensors cannot hold code. A torch file is read with `weights_only=True`. A TorchScript archive (the form of OpenAI's
downloads) is not loaded as a program: its pickle is read by `_TensorUnpickler`, which makes tensors and inert
placeholders and nothing else. `numpy=True` (for detectron2's files) allows arrays of numbers beside that, made by
stand-ins: numpy's own reconstructors would believe a file that says that its bytes are pointers to objects.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy._core import numeric
from safetensors import safe_open
from torch import Tensor

from clipgap.errors import WeightsError
from clipgap.kinds import kind_of

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


def read_file(path: str | Path, *, numpy: bool = False) -> dict[str, Any]:
    """Everything a file of weights holds: names to tensors, and for training checkpoints nested dicts.

    Raises:
        WeightsError: there is no such file, it is of no known format, or it holds more than weights.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file of weights")
    try:
        content = _read(path, numpy)
    except Exception as error:  # noqa: BLE001 (the bytes are anybody's: readers stumble over them in every way)
        raise WeightsError(f"{path}: {_cause(error, path)}; save a plain state dict or safetensors") from None
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: expected a state dict (names to tensors), got {type(content).__name__}")
    return dict(content)


def is_torchscript(path: Path) -> bool:
    """Whether the file is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def tensors_of(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors (and numpy arrays, as tensors) among a mapping's values."""
    kinds = (Tensor, np.ndarray)
    found = {name: value for name, value in content.items() if isinstance(value, kinds)}
    return {name: value if isinstance(value, Tensor) else _as_tensor(value) for name, value in found.items()}


def what_is_not_finite(tensors: Mapping[str, Tensor]) -> str:
    """How many of the tensors' numbers are infinite or none, and where the first is; empty where there is none."""
    broken = {name: tensor for name, tensor in tensors.items() if not tensor.isfinite().all()}
    count = sum(int((~tensor.isfinite()).sum()) for tensor in broken.values())
    return (
        f"{count} weight{'s are' if count > 1 else ' is'} not finite, the first in {next(iter(broken))}"
        if count
        else ""
    )


def require_finite(tensors: Mapping[str, Tensor], path: str | Path, fix: str) -> None:
    """Make sure that a file's weights are numbers.

    Raises:
        WeightsError: some are infinite or none; names the file, how many, and the fix.
    """
    fault = what_is_not_finite(tensors)
    if fault:
        raise WeightsError(f"{path}: {fault}: {fix}")


def _read(path: Path, numpy: bool) -> Any:
    with path.open("rb") as file:
        head = file.read(9)
    if path.suffix == ".safetensors" or head[8:9] == b"{":
        with safe_open(path, framework="pt") as tensors:
            return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 (no mapping)
    if is_torchscript(path):
        return _read_torchscript(path)
    if numpy and path.suffix == ".pkl":
        with path.open("rb") as file:
            return _TensorUnpickler(file, _numpy_names().get).load()
    allowed: list[Any] = [(stand_in, ".".join(name)) for name, stand_in in _numpy_names().items()] if numpy else []
    with torch.serialization.safe_globals(allowed):
        return torch.load(path, map_location="cpu", weights_only=True)


def _cause(error: Exception, path: Path) -> str:
    """Why a file cannot be read, in our own words: torch's advice is to switch the safety off."""
    kind = kind_of(path)
    if kind and kind != "a zip archive":  # which torch's own files are
        return f"is {kind}, not a file of weights"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    named = [line[line.index("GLOBAL") + 6 :].split(" was ")[0].strip() for line in lines if "GLOBAL" in line]
    if named:
        return f"holds Python objects, not plain weights ({named[0].split(' is ')[0]}), and those are never made"
    return "damaged, or not a file of weights that is safe to read"


def _read_torchscript(path: Path) -> dict[str, Tensor]:
    with zipfile.ZipFile(path) as archive:
        root = next(name for name in archive.namelist() if name.endswith("/data.pkl")).removesuffix("data.pkl")

        def storage(key: str, dtype: torch.dtype) -> Tensor:
            content = bytearray(archive.read(f"{root}data/{key}"))
            return torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)

        module = _TensorUnpickler(io.BytesIO(archive.read(f"{root}data.pkl")), _torchscript_name, storage).load()
    return dict(_flatten(module, ""))


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


def _numpy_names() -> dict[tuple[str, str], Any]:
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


def _as_tensor(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor of an array, in this machine's order of bytes."""
    return torch.as_tensor(np.asarray(array, array.dtype.newbyteorder("=")))


class _TensorUnpickler(pickle.Unpickler):
    """An unpickler for which only the names that `allowed` knows exist."""

    def __init__(
        self,
        file: IO[bytes],
        allowed: Callable[[tuple[str, str]], Any],
        storage: Callable[[str, torch.dtype], Tensor] | None = None,
    ) -> None:
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
        return lambda flat, offset, size, stride, *_: torch.as_strided(flat, size, stride, offset).clone()
    if module == "torch._utils" and attribute == "_rebuild_parameter":
        return lambda data, *_: data
    if module == "torch":
        return STORAGE_DTYPES.get(attribute)
    if module == "torch.jit._pickle":
        return lambda value, *_: value
    return _Inert if module.split(".")[0] == "__torch__" else None


def _flatten(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, _Inert):
        for key, inner in value.__dict__.get("attributes", {}).items():
            yield from _flatten(inner, f"{name}.{key}" if name else str(key))
