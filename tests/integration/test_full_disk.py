"""A full disk at any write: one line, nothing half-made, and the command that the line names ends as it should."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from clipgap.cli.main import main
from clipgap.engine.fit import fit
from clipgap.engine.pretrain import Pretraining, loop, pretrain
from clipgap.engine.train import train
from clipgap.errors import DiskError
from tests.crashes import Writes
from tests.integration.test_crashes import WRITES_OF_FIT, WRITES_OF_TRAIN, contents
from tests.runs import copy_without_run, make_trained, run_config

FAST = (1, 4, 8, 13)
"""Of the writes of a training: a text, a line, weights, a checkpoint."""
VERBS = ("train", "fit", "predict", "evaluate", "corruptions", "convert", "export", "make")
FITS = ("disk", "evaluate")
"""A table is smaller than the smallest disk."""
UNSHARED = ("unshare", "-Urm")
"""With a mount namespace of its own, where the machine allows that."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trained(tmp_path_factory.mktemp("whole"))


def hidden(folder: Path) -> list[Path]:
    return list(folder.rglob(".clipgap.*"))


def full_at(number: int, monkeypatch: pytest.MonkeyPatch, work: Any) -> str:
    """Do some work with a disk that is full at one of its writes; what is said of it."""
    with Writes(monkeypatch, number, "full").watched(), pytest.raises(DiskError) as told:
        work()
    said = str(told.value)
    assert "the disk is full" in said
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, marks=() if number in FAST else pytest.mark.slow)
        for number in range(1, WRITES_OF_TRAIN + 1)
    ],
)
def test_a_training_goes_on_from_any_write(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    folder = copy_without_run(made, tmp_path / "copy")
    run = folder / "run"
    said = full_at(number, monkeypatch, lambda: train(run_config(folder), show=False))
    assert said.startswith(f"{run}/")
    assert not hidden(folder)
    begun = (run / "run.yaml").is_file()
    assert begun or not run.exists()
    train(run_config(folder), resume=begun, show=False)
    assert contents(run) == contents(made / "run")


@pytest.mark.parametrize("number", range(1, WRITES_OF_FIT))
def test_a_fit_goes_on_from_any_write(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr("clipgap.engine.fit.SAVE_EVERY", 1)
    folder = copy_without_run(made, tmp_path / "copy")
    out = folder / "fitted/offsets.safetensors"
    full_at(number, monkeypatch, lambda: fit(run_config(folder), out, show=False))
    assert not hidden(folder)
    assert out.parent.exists() == (number > 1)
    fit(run_config(folder), out, resume=number > 1, show=False)
    assert contents(out.parent) == {out.name: (made / "aug.safetensors").read_bytes()}


@pytest.mark.slow
def test_a_pretraining_goes_on_from_any_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", 1)
    recipe = Pretraining(scenes=12, steps=2, batch_size=8, word_steps=2, held_out=6)
    cpu = torch.device("cpu")
    writes = Writes(monkeypatch)
    with writes.watched():
        pretrain(tmp_path / "whole", recipe, cpu, 1)
    weights = (tmp_path / "whole/tiny_clip.safetensors").read_bytes()
    assert writes.count > 5
    for number in range(1, writes.count + 1):
        out = tmp_path / str(number)
        full_at(number, monkeypatch, lambda out=out: pretrain(out, recipe, cpu, 1))
        assert not hidden(out)
        pretrain(out, recipe, cpu, 1, resume=number > 1)  # before the album is whole it can be begun again
        assert (out / "tiny_clip.safetensors").read_bytes() == weights
        assert len(list(out.iterdir())) == 3


def test_an_album_that_there_is_no_room_for_is_told_before_it_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    words = ["world", "pretrain", "--out", str(tmp_path / "clip"), "--scenes", "5"]
    with pytest.raises(SystemExit) as ended:
        main(words)
    said = capfd.readouterr().err.splitlines()[-1]
    assert ended.value.code == 2
    assert "clip/album.npy: the disk is full" in said
    assert said.endswith(f"start again with: clipgap {' '.join(words)}")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("words", [("config", "schema"), ("config", "show", "--config", "mini_world")])
def test_a_result_that_stdout_does_not_take_is_told(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "clipgap", *words]
    with open("/dev/full", "w") as stdout:
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    told = "clipgap: stdout: cannot be written (No space left on device); make room, or send it elsewhere\n"
    assert (done.returncode, done.stderr) == (2, told)


def in_little_room(made: Path, disk: Path, kind: str, shares: str, *verbs: str) -> list[dict[str, Any]]:
    """What happened there (`tests.full_disk`)."""
    disk.mkdir()
    command = [*(UNSHARED if kind == "disk" else ()), sys.executable, "-m", "tests.full_disk", str(made), str(disk)]
    done = subprocess.run([*command, kind, shares, *verbs], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(found: list[dict[str, Any]], count: int) -> None:
    assert len(found) == count
    for one in found:
        lines = one["said"].splitlines()
        assert (one["code"], "Traceback" in one["said"], "the disk is full" in lines[-1]) == (2, False, True), one
        assert not [name for name in one["left"] if ".clipgap." in name], one
        assert (one["code_after"], one["same"]) == (0, True), one


def test_files_that_must_not_be_so_large(made: Path, tmp_path: Path) -> None:
    check(in_little_room(made, tmp_path / "disk", "file", "[0.6]", "fit", "convert", "evaluate"), 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "verb"), [(kind, verb) for kind in ("file", "disk") for verb in VERBS if (kind, verb) != FITS]
)
def test_any_verb_in_any_room(made: Path, tmp_path: Path, kind: str, verb: str) -> None:
    if kind == "disk" and subprocess.run([*UNSHARED, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespaces here")
    check(in_little_room(made, tmp_path / "disk", kind, "[0, 0.2, 0.4, 0.6, 0.8, 0.97]", verb), 6)
