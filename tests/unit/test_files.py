from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest

from clipgap.errors import DataError, DiskError
from clipgap.files import (
    add_line,
    cannot_write,
    new_folder,
    require_apart,
    require_new,
    require_new_file,
    require_place,
    sweep,
    temporary_beside,
    write_text,
    write_then_rename,
    writing,
)


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
    assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def refuse(path: Path, *_: object, **__: object) -> None:  # root may write nearly anywhere
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    for place in (tmp_path / "new", tmp_path / "not/there/yet.csv", tmp_path):
        code = errno.EROFS
        with pytest.raises(DataError, match=r"may not be written to \(Read-only file system\); choose another --out"):
            require_place(place, "--out")
        code = errno.EDQUOT
        with pytest.raises(DiskError, match=r"the disk is full, or your share of it \(Disk quota exceeded\): .* free"):
            require_place(place, "--out")


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


@pytest.mark.parametrize("kind", ["raised from", "raised in handling"])
def test_the_systems_word_is_found_below_other_errors(tmp_path: Path, kind: str) -> None:
    def write(code: int) -> None:
        try:
            raise OSError(code, os.strerror(code))
        except OSError as error:
            if kind == "raised from":
                raise RuntimeError("the exporter failed") from error
            raise RuntimeError("the exporter failed")  # noqa: B904

    with pytest.raises(DiskError, match="a: the disk is full"):
        write_then_rename(tmp_path / "a", lambda _: write(errno.ENOSPC))
    with pytest.raises(RuntimeError, match="the exporter failed"):  # what it looked for and did not find is not it
        write_then_rename(tmp_path / "a", lambda _: write(errno.ENOENT))


def test_what_is_needed_is_told_where_it_is_known_and_folders_made_for_it_go_again(tmp_path: Path) -> None:
    def write(_: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(DiskError, match=r"deep/a: the disk is full.*: it needs 2 kB, and [\d,.]+ [Mk]B are free"):
        write_then_rename(tmp_path / "not/so/deep/a", write, needs=1025)
    assert list(tmp_path.iterdir()) == []


def test_of_a_line_there_is_no_room_for_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "lines"
    add_line(file, "one")

    def full(opened: io.RawIOBase, content: bytes) -> None:
        opened.write(content[:2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(writing, "write_all", full)
        with pytest.raises(DiskError, match="lines: the disk is full"):
            add_line(file, "two")
    add_line(file, "three")
    assert file.read_text() == "one\nthree\n"


def test_a_folder_has_its_name_when_all_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "not/there/yet"
    with new_folder(folder) as half_made:
        (half_made / "a").touch()
        assert not folder.exists()
        assert half_made.parent == folder.parent
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("named", [True, False])
def test_of_a_folder_that_there_is_no_room_for_nothing_is_left(tmp_path: Path, named: bool) -> None:
    def fill(folder: Path) -> None:
        (folder / "a").write_bytes(bytes(5000))
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise cannot_write(error, folder / "a") if named else error

    told = r"out/a: the disk is full" if named else r"out: the disk is full.*: it needs more than 5 kB"
    with pytest.raises(DiskError, match=rf"^{tmp_path}/deep/{told}"), new_folder(tmp_path / "deep/out") as half_made:
        fill(half_made)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("one", "other"), [("a", "a"), ("a/b", "a"), ("a", "a/b"), ("link/b", "a"), ("a/../a", "a")])
def test_results_that_would_be_in_each_other_are_refused(tmp_path: Path, one: str, other: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(DataError, match=r"is the same as --\w+, or inside of it; choose another --\w+$"):
        require_apart(tmp_path / one, tmp_path / other, ("--cache", "--out"))
    require_apart(tmp_path / "ab", tmp_path / "a", ("--cache", "--out"))


def test_what_killed_processes_left_is_swept_away(tmp_path: Path) -> None:
    kept = [tmp_path / name for name in ("model.bin", ".hidden.tmp", ".clipgap.lock")]
    for path in (*kept, temporary_beside(tmp_path / "a"), temporary_beside(tmp_path / "b").with_suffix(".tmp.mp4")):
        path.touch()
    temporary_beside(tmp_path / "folder").mkdir()
    sweep(tmp_path, "a")
    assert len(list(tmp_path.iterdir())) == len(kept) + 2
    sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    sweep(tmp_path / "not there")


def test_a_name_as_long_as_names_can_be_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    write_text(path, "there")
    assert path.read_text() == "there"


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[bool, bool]] = []
    fsync = os.fsync

    def seen(descriptor: int) -> None:
        synced.append((os.path.isdir(f"/proc/self/fd/{descriptor}"), (tmp_path / "a").exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", seen)
    write_text(tmp_path / "a", "there")
    assert synced == [(False, False), (True, True)]


def test_nothing_but_ours_hides_what_is_there(tmp_path: Path) -> None:
    temporary_beside(tmp_path / "a").touch()
    require_new(tmp_path, "--out")
    (tmp_path / "notes").touch()
    require_new(tmp_path, "--out", besides=["notes"])
    with pytest.raises(DataError, match="is there already"):
        require_new(tmp_path, "--out")


def test_a_folder_of_results_is_not_the_one_that_somebody_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="is the folder that you are in"), new_folder(Path()):
        pass
