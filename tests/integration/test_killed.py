"""kill -9: nothing that was begun is lost, nothing is left running, and the result is that of a run nobody killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.test_crashes import contents
from tests.runs import copy_without_run, make_trained

Process = subprocess.Popen[str]


def start(*words: object) -> Process:
    """A `clipgap` of its own, at the head of a group that its helpers belong to."""
    command = [sys.executable, "-m", "clipgap", *map(str, words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)


def waited_for(reached: Callable[[], bool], seconds: float = 120) -> bool:
    end = time.monotonic() + seconds
    while not reached() and time.monotonic() < end:
        time.sleep(0.02)
    return reached()


def is_empty(group: int) -> bool:
    """Whether no process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def shared(group: int) -> set[Path]:
    """Semaphores and blocks of shared memory by name that processes of a group have."""
    found: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with suppress(OSError):  # it has ended meanwhile
            if os.getpgid(int(maps.parent.name)) == group:
                found |= {
                    line.partition("/dev/shm/")[2] for line in maps.read_text().splitlines() if "/dev/shm/" in line
                }
    return {Path("/dev/shm", name) for name in found if not name.endswith("(deleted)")}


def kill(process: Process) -> set[Path]:
    """kill -9 of the process alone; what it had started must end by itself, and what they shared must go."""
    blocks = shared(process.pid)
    process.kill()
    process.communicate()
    assert waited_for(lambda: is_empty(process.pid))
    assert not [block for block in blocks if block.exists()]
    return blocks


def test_a_world_whose_drawing_is_killed_leaves_no_process_and_is_drawn_again(tmp_path: Path) -> None:
    words = ("world", "make", "--out", tmp_path / "world", "--scenes", 3000, "--held-out", 1, "--workers", 2)
    process = start(*words)
    assert waited_for(lambda: len(list(tmp_path.glob(".clipgap.*.tmp/**/*.jpg"))) > 2)
    blocks = kill(process)
    assert blocks or not Path("/dev/shm").is_dir()
    assert any(tmp_path.iterdir())
    process = start(*words[:4], "--scenes", 4, "--workers", 1)
    assert process.communicate()[1].count("Traceback") == process.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


def test_a_training_that_is_killed_leaves_no_reader(tmp_path: Path) -> None:
    made = make_trained(tmp_path / "made")
    folder = copy_without_run(made, tmp_path / "copy")
    words = train_words(folder, "train.steps=100000", "run.workers=2")
    process = start(*words)
    assert waited_for(lambda: (folder / "run/metrics.jsonl").is_file() or process.poll() is not None)
    other = start(*words, "--resume")
    assert f"run: process {process.pid} on" in other.communicate()[1]
    assert other.returncode == 2
    kill(process)


def train_words(folder: Path, *settings: str) -> list[str]:
    own = ("augment.kind=none", "augment.file=null", f"run.out={folder / 'run'}")
    words = ["train", "--config", str(folder / "config.yaml")]
    return [*words, *(word for setting in (*own, *settings) for word in ("--set", setting))]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_twenty_kills_change_nothing(tmp_path: Path, seed: int) -> None:
    made = make_trained(tmp_path / "made")
    settings = ("train.steps=60", "train.checkpoint_every=3", "run.workers=1")
    whole, folder = (copy_without_run(made, tmp_path / name) for name in ("whole", "copy"))
    began = time.monotonic()
    process = start(*train_words(whole, *settings))
    _, err = process.communicate()
    assert process.returncode == 0, err
    took, moments = time.monotonic() - began, random.Random(seed)
    for _ in range(5):
        begun = (folder / "run/run.yaml").is_file()
        process = start(*train_words(folder, *settings), *(["--resume"] if begun else []))
        time.sleep(moments.uniform(0.3, 1) * took)
        kill(process)
    begun = (folder / "run/run.yaml").is_file()
    process = start(*train_words(folder, *settings), *(["--resume"] if begun else []))
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert contents(folder / "run") == contents(whole / "run")
