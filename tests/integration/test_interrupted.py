"""Signals to real processes, and commands that are printed: they work as they stand."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from clipgap.cli.commands import command, config_words, free, going_on, setting
from clipgap.config import load_config
from clipgap.detector import Detector
from clipgap.engine.fitter import Fitter
from clipgap.engine.train.trainer import Trainer
from clipgap.errors import Interrupted
from tests.command_line import run
from tests.runs import make_run


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A run's inputs in a folder whose name a shell would take apart."""
    return make_run(tmp_path / "my data & more")


def printed_command(text: str, before: str) -> list[str]:
    """The words of the command that is printed behind `before`."""
    (line,) = [line for line in text.splitlines() if before in line]
    program, *words = shlex.split(line.partition(before)[2])
    assert program == "clipgap"
    return words


def test_every_next_command_works_as_it_stands(
    made: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    words = ["data", "check", "--config", "config.yaml", "--set", "fit.steps=2", "--set", "augment.file=null"]
    verbs = []
    while words and len(verbs) < 6:
        verbs.append(words[0])
        code, out, err = run(capfd, *words)
        assert code == 0, err
        words = printed_command(out, "next: ") if "next: " in out else []
    assert verbs == ["data", "fit", "train", "evaluate", "predict", "evaluate"]


@pytest.mark.parametrize(
    ("settings", "following"),
    [
        ((), ["fit"]),
        (("augment.kind=pin",), ["train"]),
        (("augment.kind=none", "diversify.kinds=[photometric]"), ["train"]),
        (("data.prompts={}",), ["train", "augment.kind=none"]),
    ],
)
def test_a_checked_set_is_trained_on_at_once_where_no_offsets_are_needed(
    made: Path, capfd: pytest.CaptureFixture[str], settings: tuple[str, ...], following: list[str]
) -> None:
    code, out, err = run(capfd, "data", "check", "--config", made / "config.yaml", *setting_words(settings))
    assert code == 0, err
    words = ["--config", str(made / "config.yaml"), *setting_words((*settings, *following[1:]))]
    assert printed_command(out, "next: ") == [following[0], *words]


def test_a_data_file_is_trained_on_by_the_recipe(made: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = yaml.safe_load((made / "config.yaml").read_text())["data"]
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(data))
    code, out, err = run(capfd, "data", "check", "--config", tmp_path / "data.yaml")
    assert code == 0, err
    assert printed_command(out, "next: ") == ["train", "--config", str(tmp_path / "data.yaml")]


def setting_words(settings: tuple[str, ...]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


@pytest.mark.parametrize(("verb", "owner", "name"), [("fit", Fitter, "move"), ("train", Trainer, "step")])
def test_an_interrupted_job_names_the_command_that_goes_on(
    made: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    owner: type,
    name: str,
) -> None:
    original: Callable[..., object] = getattr(owner, name)
    calls: list[int] = []

    def with_signal(self: object, *arguments: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGTERM)
        return original(self, *arguments)

    monkeypatch.setattr(owner, name, with_signal)
    config = ["--config", made / "config.yaml", "--set", "augment.kind=none", "--set", "augment.file=null"]
    out = ["--out", made / "a b.safetensors"] if verb == "fit" else []
    code, _, err = run(capfd, verb, *config, *out)
    assert (code, "saved at step 2 of " in err) == (143, True)
    words = printed_command(err, "; go on with: ")
    assert words[-1] == "--resume"
    assert run(capfd, *words)[0] == 0


@pytest.mark.parametrize("verb", ["fit", "train", "evaluate"])
def test_ctrl_c_before_anything_is_saved(
    made: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    def ctrl_c(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    for place in (
        "clipgap.engine.fit.load_clip",
        "clipgap.engine.train.job.load_backbone",
        "clipgap.detector.Detector.load",
    ):
        monkeypatch.setattr(place, ctrl_c)
    (made / "run").mkdir()
    (made / "run/config.yaml").touch()
    words = [verb, *([made / "run"] if verb == "evaluate" else []), "--config", made / "config.yaml"]
    words += ["--set", f"run.out={json.dumps(str(made / 'new'))}"]
    words += [] if verb == "evaluate" else ["--set", "augment.kind=none"]
    code, out, err = run(capfd, *words)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == f"clipgap: stopped; nothing saved yet; start again with: {command(*words)}"


@pytest.mark.parametrize(
    ("number", "code", "all_of_them"),
    [
        (signal.SIGINT, 130, True),  # as a terminal does: to the processes that read images, too
        (signal.SIGTERM, 143, False),
        (signal.SIGTERM, 143, True),  # as a system that stops does
        (signal.SIGUSR1, 75, True),
    ],
)
def test_a_process_that_is_told_to_stop_saves_and_says_how_to_go_on(
    made: Path, number: signal.Signals, code: int, all_of_them: bool
) -> None:
    config = ["--config", made / "config.yaml", "--set", "augment.kind=none", "--set", "train.steps=100000"]
    words = ["train", *config, "--set", "train.validate_every=100000", "--set", "run.workers=2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "clipgap", *map(str, words)], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    metrics = made / "run/metrics.jsonl"
    while not metrics.exists() and process.poll() is None:
        time.sleep(0.05)
    if all_of_them:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    err = process.communicate()[1]
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert "stopping after this step" in err
    assert printed_command(err, "; go on with: ") == [*map(str, words), "--resume"]
    assert (made / "run/checkpoint.pt").is_file()


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_what_takes_no_steps_stops_at_once_and_goes_on_at_its_image(
    made: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    assert run(capfd, "train", "--config", made / "config.yaml", "--set", "augment.kind=none")[0] == 0
    words = ["predict", made / "run", made / "data/night_sunny/VOC2007/JPEGImages", "--out", made / "found"]
    words = words if verb == "predict" else ["evaluate", made / "run"]
    detect, calls = Detector.detect, []

    def with_signal(self: Detector, *arguments: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGTERM)
        return detect(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Detector, "detect", with_signal)
    code, out, err = run(capfd, *words)
    assert (code, out, "Traceback" in err) == (143, "", False), err
    assert ("detections holds what was saved" if verb == "evaluate" else "clipgap: 2 of 4 images done") in err
    assert run(capfd, *printed_command(err, "; go on with: "))[0] == 0
    assert len(calls) == (10 if verb == "evaluate" else 5)


def test_commands_in_words() -> None:
    assert command("train", "--config", "my config.yaml") == "clipgap train --config 'my config.yaml'"
    words = config_words("c.yaml", ["a=1", "augment.file=x", "b=[1, 2]"], None, 3, but="augment.file")
    assert words == ["--config", "c.yaml", "--set", "a=1", "--set", "b=[1, 2]", "--seed", "3"]
    stopped = Interrupted("stopped", resume=False)
    assert going_on(["fit", "--resume"], stopped) == "stopped; start again with: clipgap fit"
    assert going_on(["fit", "--resume"], Interrupted("saved")) == "saved; go on with: clipgap fit --resume"
    assert going_on(["demo"], Interrupted("saved")) == "saved; go on with: clipgap demo"


@pytest.mark.parametrize("name", ["plain", "a: b", "null", "1", "[x", "it's", "#x", "a\\b", "é"])
def test_a_path_as_a_setting_is_read_back_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    words = setting("data.root", Path(name))
    assert Path(load_config("mini_world", words[1:]).data.root).name == name


def test_a_free_name(tmp_path: Path) -> None:
    assert free(tmp_path / "out") == tmp_path / "out"
    for name in ("out", "out_2"):
        (tmp_path / name).mkdir()
    assert free(tmp_path / "out") == tmp_path / "out_3"
