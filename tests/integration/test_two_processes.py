"""Two processes with half of the images each do what one does with all of them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from clipgap.augment import SemanticAugmentations
from clipgap.engine.names import CHECKPOINT, is_saved
from tests.runs import make_trained

TWO_VIEWS = ("diversify={kinds: [photometric], views: 2, probability: 1}", "align={classes: 1, boxes: 1}")
LEVERS = {
    "offsets": ("augment.kind=fitted", "augment.probability=0.5"),
    "two_views": ("augment.kind=[random, norm]", "augment.probability=0.7", *TWO_VIEWS),
}
STEPS = 10


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trained(tmp_path_factory.mktemp("two"))


def clipgap(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "clipgap.cli.main", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def set_to(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def output(*words: object) -> str:
    done = clipgap(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def training(made: Path, out: Path, processes: int, *settings: str, steps: int = STEPS) -> list[object]:
    each = (f"run.devices={processes}", f"train.batch_size={4 // processes}", f"run.out={out}", f"train.steps={steps}")
    return ["train", "--config", made / "config.yaml", *set_to(*each, "train.lr=0.01", *settings)]


def learnt(run: Path) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], load_file(run / "model.safetensors")


@pytest.mark.parametrize("levers", ["offsets", pytest.param("two_views", marks=pytest.mark.slow)])
def test_training_is_that_of_one_process_with_all_images(levers: str, made: Path, tmp_path: Path) -> None:
    for processes in (1, 2):
        words = training(made, tmp_path / str(processes), processes, "train.validate_every=5", *LEVERS[levers])
        told = json.loads(output(*words, "--json"))  # one line: only the main process speaks
    assert told["best_step"] in (5, 10)
    (lines, weights), (of_two, weights_of_two) = (learnt(tmp_path / str(processes)) for processes in (1, 2))
    assert len(lines) == len(of_two) == STEPS + 2  # two validations
    for alone, together in zip(lines, of_two, strict=True):
        assert together.pop("per_class", None) == alone.pop("per_class", None)
        assert together == pytest.approx(alone, rel=1e-5, abs=1e-5)
    for name, tensor in weights.items():
        torch.testing.assert_close(weights_of_two[name], tensor, rtol=1e-5, atol=1e-5, msg=name)
    again = clipgap(*words)
    assert again.returncode == 2
    assert "is there already" in again.stderr


@pytest.mark.slow
def test_offsets_are_those_of_one_process(made: Path, tmp_path: Path) -> None:
    fitted = []
    for processes in (1, 2):
        file = tmp_path / f"{processes}.safetensors"
        pool = ("fit.pool=6", "fit.steps=25", "fit.patience=10")
        output("fit", "--config", made / "config.yaml", "--out", file, *set_to(f"run.devices={processes}", *pool))
        fitted.append(SemanticAugmentations.load(file))
    torch.testing.assert_close(fitted[1].offsets, fitted[0].offsets, rtol=1e-4, atol=1e-5)
    assert fitted[1].record["l1_loss"] == pytest.approx(fitted[0].record["l1_loss"])
    refused = clipgap(
        "fit",
        "--config",
        made / "config.yaml",
        "--out",
        tmp_path / "3",
        *set_to("run.devices=2", "fit.images_per_step=3"),
    )
    assert refused.returncode == 2
    assert "fit.images_per_step=3: 2 processes cannot share them evenly" in refused.stderr


@pytest.mark.slow
def test_tables_are_those_of_one_process(made: Path, tmp_path: Path) -> None:
    """Three images a domain do not divide by two; corrupted ones are scored to the same bytes too."""
    corrupted = ("--corruptions", "contrast,fog", "--severity", "2")
    for words in ((), corrupted):
        tables = []
        for devices in (1, 2):
            shutil.rmtree(made / "run" / "detections", ignore_errors=True)
            table = output("evaluate", made / "run", "--json", *words, *set_to(f"run.devices={devices}"))
            kept = {file.name: file.read_bytes() for file in (made / "run" / "detections").glob("*")}
            tables.append((table, kept))
        assert tables[1] == tables[0]
        assert len(tables[0][1]) == (0 if words else 7)
    out = ("--out", tmp_path / "results", "--cache", tmp_path / "cache", *corrupted)
    output("evaluate", made / "run", *out, *set_to("run.devices=2"))
    first = (tmp_path / "results" / "corruptions.jsonl").read_bytes()
    output("evaluate", made / "run", *out, "--resume", *set_to("run.devices=2"))
    assert (tmp_path / "results" / "corruptions.jsonl").read_bytes() == first


@pytest.mark.slow
def test_ray_trains_what_one_command_does(made: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    example = Path(__file__).parents[2] / "examples" / "ray_train.py"
    folder = {one: tmp_path / one for one in ("ray", "plain")}
    words = [sys.executable, example, made / "config.yaml", "2", f"run.out={folder['ray']}"]
    subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=300)
    output("train", "--config", made / "config.yaml", *set_to(f"run.out={folder['plain']}", "run.devices=2"))
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (folder["ray"] / name).read_bytes() == (folder["plain"] / name).read_bytes()


@pytest.mark.slow
def test_predictions_are_those_of_one_process(made: Path, tmp_path: Path) -> None:
    pictures = sorted((made / "data").rglob("*.jpg"))[:5]
    for devices in (1, 2):
        output("predict", made / "run", *pictures, "--out", tmp_path / str(devices), "--devices", devices)
    names = sorted(file.relative_to(tmp_path / "1") for file in (tmp_path / "1").rglob("*") if file.is_file())
    assert len(names) == 5 + 4
    for name in names:
        assert (tmp_path / "2" / name).read_bytes() == (tmp_path / "1" / name).read_bytes(), name


@pytest.mark.slow
def test_a_signal_to_one_process_ends_both_and_the_run_goes_on(made: Path, tmp_path: Path) -> None:
    settings = ("train.checkpoint_every=2", "augment.kind=none")
    job = begun(training(made, tmp_path / "run", 2, *settings, steps=500), tmp_path / "run")
    job.send_signal(signal.SIGUSR1)
    _, told = job.communicate(timeout=60)
    assert job.returncode == 75, told
    assert told.count("go on with: clipgap train") == 1
    step = torch.load(tmp_path / "run" / CHECKPOINT, weights_only=True)["step"]
    assert f"saved at step {step} of 500" in told
    output(
        *training(made, tmp_path / "run", 2, "train.checkpoint_every=2", "augment.kind=none", steps=step + 2),
        "--resume",
    )
    lines, _ = learnt(tmp_path / "run")
    assert lines[-1]["step"] == step + 2


@pytest.mark.slow
def test_where_one_process_dies_the_other_says_so_and_the_run_goes_on(made: Path, tmp_path: Path) -> None:
    settings = ("train.checkpoint_every=2", "augment.kind=none")
    job = begun(training(made, tmp_path / "run", 2, *settings, steps=500), tmp_path / "run")
    os.kill(children(job.pid)[0], signal.SIGKILL)
    killed = monotonic()
    _, told = job.communicate(timeout=60)
    assert monotonic() - killed < 60
    assert job.returncode != 0
    if job.returncode > 0:  # else whoever looks after the processes was quicker, and ended this one too
        assert "another of the 2 processes has ended" in told
        assert "go on with: clipgap train" in told
        assert "--resume" in told
    assert is_saved(tmp_path / "run" / CHECKPOINT)


@pytest.mark.slow
@pytest.mark.parametrize("machines", [1, 2])
def test_torchrun_starts_a_job_again_that_goes_on(machines: int, made: Path, tmp_path: Path) -> None:
    """Two processes, on one machine or on two: one is killed once, and the job ends as if it had not been."""
    settings = ("train.checkpoint_every=2", "augment.kind=none")
    output(*training(made, tmp_path / "whole", 1, *settings, steps=14))
    words = [str(word) for word in training(made, tmp_path / "run", 2, *settings, steps=14)]
    words = [word.replace("run.devices=2", f"run.devices={2 // machines}") for word in words]
    port = 20000 + os.getpid() % 20000
    shape = [f"--nnodes={machines}", f"--nproc-per-node={2 // machines}", "--max-restarts=3", "--monitor-interval=0.5"]
    place = ["--master-addr=127.0.0.1", f"--master-port={port}"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", *shape, *place]
    agents = [
        subprocess.Popen(
            [*torchrun, f"--node-rank={rank}", "-m", "clipgap.cli.main", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(machines)
    ]
    wait_for_checkpoint(tmp_path / "run", agents[0])
    os.kill(children(agents[-1].pid)[-1], signal.SIGKILL)
    for agent in agents:
        told, _ = agent.communicate(timeout=500)
        assert agent.returncode == 0, told
    lines, weights = learnt(tmp_path / "run")
    expected, whole = learnt(tmp_path / "whole")
    assert [line["step"] for line in lines] == [line["step"] for line in expected]
    assert "resumed" in json.loads((tmp_path / "run" / "environment.json").read_text())
    for name, tensor in whole.items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-4, atol=1e-4, msg=name)


def begun(words: list[object], run: Path) -> subprocess.Popen[str]:
    """A training that has saved a checkpoint and goes on."""
    command = [sys.executable, "-m", "clipgap.cli.main", *map(str, words)]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_checkpoint(run, job)
    return job


def wait_for_checkpoint(run: Path, job: subprocess.Popen[str]) -> None:
    until = monotonic() + 300
    while not is_saved(run / CHECKPOINT):
        assert job.poll() is None, job.communicate()
        assert monotonic() < until
        sleep(0.05)


def children(pid: int) -> list[int]:
    """The processes that a process has started, oldest first."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if b"clipgap" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.mark.slow
def test_other_threads_round_otherwise_and_no_more(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        monkeypatch.setenv("MKL_NUM_THREADS", threads)
        output(*training(made, tmp_path / threads, 1, *LEVERS["offsets"]))
    (lines, weights), (of_two, weights_of_two) = (learnt(tmp_path / threads) for threads in ("1", "2"))
    assert [line["loss_objectness"] for line in of_two if "lr" in line] == pytest.approx(
        [line["loss_objectness"] for line in lines if "lr" in line], rel=1e-5
    )
    for name, tensor in weights.items():
        torch.testing.assert_close(weights_of_two[name], tensor, rtol=1e-5, atol=1e-5, msg=name)
