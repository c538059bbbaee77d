"""Two processes with half of the images each do what one does with all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

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


def clipgap(verb: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "clipgap.cli.main", verb, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def trained(
    made: Path, out: Path, processes: int, *settings: str
) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    steps = (f"train.steps={STEPS}", f"train.validate_every={STEPS // 2}", "train.lr=0.01")
    shares = (f"run.devices={processes}", f"train.batch_size={4 // processes}", f"run.out={out}")
    words = [word for setting in (*steps, *shares, *settings) for word in ("--set", setting)]
    done = clipgap("train", "--config", made / "config.yaml", *words)
    assert done.returncode == 0, done.stderr
    lines = (out / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], load_file(out / "model.safetensors")


@pytest.mark.parametrize(
    "levers", [pytest.param(name, marks=[pytest.mark.slow] * (name != "offsets")) for name in LEVERS]
)
def test_training_is_that_of_one_process_with_all_images(levers: str, made: Path, tmp_path: Path) -> None:
    lines, weights = trained(made, tmp_path / "one", 1, *LEVERS[levers])
    of_two, weights_of_two = trained(made, tmp_path / "two", 2, *LEVERS[levers])
    assert len(lines) == len(of_two) == STEPS + 2  # two validations
    for alone, together in zip(lines, of_two, strict=True):
        assert together.pop("per_class", None) == alone.pop("per_class", None)
        assert together == pytest.approx(alone, rel=1e-5, abs=1e-5)
    for name, tensor in weights.items():
        torch.testing.assert_close(weights_of_two[name], tensor, rtol=1e-5, atol=1e-5, msg=name)
