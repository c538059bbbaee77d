"""What is told without PyTorch, and what is said of a training that was too short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clipgap.cli.show import tell_trained
from clipgap.engine.train import Trained, train
from tests.runs import make_run, run_config

SCRIPT = """
import sys
from clipgap.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert "torch" not in sys.modules, "torch was loaded"
    sys.exit(ended.code)
"""
EARLY = (
    ("train --config nowhere.yaml", "no such file"),
    ("train --config mini_world --set train.steps=x", "expected a whole number"),
    ("train --config mini_world --set run.out=.", "is there already"),
    ("train --config mini_world --set data.root=nowhere", "no such folder"),
    ("fit --config mini_world --out .", "is a folder"),
    ("evaluate nope", "no such folder"),
    ("evaluate .", "holds no detector"),
    ("predict nope x.jpg", "no such folder"),
    ("export nope --out x", "no such folder"),
    ("import nope --classes a --out x", "no such file of weights"),
    ("data check --config nowhere.yaml", "no such file"),
    ("data convert --config mini_world --domain sun --split a --to voc --out x", "no such domain"),
    ("prompts check --config mini_world --set data.root=nowhere", "no such folder"),
    ("prompts check --config mini_world --set data.prompts={}", "data.prompts: no prompts"),
    ("demo --out .", "is there already"),
    ("world make --out .", "is there already"),
    ("fly", "No such command"),
)
UNWRITABLE = (
    "fit --config mini_world --out /proc/x/a.safetensors",
    "train --config mini_world --set run.out=/proc/x/run",
    "evaluate run --config mini_world --csv /proc/x/a.csv",
    "evaluate run --config mini_world --corruptions fog --out /proc/x",
    "evaluate run --config mini_world --corruptions fog --cache /proc/x",
    "predict run mine.txt --out /proc/x",
    "export run --out /proc/x",
    "import mine.txt --classes a --out /proc/x",
    "data convert --config mini_world --domain daytime_clear --split a --to voc --out /proc/x",
    "demo --out /proc/x",
    "world make --out /proc/x",
    "world pretrain --out /proc/x",
    "world pretrain --out /proc/x --resume",
)
"""Every verb that writes, at a place where not even root may."""


@pytest.mark.parametrize(("words", "said"), EARLY)
def test_a_mistake_that_needs_no_torch_is_told_before_it_is_loaded(tmp_path: Path, words: str, said: str) -> None:
    (tmp_path / "mine.txt").touch()
    command = [sys.executable, "-c", SCRIPT, *words.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no place where not even root may write")
@pytest.mark.parametrize("words", UNWRITABLE)
def test_a_place_that_cannot_be_written_to_is_told_before_any_work(tmp_path: Path, words: str) -> None:
    (tmp_path / "mine.txt").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.yaml").touch()
    command = [sys.executable, "-c", SCRIPT, *words.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, "/proc may not be written to" in done.stderr) == (2, True), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_version_needs_no_torch(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "clipgap 0.1.0\n")


def test_settings_without_effect_are_told_before_the_training(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = ("augment={kind: none, file: null}", "average.decay=0.5", "train.steps=1", "train.lr_steps=[]")
    train(run_config(make_run(tmp_path), *settings))
    said = capfd.readouterr().err
    (told,) = [line for line in said.splitlines() if "has no effect" in line]
    assert told.startswith("warning: average.decay=0.5 has no effect: average.over is none: set it to ema")
    assert said.index(told) < said.index("train 1/1")


@pytest.mark.parametrize(("best", "useless"), [(0.0, True), (0.94, True), (31.6, False)])
def test_a_useless_detector_is_said_to_be_one(capfd: pytest.CaptureFixture[str], best: float, useless: bool) -> None:
    tell_trained(Trained(Path("runs/a"), best, 20, "AP50 (voc2007)", "day/val", 3723.4, main=True), 20)
    out, err = capfd.readouterr()
    said = f"AP50 (voc2007) {best:.1f} on day/val"
    assert f"runs/a: the weights of step 20, {said}; 20 steps in 1:02:03" in out
    assert (f"{said} after 20 steps: it finds next to nothing; train longer (train.steps)" in err) == useless
