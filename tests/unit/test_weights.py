from __future__ import annotations

import codecs
import os
import pickle
import re
import subprocess
import warnings
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy._core import multiarray, numeric
from safetensors.torch import save_file
from torch import Tensor, nn

from clipgap.errors import WeightsError
from clipgap.unpickle import is_torchscript
from clipgap.weights import read_file, tensors_of
from tests.clips import save_torchscript

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([1.5, -2]).half(), "n": torch.tensor(7)}
ARRAYS = {
    "float": np.arange(6.0).reshape(2, 3),
    "half": np.ones(2, np.float16),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3)),
    "big endian": np.array([1, 2.5], ">f4"),
    "bool": np.array([True, False]),
    "no dimension": np.array(3, np.uint8),
    "turned": np.arange(24.0, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1),
}
Write = Callable[[Any, Path], object]


def write_pickle(content: object, path: Path, protocol: int = 2) -> None:
    path.write_bytes(pickle.dumps(content, protocol))


def write_legacy(content: object, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def write_archive(content: object, path: Path) -> None:
    """A file that passes for a TorchScript archive, with any pickle in it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("evil/constants.pkl", b"")
        archive.writestr("evil/data.pkl", pickle.dumps(content, 2))


def refused(path: Path, **options: bool) -> str:
    with pytest.raises(WeightsError) as error:
        read_file(path, **options)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert len(message.splitlines()) == 1
    return message


@pytest.mark.parametrize("numpy", [False, True])
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.safetensors", save_file),
        ("safetensors by another name.pt", save_file),
        ("a.pt", torch.save),
        ("a.pth", write_legacy),
        ("script.pt", save_torchscript),
    ],
)
def test_every_format_gives_the_same_tensors(tmp_path: Path, name: str, write: Write, numpy: bool) -> None:
    write(STATE, tmp_path / name)
    found = tensors_of(read_file(str(tmp_path / name), numpy=numpy))
    assert found.keys() == STATE.keys()
    for key, tensor in STATE.items():
        assert found[key].dtype == tensor.dtype
        assert torch.equal(found[key], tensor)
    assert is_torchscript(tmp_path / name) == (name == "script.pt")


def test_a_training_checkpoint_keeps_its_nests(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "model": STATE}, tmp_path / "a.pt")
    content = read_file(tmp_path / "a.pt")
    assert content["epoch"] == 3
    assert tensors_of(content) == {}
    assert torch.equal(tensors_of(content["model"])["a.weight"], STATE["a.weight"])


def write_pickle_5(content: object, path: Path) -> None:
    write_pickle(content, path, protocol=5)


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.pkl", write_pickle), ("b.pkl", write_pickle_5), ("a.pth", torch.save), ("b.pth", write_legacy)],
)
def test_numpy_arrays_are_read_where_they_are_expected_and_only_there(tmp_path: Path, name: str, write: Write) -> None:
    write({"model": ARRAYS, "iteration": np.int64(5)}, tmp_path / name)
    assert re.search("holds Python objects, not plain weights|damaged, or not a file", refused(tmp_path / name))
    content = read_file(tmp_path / name, numpy=True)
    assert content["iteration"] == 5
    found = tensors_of(content["model"])
    assert found.keys() == ARRAYS.keys()
    for key, array in ARRAYS.items():
        native = array.astype(array.dtype.newbyteorder("="))
        assert found[key].dtype == torch.as_tensor(native).dtype, key
        assert torch.equal(found[key], torch.as_tensor(native)), key


def test_names_of_numpy_1_and_strings_of_python_2(tmp_path: Path) -> None:
    data = pickle.dumps({"a": np.array([1.5, -2.0])}, 2).replace(b"numpy._core", b"numpy.core")
    (tmp_path / "a.pkl").write_bytes(data)
    assert tensors_of(read_file(tmp_path / "a.pkl", numpy=True))["a"].tolist() == [1.5, -2]
    raw = b"U\x10" + np.array([1.5, -2.0]).tobytes()  # SHORT_BINSTRING, without an encode
    start = b"\x80\x02}U\x01acnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    number = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    (tmp_path / "b.pkl").write_bytes(start + b"(K\x01K\x02\x85" + number + b"\x89" + raw + b"tbs.")
    assert tensors_of(read_file(tmp_path / "b.pkl", numpy=True))["a"].tolist() == [1.5, -2]


def test_an_archives_shared_storages_strides_and_kinds_of_numbers(tmp_path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    tensors = {
        "base": base,
        "turned": base.t(),
        "row": base[1],
        "column": base[:, 2],
        "spread": base[:1].expand(5, 4),
        "float16": torch.tensor([[0.5, 2]]).half().t(),
        "brain16": torch.ones(2).bfloat16(),
        "float64": torch.ones(2).double(),
        "truth": torch.tensor([True, False]),
        "bytes": torch.tensor([200], dtype=torch.uint8),
        "nothing": torch.zeros(0, 3),
    }

    class Node(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, tensor in tensors.items():
                self.register_buffer(name, tensor)
            self.same = nn.Parameter(base)

        def forward(self, x: Tensor) -> Tensor:
            return x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(Node()), str(tmp_path / "a.pt"))
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        storages = [name for name in archive.namelist() if "/data/" in name and not name.endswith(".format_version")]
    assert len(storages) < len(tensors)  # or nothing here is shared
    found = read_file(tmp_path / "a.pt")
    assert found.keys() == {*tensors, "same"}
    for name, tensor in {**tensors, "same": base}.items():
        assert found[name].dtype == tensor.dtype, name
        assert torch.equal(found[name], tensor), name
    found["row"].zero_()
    assert torch.equal(found["base"], base)


class Call:
    """Pickles as a call: `function(*arguments)`, then `__setstate__(state)`."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.call = (function, arguments, state) if state is not None else (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def test_the_bomb_of_these_tests_goes_off_in_a_plain_unpickler(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps({"w": Call(os.system, f"touch {tmp_path / 'executed'}")}))
    assert (tmp_path / "executed").is_file()


BOMBS: Mapping[str, Callable[[str], Any]] = {
    "system": lambda command: Call(os.system, command),
    "Popen": lambda command: Call(subprocess.Popen, ["sh", "-c", command]),
    "eval": lambda command: Call(eval, f"__import__('os').system({command!r})"),
    "in an array of objects": lambda command: np.array([Call(os.system, command)], dtype=object),
    "as a key": lambda command: {("k", Call(os.system, command)): 1},
    "as a class": lambda command: Call(multiarray._reconstruct, Call(os.system, command), (0,), b"b"),
    "as a state": lambda command: Call(np.ndarray, (0,), state=Call(os.system, command)),
}


@pytest.mark.parametrize("numpy", [False, True])
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.pt", torch.save),
        ("b.pt", write_legacy),
        ("c.pt", write_pickle),
        ("a.pkl", write_pickle),
        ("b.pkl", write_pickle_5),
        ("script.pt", write_archive),
        ("a.safetensors", write_pickle),
    ],
)
@pytest.mark.parametrize("bomb", BOMBS)
def test_files_that_would_run_code_are_refused_and_not_run(
    tmp_path: Path, name: str, write: Write, bomb: str, numpy: bool
) -> None:
    write({"w": BOMBS[bomb](f"touch {tmp_path / 'executed'}")}, tmp_path / name)
    refused(tmp_path / name, numpy=numpy)
    assert list(tmp_path.iterdir()) == [tmp_path / name]


FORGED = {"state": (3, "|", None, None, None, -1, -1, 0)}  # flags that say: no objects in here
POINTERS = b"A" * 8


@pytest.mark.parametrize(("name", "write"), [("a.pkl", write_pickle), ("b.pkl", write_pickle_5), ("a.pt", torch.save)])
@pytest.mark.parametrize(
    "value",
    [
        Call(np.ndarray, (1,), Call(np.dtype, "O"), POINTERS),
        Call(np.ndarray, (0,), state=(1, (1,), Call(np.dtype, "O", False, True, **FORGED), False, POINTERS)),
        Call(multiarray.scalar, Call(np.dtype, "O", False, True, **FORGED), POINTERS),
        Call(numeric._frombuffer, POINTERS, Call(np.dtype, "O", False, True, **FORGED), (1,), "C"),
        Call(np.ndarray, (0,), state=(1, (9999,), np.dtype("f8"), False, POINTERS)),
        Call(np.ndarray, (0,), state=(1, (1,), "O", False, POINTERS)),
        Call(multiarray._reconstruct, subprocess.Popen, (0,), b"b"),
        Call(codecs.encode, {}, "latin1"),
        Call(np.dtype, "O,f4"),
        np.zeros(2, [("a", "f4"), ("b", "O")]),
        np.array([None, "text"], dtype=object),
        np.array(["text"]),
        np.array(["2026-11-01"], "datetime64[D]"),
        np.array([1j]),
        np.array([1], np.longdouble),
    ],
)
def test_arrays_of_anything_but_numbers_are_refused(tmp_path: Path, name: str, write: Write, value: object) -> None:
    write({"w": value}, tmp_path / name)
    refused(tmp_path / name, numpy=True)


@pytest.mark.parametrize(("name", "write"), [("a.pkl", write_pickle), ("a.pt", torch.save)])
def test_bytes_never_become_pointers(tmp_path: Path, name: str, write: Write) -> None:
    write({"w": Call(np.ndarray, (1,), "O", POINTERS)}, tmp_path / name)
    assert tensors_of(read_file(tmp_path / name, numpy=True))["w"].shape == (0,)


def test_a_codec_is_not_the_files_to_choose(tmp_path: Path) -> None:
    write_pickle({"w": Call(codecs.encode, "payload", "rot13")}, tmp_path / "a.pkl")
    assert read_file(tmp_path / "a.pkl", numpy=True) == {"w": b"payload"}


@pytest.mark.parametrize("name", ["numpy._core.numeric\n_frombuffer", "numpy\nndarray", "_codecs\nencode"])
def test_a_file_cannot_change_what_it_names(tmp_path: Path, name: str) -> None:
    state = b"N}X\x08\x00\x00\x00__name__X\x04\x00\x00\x00evils\x86b"
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02}X\x01\x00\x00\x00wc" + name.encode() + b"\n" + state + b"s.")
    with suppress(WeightsError):
        read_file(tmp_path / "a.pkl", numpy=True)
    names = (numeric._frombuffer.__name__, np.ndarray.__name__, codecs.encode.__name__)
    assert names == ("_frombuffer", "ndarray", "encode")
    write_pickle_5({"w": np.ones(2)}, tmp_path / "b.pkl")
    assert read_file(tmp_path / "b.pkl", numpy=True)["w"].tolist() == [1, 1]


@pytest.mark.parametrize("write", [torch.save, write_legacy])
def test_a_list_of_tensors_is_no_state_dict(tmp_path: Path, write: Write) -> None:
    write([torch.zeros(1)], tmp_path / "a.pt")
    assert refused(tmp_path / "a.pt") == (f"{tmp_path / 'a.pt'}: expected a state dict (names to tensors), got list")


def test_no_such_file(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.pt", tmp_path):
        assert refused(path) == f"{path}: no such file of weights"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def real_files(scratch: Path) -> dict[str, bytes]:
    """A good file of every format, by name."""
    writers: dict[str, Write] = {
        "a.safetensors": save_file,
        "a.pt": torch.save,
        "legacy.pt": write_legacy,
        "script.pt": save_torchscript,
    }
    for name, write in writers.items():
        write(STATE, scratch / name)
    for name, writer in {"a.pkl": write_pickle, "b.pkl": write_pickle_5, "a.pth": torch.save}.items():
        writer(ARRAYS, scratch / name)
    return {path.name: path.read_bytes() for path in scratch.iterdir()}


@settings(derandomize=True, deadline=None, max_examples=150)
@given(data=st.data(), name=st.integers(0, 6), numpy=st.booleans())
def test_truncated_files_are_one_clear_line(
    real_files: dict[str, bytes], scratch: Path, data: st.DataObject, name: int, numpy: bool
) -> None:
    chosen = sorted(real_files)[name]
    whole = real_files[chosen]
    path = scratch / f"cut {chosen}"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    refused(path, numpy=numpy)


MAGIC = [b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x02}X\x01\x00\x00\x00a", b"\x10\0\0\0\0\0\0\0{", b"\x80\x02c"]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    magic=st.sampled_from(MAGIC),
    rest=st.binary(max_size=200),
    suffix=st.sampled_from([".pt", ".pth", ".pkl", ".safetensors"]),
    numpy=st.booleans(),
)
def test_random_bytes_are_one_clear_line(scratch: Path, magic: bytes, rest: bytes, suffix: str, numpy: bool) -> None:
    path = scratch / f"random{suffix}"
    path.write_bytes(magic + rest)
    refused(path, numpy=numpy)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404</html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "is a PNG image"),
        (b"just words\n", "is text"),
        (b"\x80\x04 broken", "damaged, or not a file of weights that is safe to read"),
    ],
)
def test_a_file_of_something_else_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    told = refused(tmp_path / "w.pt")
    assert f"w.pt: {said}" in told
    assert "weights_only" not in told


def test_objects_are_refused_without_the_advice_to_allow_them(tmp_path: Path) -> None:
    torch.save({"a": Path()}, tmp_path / "w.pt")
    told = refused(tmp_path / "w.pt")
    assert "holds Python objects, not plain weights (pathlib" in told
    assert "weights_only" not in told
