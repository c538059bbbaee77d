"""Read tensors from files of weights without running anything that the files hold.

safetensors cannot hold code. A torch file is read with `weights_only=True`, after its checksums were compared, which
torch does not. A TorchScript archive (the form of OpenAI's downloads) is not loaded as a program, and with `numpy=True`
arrays of numbers (in detectron2's files) are made without numpy's own means: see `clipgap.unpickle`.
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from clipgap.errors import WeightsError, one_line
from clipgap.kinds import kind_of
from clipgap.unpickle import (
    MOST_REPEATED,
    STORAGE_DTYPES,
    TensorUnpickler,
    is_torchscript,
    numpy_names,
    read_torchscript,
)

UNPACKED = 2
"""An archive's parts are at most so many times as large as itself, and `ROOM` more: tensors are stored as they are."""
ROOM = 2**26
PLAIN = frozenset(STORAGE_DTYPES.values()) | {torch.uint16, torch.uint32, torch.uint64}
"""Kinds of numbers that tensors may be of."""


class DamagedError(ValueError):
    """A file is not as it was written."""


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
        _require_plain(content, set())
    except Exception as error:  # noqa: BLE001 (the bytes are anybody's: readers stumble over them in every way)
        raise WeightsError(f"{path}: {_cause(error, path)}; save a plain state dict or safetensors") from None
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: expected a state dict (names to tensors), got {type(content).__name__}")
    return dict(content)


def tensors_of(content: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors (and numpy arrays, as tensors) among a mapping's values that have names."""
    kinds = (Tensor, np.ndarray)
    found = {name: value for name, value in content.items() if isinstance(value, kinds) and isinstance(name, str)}
    return {name: value if isinstance(value, Tensor) else _as_tensor(value) for name, value in found.items()}


def bytes_of(content: object) -> int:
    """How much room the tensors in nested lists and mappings take."""
    if isinstance(content, Tensor):
        return content.nbytes
    inside = content.values() if isinstance(content, Mapping) else content if isinstance(content, list | tuple) else ()
    return sum(map(bytes_of, inside))


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
    require_checksums(path)
    if is_torchscript(path):
        return read_torchscript(path)
    if numpy and path.suffix == ".pkl":
        with path.open("rb") as file:
            return TensorUnpickler(file, numpy_names().get).load()
    allowed: list[Any] = [(stand_in, ".".join(name)) for name, stand_in in numpy_names().items()] if numpy else []
    with torch.serialization.safe_globals(allowed):
        return load_plain(path)


def load_plain(path: Path) -> Any:
    """What `torch.load` finds in a file without running anything; its warnings about odd files are nobody's concern."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True)


def require_checksums(path: Path) -> None:
    """Make sure that what a zip archive (as torch writes) holds is what was put into it; other files are not looked at.

    Raises:
        DamagedError: it is not, or it would be far larger unpacked.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
            if unpacked > UNPACKED * path.stat().st_size + ROOM:
                raise DamagedError(f"damaged: an archive that would be {unpacked:,} bytes unpacked")
            if broken := archive.testzip():
                raise DamagedError(f"damaged: the checksum of {broken} is not that of what is there")


def _require_plain(value: Any, seen: set[int]) -> None:
    """Make sure that the tensors in mappings are plain ones, whose numbers are there: sums over them would else fail.

    Raises:
        DamagedError: one is not.
    """
    if isinstance(value, Mapping) and id(value) not in seen:
        seen.add(id(value))  # a mapping may be in many others
        for inner in value.values():
            _require_plain(inner, seen)
    if not isinstance(value, Tensor):
        return
    plain = value.layout == torch.strided and value.device.type == "cpu" and value.dtype in PLAIN
    if not plain:
        raise DamagedError(f"holds a tensor of a kind that is no weights ({value.dtype}, {value.layout})")
    stored = value.untyped_storage().nbytes() // value.element_size()
    if value.numel() > max(stored, MOST_REPEATED):
        raise DamagedError(f"damaged: a tensor of {value.numel():,} numbers, of which {stored:,} are there")


def _cause(error: Exception, path: Path) -> str:
    """Why a file cannot be read, in our own words: torch's advice is to switch the safety off."""
    if isinstance(error, DamagedError):
        return str(error)
    kind = kind_of(path)
    if kind and kind != "a zip archive":  # which torch's own files are
        return f"is {kind}, not a file of weights"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    named = [line[line.index("GLOBAL") + 6 :].split(" was ")[0].strip() for line in lines if "GLOBAL" in line]
    if named:
        return (
            f"holds Python objects, not plain weights ({one_line(named[0].split(' is ')[0])}), and those are never made"
        )
    return "damaged, or not a file of weights that is safe to read"


def _as_tensor(array: np.ndarray[Any, Any]) -> Tensor:
    """A tensor of an array, in this machine's order of bytes."""
    return torch.as_tensor(np.asarray(array, array.dtype.newbyteorder("=")))
