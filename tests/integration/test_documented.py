"""What the README and the pages of docs/ tell to type: it runs, or at least is a command line."""

from __future__ import annotations

import re
import shlex
import subprocess
from importlib.util import find_spec
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
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "src/clipgap/presets").glob("**/*.yaml")),
]
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TEXTS = [page for page in PAGES if page.suffix == ".md"]
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


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCKS.findall(page.read_text(encoding="utf-8")) if kind == language]


def lines(page: Path) -> list[str]:
    """The lines of all blocks of shell, continued ones joined, without comments and empty ones."""
    text = "\n".join(blocks(page, "bash")).replace("\\\n", " ")
    return [told for line in text.splitlines() if (told := line.partition("  #")[0].strip())]


def commands(page: Path) -> list[str]:
    """All that is `clipgap` in blocks, also as a module, and in code within text."""
    told = [re.sub(r"^torchrun .* -m clipgap ", "clipgap ", line).removesuffix(" &") for line in lines(page)]
    inline = re.findall(r"`(clipgap [^`]+)`", BLOCKS.sub("", page.read_text(encoding="utf-8")))
    return [line for line in [*told, *inline] if line.startswith("clipgap ")]


ALL = [(page.name, line) for page in PAGES for line in commands(page)]


def test_there_are_commands() -> None:
    assert len(ALL) > 50


@pytest.mark.parametrize("page", TEXTS, ids=named)
def test_every_block_is_of_a_kind_that_is_tried(page: Path) -> None:
    fences = re.findall(r"^```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(fences[::2]) <= {"bash", "python", "yaml"}
    assert not blocks(page, "python") or page.name in ("README.md", "api.md", "onnx.md", "extending.md")  # tried below


@pytest.mark.parametrize("page", TEXTS, ids=named)
def test_shell_is_shell_and_what_it_starts_is_there(page: Path) -> None:
    for block in blocks(page, "bash"):
        subprocess.run(["bash", "-n"], input=block, text=True, check=True)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in lines(page):
        words = line.split()
        if words[:1] == ["make"]:
            assert f"\n{words[1]}:" in makefile
        if words[:2] == ["python", "-m"]:
            assert find_spec(words[2]), line


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
    for page, name in ((ROOT / "README.md", "streets.yaml"), (ROOT / "docs/clear_day.md", "day.yaml")):
        (config,) = blocks(page, "yaml")
        (tmp_path / name).write_text(config)
    return tmp_path


def run(line: str, capfd: pytest.CaptureFixture[str]) -> None:
    """Run a command that a page tells, with as little work as can be."""
    words = shlex.split(line)[1:]
    if "--config" in words and words[0] not in ("evaluate", "compare"):
        words += [word for setting in SMALL for word in ("--set", setting)]
    with pytest.raises(SystemExit) as ended:
        main(words)
    err = capfd.readouterr().err
    assert not ended.value.code, err


def run_python(page: Path) -> None:
    (python,) = blocks(page, "python")
    python = python.replace("street.jpg", "photos/fog/JPEGImages/f.png").replace('["recipe', '[*SMALL, "recipe')
    exec(python, {"SMALL": SMALL})


def test_the_readme_runs_with_its_own_advice_for_a_cpu(photos: Path, capfd: pytest.CaptureFixture[str]) -> None:
    told = [line for line in commands(ROOT / "README.md") if "streets" in line]
    assert [line.split()[1] for line in told] == [
        *("data", "train", "evaluate", "predict"),
        *("train", "compare", "report"),
        *("fit", "train", "evaluate"),
    ]
    for line in told:
        run(line, capfd)
    assert (photos / "predictions/detections.json").is_file()
    run_python(ROOT / "README.md")


def test_clear_day_labels_become_a_robust_detector_in_six_commands(
    photos: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = lines(ROOT / "docs/clear_day.md")
    assert [line.split()[1] for line in told] == ["data", "train", "train", "compare", "report", "predict"]
    for line in told:
        run(line, capfd)
    assert (photos / "report.html").is_file()
    for line in commands(ROOT / "docs/onnx.md")[:3]:
        run(line.replace("--out predictions", "--out by_onnx"), capfd)
    run_python(ROOT / "docs/onnx.md")


def test_the_example_in_python_runs(photos: Path) -> None:
    run_python(ROOT / "docs/api.md")
    assert (photos / "aug.safetensors").is_file()


def test_the_advice_alone_is_a_config(photos: Path) -> None:
    config = load_config("streets.yaml", ["clip.name=tiny"])
    assert (config.clip.name, config.clip.pretrained) == ("tiny", None)
    assert load_config("streets.yaml").clip.pretrained == "openai"
    assert load_config("streets.yaml", ["clip.pretrained=random", "clip.name=tiny"]).clip.pretrained == "random"


@pytest.mark.parametrize("page", TEXTS, ids=named)
def test_configs_in_the_pages_are_right(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page, "yaml")):
        (tmp_path / f"{number}.yaml").write_text(block)
        load_config(tmp_path / f"{number}.yaml")
