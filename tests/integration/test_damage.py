"""What is not as it was written is found out: weights, offsets, configs, and what a run reads."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

from clipgap.augment import SemanticAugmentations
from clipgap.clip import load_clip
from clipgap.config import load_config
from clipgap.detector import Detector
from clipgap.detector.spec import read_spec, write_spec
from clipgap.engine.run_folder import RunFolder
from clipgap.engine.train import train
from clipgap.errors import ClipgapError, ConfigError, WeightsError
from tests.runs import make_trained, run_config


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trained(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The same folder as it was made, for a test to damage; under its own name, so that its run can be resumed."""
    shutil.copytree(made, tmp_path / "kept")
    return made


@pytest.fixture(autouse=True)
def put_back(made: Path, tmp_path: Path) -> Iterator[None]:
    """Nothing of a test's damage is there for the next one."""
    yield
    if (tmp_path / "kept").is_dir():
        shutil.rmtree(made)
        shutil.copytree(tmp_path / "kept", made)


def flips(path: Path, count: int) -> Iterator[int]:
    """Flip one bit after another in a file, each in the whole one."""
    whole = path.read_bytes()
    for number in range(count):
        data = bytearray(whole)
        place = random.Random(number).randrange(len(data))
        data[place] ^= 1 << number % 8
        path.write_bytes(data)
        yield place
    path.write_bytes(whole)


def told(read: Callable[[], object]) -> bool:
    try:
        read()
    except ClipgapError:
        return True
    return False


def test_a_flipped_bit_in_the_weights_is_an_error(folder: Path) -> None:
    run = folder / "run"
    for _ in flips(run / "model.safetensors", 20):
        with pytest.raises(WeightsError, match=r"model\.safetensors: not the weights that config\.yaml .* names"):
            Detector.load(run)
    Detector.load(run)


def test_a_flipped_bit_in_a_clip_is_an_error_or_changes_nothing(folder: Path) -> None:
    config = run_config(folder).clip
    hashed = load_clip(config).weights_hash
    found = []
    for _ in flips(folder / "clip.pt", 20):
        try:
            assert load_clip(config).weights_hash == hashed
        except WeightsError as error:
            found.append(str(error))
    assert any("damaged: the checksum of" in one for one in found)


def test_a_flipped_bit_in_the_offsets_is_an_error(folder: Path) -> None:
    file = folder / "aug.safetensors"
    assert all(told(partial(SemanticAugmentations.load, file)) for _ in flips(file, 40))
    SemanticAugmentations.load(file)


@pytest.mark.parametrize("name", ["run/run.yaml", "run/config.yaml"])
def test_a_config_that_was_changed_or_cut_is_an_error(folder: Path, name: str) -> None:
    file, run = folder / name, RunFolder(folder / "run")
    read = run.config if name == "run/run.yaml" else partial(Detector.load, run.path)
    whole = file.read_text()
    first = len(whole.splitlines()[0])
    assert all(told(read) or place <= first for place in flips(file, 60))  # the first line only says what is below
    lines = whole.splitlines(keepends=True)
    for end in range(1, len(lines)):
        file.write_text("".join(lines[:end]))
        assert told(read)
        if name == "run/run.yaml":
            with pytest.raises(ConfigError, match=r"run\.yaml: not valid YAML \(cut short, damaged or changed"):
                load_config(file)
    file.write_bytes(b"\x00\xff\x00")
    assert told(read)
    file.write_text("".join(lines[1:]))  # as its first line says, for a file of one's own
    read()


def test_older_folders_without_hashes_are_read(folder: Path) -> None:
    config = folder / "run/config.yaml"
    lines = config.read_text().splitlines(keepends=True)[1:-1]
    config.write_text("".join(line for line in lines if not line.startswith("weights: ")))
    Detector.load(folder / "run")


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "another's"])
def test_a_run_whose_best_weights_are_lost_is_not_called_done(folder: Path, damage: str) -> None:
    weights = folder / "run/model.safetensors"
    whole = weights.read_bytes()
    if damage == "missing":
        weights.unlink()
    else:
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :]
        weights.write_bytes({"cut": whole[:middle], "flipped": flipped, "another's": whole + b" "}[damage])
    with pytest.raises(WeightsError, match=r"the weights of step 4 are lost|model\.safetensors is missing"):
        train(run_config(folder), resume=True, show=False)


def test_a_hash_that_was_written_before_its_weights_is_put_right(folder: Path) -> None:
    spec = read_spec(folder / "run")
    write_spec(folder / "run", spec.model_copy(update={"weights": "0" * 64}))
    with pytest.raises(WeightsError, match="--resume` puts a run right"):
        Detector.load(folder / "run")
    train(run_config(folder), resume=True, show=False)
    Detector.load(folder / "run")


def test_newer_weights_than_the_checkpoint_knows_are_saved_again(folder: Path) -> None:
    newer = Detector.load(folder / "run")
    with torch.no_grad():
        newer.rpn.head.cls_logits.bias += 1
    newer.save(folder / "run")
    trained = train(run_config(folder, "train.steps=6"), resume=True, show=False)
    assert trained.best_step == 6
    Detector.load(folder / "run")


def test_other_training_images_than_the_runs_own_are_refused(folder: Path) -> None:
    listed = folder / "data/daytime_clear/VOC2007/ImageSets/Main/train.txt"
    listed.write_text("".join(listed.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(ConfigError, match="--resume: there are other training images or boxes than the run was begun"):
        train(run_config(folder, "train.steps=6"), resume=True, show=False)


def test_every_sitting_is_on_record(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = folder / "run/environment.json"
    before = json.loads(record.read_text())
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        train(run_config(folder), resume=True, show=False)
    finally:
        torch.set_num_threads(threads)
    assert f"warning: {threads + 1} threads, but the run was begun with {threads}" in capsys.readouterr().err
    after = json.loads(record.read_text())
    grown = dict.fromkeys(("resumed", "seconds"))
    assert after | grown == before | grown
    assert [sitting["threads"] for sitting in after["resumed"]] == [threads + 1]
    record.write_text("{")
    train(run_config(folder), resume=True, show=False)
    assert json.loads(record.read_text())["training_hash"] == before["training_hash"]


def test_another_number_of_processes_is_refused(folder: Path) -> None:
    """Of machines too: `run.devices` is that of one."""
    record = folder / "run/environment.json"
    record.write_text(record.read_text().replace('"processes": 1', '"processes": 2'))
    with pytest.raises(ConfigError, match="--resume: there is another number of processes than the run was begun with"):
        train(run_config(folder), resume=True, show=False)
