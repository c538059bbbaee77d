"""The example of every public name runs: in a folder with a drawn world, a street and what fit wrote."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest
import torch

import clipgap
from clipgap.web.session import draw_streets
from clipgap.world import write_world


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("examples")
    write_world(made / "mini_world", seed=0, scenes=4, held_out=1, workers=1, report=lambda _: None)
    draw_streets(0, 1)[0][1].save(made / "street.jpg")
    offsets = torch.zeros(15, 256, 8, 8)
    prompts = clipgap.PromptSet.from_config(clipgap.load_config("mini_world").data.prompts)
    clipgap.SemanticAugmentations(offsets, prompts, "tiny", "").save(made / "aug.safetensors")
    return made


@pytest.mark.parametrize("name", clipgap.__all__)
def test_every_public_name_has_an_example_that_runs(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(folder)
    (found,) = doctest.DocTestFinder(recurse=False).find(getattr(clipgap, name), name, globs={"clipgap": clipgap})
    assert found.examples
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(found, out=said.append)
    assert result.failed == 0, "".join(said)
