"""One process at a time in a folder; nothing is left of the lock, and one that was left is no hindrance."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clipgap.errors import DataError
from clipgap.files import alone_at, alone_in

HOLD = "import sys; from pathlib import Path; from clipgap.files import alone_in\nwith alone_in(Path(sys.argv[1])):\n"


def holder(folder: Path, then: str) -> subprocess.Popen[str]:
    """A process that has the folder when it has said so."""
    code = f"{HOLD}    print('have it', flush=True); {then}"
    process = subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "have it\n"
    return process


def test_a_second_process_is_told_who_has_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = holder(folder, "import time; time.sleep(60)")
    try:
        with pytest.raises(DataError, match=rf"run: process {process.pid} on .* is at work there"), alone_in(folder):
            pass
    finally:
        process.kill()
        process.communicate()
    assert any(folder.iterdir())  # what a killed process leaves
    with alone_in(folder):
        pass
    assert not any(folder.iterdir())


def test_threads_and_open_files_do_not_matter_afterwards(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        told = pytest.raises(DataError, match=f"process {os.getpid()} on")
        with alone_in(tmp_path / "run"), told, alone_in(tmp_path / "run"):
            pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_folder_that_was_made_and_stays_empty_goes_again(tmp_path: Path) -> None:
    with alone_in(tmp_path / "a/b"):
        assert (tmp_path / "a/b").is_dir()
    assert not any(tmp_path.iterdir())
    (tmp_path / "mine").mkdir()
    with alone_in(tmp_path / "mine"):
        pass
    with alone_in(tmp_path / "c/d"):
        (tmp_path / "c/d/x").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["c", "d", "mine", "x"]


def test_a_file_is_one_processs_too(tmp_path: Path) -> None:
    told = pytest.raises(DataError, match="x: process")
    with alone_at(tmp_path / "x"), alone_at(tmp_path / "y"), told, alone_at(tmp_path / "x"):
        pass
    assert not any(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file/x: cannot be written"), alone_in(tmp_path / "file/x"):
        pass


def test_an_error_of_the_work_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), alone_in(tmp_path / "x"):
        (tmp_path / "not there").read_text()
    assert not any(tmp_path.iterdir())
