"""Checkpoints: the last two are kept, and a damaged one is found out, wherever the damage is."""

from __future__ import annotations

import errno
import random
from pathlib import Path

import pytest
import torch

from clipgap.engine.checkpoints import Checkpoints
from clipgap.engine.names import is_saved
from clipgap.errors import WeightsError


def content(step: int) -> dict[str, object]:
    return {"step": step, "weights": torch.full((2000,), float(step))}


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    """Of two steps."""
    made = Checkpoints(tmp_path / "checkpoint.pt", "clipgap test")
    for step in (1, 2):
        made.save(content(step))
    return made


def step_of(checkpoints: Checkpoints) -> int:
    found = checkpoints.load()
    assert found is not None
    assert torch.equal(found["weights"], torch.full((2000,), float(found["step"])))
    return int(found["step"])


def test_the_last_two_are_kept(checkpoints: Checkpoints) -> None:
    checkpoints.save(content(3))
    assert step_of(checkpoints) == 3
    assert sorted(path.name for path in checkpoints.file.parent.iterdir()) == ["checkpoint.pt", "checkpoint.pt.before"]
    checkpoints.file.unlink()  # as a crash between the two renamings leaves it
    assert (is_saved(checkpoints.file), step_of(checkpoints)) == (True, 2)
    checkpoints.remove()
    assert (is_saved(checkpoints.file), checkpoints.load()) == (False, None)


@pytest.mark.parametrize("number", range(60))
def test_a_flipped_bit_is_found_out_or_changes_nothing(
    checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    data = bytearray(checkpoints.file.read_bytes())
    data[random.Random(number).randrange(len(data))] ^= 1 << number % 8
    checkpoints.file.write_bytes(data)
    step = step_of(checkpoints)
    assert ("going on from the one before" in capsys.readouterr().err) == (step == 1)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other kind", "no checkpoint"])
def test_a_damaged_one_gives_way_to_the_one_before(
    checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    whole = checkpoints.file.read_bytes()
    if damage == "other kind":
        torch.save({"kind": "of somebody else", **content(9)}, checkpoints.file)
    elif damage == "no checkpoint":
        torch.save([1], checkpoints.file)
    else:
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        checkpoints.file.write_bytes({"flip": flipped, "cut": whole[:middle], "empty": b""}[damage])
    assert step_of(checkpoints) == 1
    assert f"warning: {checkpoints.file}: damaged" in capsys.readouterr().err.replace("\n", " ")
    checkpoints.save(content(3))  # must not put the damaged one in the good one's place
    checkpoints.file.write_bytes(b"")
    assert step_of(checkpoints) == 1


def test_a_disk_that_fails_is_no_damage(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("clipgap.engine.checkpoints.require_checksums", fails)
    with pytest.raises(OSError, match="Input/output"):
        checkpoints.load()
    assert checkpoints.file.is_file()


def test_where_all_are_damaged_nothing_is_gone_on_from(checkpoints: Checkpoints) -> None:
    checkpoints.file.write_bytes(b"")
    checkpoints.before.write_bytes(b"")
    with pytest.raises(WeightsError, match=r"checkpoint\.pt: damaged, .* no other is there; move the folder away"):
        checkpoints.load()
