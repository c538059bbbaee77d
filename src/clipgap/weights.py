"""Read tensors from files of weights without running anything that the files hold.

safetensors cannot hold code. A torch file is read with `weights_only=True`. A TorchScript archive (the form of OpenAI's
downloads) is not loaded as a program: its pickle is read by `_TensorUnpickler`, which makes tensors and inert
placeholders and nothing else. `numpy=True` (for detectron2's files) allows numpy's array reconstructors beside that.
"""

from __future__ import annotations

import codecs
import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from numpy._core import multiarray, numeric
from safetensors import safe_open
from torch import Tensor

from clipgap.errors import WeightsError

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
NUMPY_RECONSTRUCTORS: dict[tuple[str, str], Any] = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): multiarray._reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): multiarray.scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): numeric._frombuffer for core in ("core", "_core")},  # type: ignore[attr-defined]
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): codecs.encode,
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
        raise WeightsError(
            f"{path}: damaged, or not a file of weights that is safe to read ({_cause(error)}); "
            "save a plain state dict or safetensors"
        ) from None
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
    return {name: torch.as_tensor(value) for name, value in content.items() if isinstance(value, kinds)}


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
            return _TensorUnpickler(file, NUMPY_RECONSTRUCTORS.get).load()
    allowed: list[Any] = [np.ndarray, np.dtype, *(type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd")]
    allowed += [(function, f"{module}.{name}") for (module, name), function in NUMPY_RECONSTRUCTORS.items()]
    with torch.serialization.safe_globals(allowed if numpy else []):
        return torch.load(path, map_location="cpu", weights_only=True)


def _cause(error: Exception) -> str:
    """What torch's long refusal is about, for example `GLOBAL builtins.eval`; else the first line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    named = [line[line.index("GLOBAL") :].split(" was ")[0] for line in lines if "GLOBAL" in line]
    return (named or lines)[0]


def _read_torchscript(path: Path) -> dict[str, Tensor]:
    with zipfile.ZipFile(path) as archive:
        root = next(name for name in archive.namelist() if name.endswith("/data.pkl")).removesuffix("data.pkl")

        def storage(key: str, dtype: torch.dtype) -> Tensor:
            return torch.frombuffer(bytearray(archive.read(f"{root}data/{key}")), dtype=dtype)

        module = _TensorUnpickler(io.BytesIO(archive.read(f"{root}data.pkl")), _torchscript_name, storage).load()
    return dict(_flatten(module, ""))


class _Inert:
    """Stands for any object of a TorchScript archive: keeps its attributes, does nothing."""

    def __setstate__(self, state: Any) -> None:
        self.attributes = state if isinstance(state, dict) else {}


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
