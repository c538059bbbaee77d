"""The examples of docs/extending.md run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from clipgap.detector import Detector
from clipgap.engine.train import train
from tests.runs import make_run, run_config

PAGE = Path(__file__).parents[3] / "docs" / "extending.md"


def examples() -> dict[str, str]:
    """The page's Python code by the class that it defines."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    found = {}
    for block in blocks:
        name = re.search(r"^class (\w+)", block, re.MULTILINE)
        assert name
        found[name[1]] = block
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("extending"))


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("Vignette", "diversify={{kinds: [{0}], probability: 1}}"),
        ("Silence", "augment={{kind: {0}, layer: layer2, probability: 1}}"),
    ],
)
def test_a_lever_is_one_file_and_one_line(made: Path, monkeypatch: pytest.MonkeyPatch, name: str, setting: str) -> None:
    code = examples()[name]
    assert len(code.splitlines()) <= 25
    module = f"own_{name.lower()}"
    (made / f"{module}.py").write_text(code)
    monkeypatch.chdir(made)

    def weights(out: str, *settings: str) -> dict[str, torch.Tensor]:
        config = run_config(made, "train.steps=2", "augment.kind=none", *settings, f"run.out={made / out}")
        return Detector.load(train(config, show=False).path).state_dict()

    plain = weights(f"{name}_plain")
    own = weights(f"{name}_own", setting.format(f"{module}:{name}"))
    assert any(not torch.equal(tensor, own[key]) for key, tensor in plain.items())
