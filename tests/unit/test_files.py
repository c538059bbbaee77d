from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from clipgap.errors import DataError
from clipgap.files import require_new, require_new_file, write_text, write_then_rename


def test_a_writer_that_fails_half_way_leaves_the_old_file_whole_and_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_text("old")

    def write(path: Path) -> None:
        path.write_text("ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_then_rename(file, write)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_the_old_file_is_there_until_the_new_one_is_complete(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_text("old")

    def write(path: Path) -> None:
        assert path.parent == file.parent  # a rename across file systems is a copy
        path.write_text("new")
        assert file.read_text() == "old"

    write_then_rename(file, write)
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_writer_that_writes_nothing_is_an_error_and_not_an_empty_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a: cannot be written"):
        write_then_rename(tmp_path / "a", lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_text_is_utf_8_and_folders_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "words.txt", "a fög day\n")
    assert (tmp_path / "a/b/words.txt").read_bytes() == "a fög day\n".encode()


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "run" / "config.yaml"
    file.parent.mkdir()
    require_new(file.parent, "--out")  # empty: like a new one
    require_new(file, "--out")
    file.write_text("")
    for path in (file, file.parent):
        with pytest.raises(DataError) as error:
            require_new(path, "--out")
        assert str(error.value) == f"{path}: is there already; choose another --out, or move it away"


def test_files_get_the_permissions_that_new_files_get(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_then_rename(tmp_path / "ours", lambda path: os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)))
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_place_that_cannot_be_written_to_is_found_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file is not a folder; choose another --out"):
        require_new(tmp_path / "file" / "deep" / "x", "--out")
    with pytest.raises(DataError, match="is a folder; --csv takes the name of a new file"):
        require_new_file(tmp_path, "--csv")
    require_new_file(tmp_path / "not" / "there" / "yet.csv", "--csv")
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(DataError, match="may not be written to; choose another --out"):
        require_new(tmp_path / "new", "--out")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0"),
        ValueError("I/O error: No space left on device (os error 28)"),
    ],
    ids=["full", "quota", "torch", "safetensors"],
)
def test_a_full_disk_is_told_with_the_file_and_the_space(tmp_path: Path, error: Exception) -> None:
    (tmp_path / "a").write_text("old")

    def write(path: Path) -> None:
        path.write_bytes(b"x" * 2_000_000)
        raise error

    told = r"a: the disk is full, .*: it needs more than 1.9 MB, and [\d,.]+ MB are free in .*; make room"
    with pytest.raises(DataError, match=told):
        write_then_rename(tmp_path / "a", write)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"
