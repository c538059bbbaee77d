"""What the README and the pages of docs/ tell to type: it runs, or at least is a command line."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from pydantic import BaseModel

from clipgap.cli.main import app, main
from clipgap.config import RunConfig, load_config
from clipgap.config.messages import group_at
from tests.datasets import make_voc, make_yolo

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "src/clipgap/presets").glob("**/*.yaml")),
]
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SMALL = (
    "clip.name=tiny",
    "image={short_side: 64, long_side: 96}",
    "fit={steps: 2, images_per_step: 1, crops_per_image: 2, crop_side: 32}",
    "train={steps: 2, batch_size: 2, validate_every: 2}",
    "detector={anchor_sizes: [16, 32], rpn_post_nms_top_n_train: 40, rpn_post_nms_top_n_test: 20}",
    "run.workers=0",
    "run.device=cpu",
)
"""The README's advice for a CPU, and as little work as can be."""


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCKS.findall(page.read_text(encoding="utf-8")) if kind == language]


def commands(page: Path) -> list[str]:
    """All that begins with `clipgap` in blocks, in code within text, and behind prompts."""
    text = page.read_text(encoding="utf-8")
    lines = [line.partition("  #")[0] for block in blocks(page, "bash") for line in block.splitlines()]
    inline = re.findall(r"`(clipgap [^`]+)`", BLOCKS.sub("", text))
    return [line.strip() for line in [*lines, *inline] if line.strip().startswith("clipgap ")]


ALL = [(page.name, line) for page in PAGES for line in commands(page)]


def test_there_are_commands() -> None:
    assert len(ALL) > 50


@pytest.mark.parametrize(("page", "line"), ALL)
def test_every_command_that_is_told_of_exists(page: str, line: str) -> None:
    words = shlex.split(re.sub(r"[\[\]]", " ", line) if "=[" not in line else line)[1:]
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands") or all(word.startswith("--") for word in words[:1]), line
    known = {name for parameter in command.params for name in parameter.opts} | {"--debug", "--help"}
    given = [word.partition("=")[0] for word in words if word.startswith("--")]
    assert set(given) <= known | {"--install-completion", "--show-completion", "--version"}, line
    for option, value in pairwise(words):
        if option == "--set" and "=" in value:
            *group, leaf = value.partition("=")[0].split(".")
            assert leaf in settings_at(group), value


def settings_at(group: list[str]) -> set[str]:
    kind: type[BaseModel] = group_at(RunConfig, group)
    return set(kind.model_fields)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders that the README's config names, and the config itself."""
    monkeypatch.chdir(tmp_path)
    car = "2 .5 .5 .5 .5\n"
    names = ["bus", "car", "motorbike", "person", "truck"]
    for split, stems in (("train", "ab"), ("val", "c")):
        make_yolo(tmp_path / "photos/day", dict.fromkeys(stems, car), names, split)
    (tmp_path / "photos/day/data.yaml").write_text(
        yaml.safe_dump({"names": names, "train": "images/train", "val": "images/val"})
    )
    make_voc(tmp_path / "photos/fog", {"f": [("car", (5, 5, 30, 18))]}, "all")
    (config,) = blocks(ROOT / "README.md", "yaml")
    (tmp_path / "streets.yaml").write_text(config)
    return tmp_path


def test_the_readme_runs_with_its_own_advice_for_a_cpu(photos: Path, capfd: pytest.CaptureFixture[str]) -> None:
    told = [line for line in commands(ROOT / "README.md") if "streets" in line]
    assert [line.split()[1] for line in told] == [
        *("data", "train", "evaluate", "predict"),
        *("train", "compare", "report"),
        *("fit", "train", "evaluate"),
    ]
    for line in told:
        words = shlex.split(line)[1:]
        if "--config" in words:
            words += [word for setting in SMALL for word in ("--set", setting)]
        with pytest.raises(SystemExit) as ended:
            main(words)
        err = capfd.readouterr().err
        assert not ended.value.code, err
    assert (photos / "predictions/detections.json").is_file()
    (python,) = blocks(ROOT / "README.md", "python")
    exec(python.replace("street.jpg", "photos/fog/JPEGImages/f.png"), {})


def test_the_advice_alone_is_a_config(photos: Path) -> None:
    config = load_config("streets.yaml", ["clip.name=tiny"])
    assert (config.clip.name, config.clip.pretrained) == ("tiny", None)
    assert load_config("streets.yaml").clip.pretrained == "openai"
    assert load_config("streets.yaml", ["clip.pretrained=random", "clip.name=tiny"]).clip.pretrained == "random"


@pytest.mark.parametrize("page", [page for page in PAGES if page.suffix == ".md"], ids=lambda page: page.name)
def test_configs_in_the_pages_are_right(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page, "yaml")):
        tree = yaml.safe_load(block)
        if {"data", "classes"} & set(tree):
            (tmp_path / f"{number}.yaml").write_text(block)
            load_config(tmp_path / f"{number}.yaml")
