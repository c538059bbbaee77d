"""`clipgap prompts check`: what it looks at, what its figures are, what it warns of."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch.nn import functional as F

from clipgap.cli.main import main
from clipgap.clip import load_clip
from clipgap.config import RunConfig
from clipgap.data import DetectionDataset, load_domains
from clipgap.data.records import Annotation, ImageRecord
from clipgap.engine.prompts_check import check_prompts, choose_boxes
from clipgap.engine.prompts_report import ClassRow, PromptRow, PromptsReport
from clipgap.errors import ConfigError
from tests.runs import CLASSES, make_run, run_config

SHIPPED = "clip={name: tiny}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("words"))


def report_of(made: Path, *settings: str, count: int = 200) -> PromptsReport:
    return check_prompts(run_config(made, SHIPPED, *settings), count, show=False)


def test_its_figures_are_cosines_of_clips_embeddings(made: Path) -> None:
    report = report_of(made)
    config = run_config(made, SHIPPED)
    clip, words = load_clip(config.clip), config.data.prompts
    assert words.source is not None
    source, *targets = clip.embed_text([words.source, *words.targets])
    ways = [F.normalize(target - source, dim=0) for target in targets]
    assert [row.prompt for row in report.prompts] == words.targets
    assert report.prompts[0].length == pytest.approx(float((targets[0] - source).norm()), abs=1e-5)
    assert report.prompts[0].cosines == pytest.approx([1.0, float(ways[0] @ ways[1])], abs=1e-5)
    bus, bike = clip.embed_text(["a photo of a bus", "a photo of a bike"])
    assert report.classes[0].cosines[1] == pytest.approx(float(bus @ bike), abs=1e-5)
    val = load_domains(config.data).source.selection
    assert val is not None
    assert (report.split, report.images) == ("day/val", 1)
    assert {row.name: row.boxes for row in report.classes} == dict(val.boxes_per_class())
    assert report.nearest_to_source in (0.0, 100.0)
    assert report.accuracy is not None


def test_whole_images_are_nearer_to_their_own_prompt_with_a_clip_that_knows_them(made: Path) -> None:
    report = report_of(made)
    assert [row.nearer_to_source for row in report.prompts] == [100.0, 100.0]
    turned = report_of(
        made, "data.prompts={source: an image taken on a clear night, targets: [an image taken during the day]}"
    )
    assert turned.nearest_to_source == turned.prompts[0].nearer_to_source == 0.0


def test_without_val_it_looks_at_train_and_never_at_test(made: Path) -> None:
    source = "data.source={name: day, format: voc, root: daytime_clear/VOC2007, train: train, test: val}"
    report = report_of(made, source)
    assert (report.split, report.images) == ("day/train", 3)
    assert report_of(made, source, count=2).images == 2


def test_the_seed_chooses(made: Path) -> None:
    train = "data.source={name: day, format: voc, root: daytime_clear/VOC2007, train: train}"
    one, again, other = (report_of(made, train, f"run.seed={seed}", count=4) for seed in (0, 0, 1))
    assert one == again
    assert one != other


def annotated(names: str) -> DetectionDataset:
    """A data set of one image a letter; a capital letter is a crowd."""
    boxes = [Annotation(name.lower(), (0, 0, 9, 9), False, name.isupper(), "") for name in names]
    records = [
        ImageRecord(str(place), Path(f"{place}.png"), 50, 50, (box,), Path("a.xml")) for place, box in enumerate(boxes)
    ]
    return DetectionDataset(records, ["a", "b", "c"])


def test_of_every_class_as_many_boxes_as_there_are_and_no_crowds() -> None:
    dataset = annotated("aaaaaaaaabbbbcAAA")
    chosen = choose_boxes(dataset, 7, torch.Generator().manual_seed(0))
    assert Counter(label for *_, label in chosen) == {0: 3, 1: 3, 2: 1}
    assert [place for place, *_ in chosen] == sorted(place for place, *_ in chosen)
    assert len(choose_boxes(dataset, 100, torch.Generator().manual_seed(0))) == 14


def made_report(**changes: Any) -> PromptsReport:
    prompts = (
        PromptRow("fog", 0.5, [1.0, 0.97, 0.2], 90.0),
        PromptRow("mist", 0.5, [0.97, 1.0, 0.2], 80.0),
        PromptRow("a day", 0.01, [0.2, 0.2, 1.0], 50.0),
    )
    classes = (
        ClassRow("car", ["a photo of a car"], [1.0, 0.96], 4, 75.0, "bus"),
        ClassRow("bus", ["a photo of a bus"], [0.96, 1.0], 0, None, None),
    )
    return replace(PromptsReport("CLIP", "day", "day/val", 4, 25.0, prompts, classes), **changes)


def test_what_cannot_be_told_apart_is_named() -> None:
    assert made_report().warnings == [
        "target prompt 'a day' has no direction: |q_j - q_s| is 0.010; say it in other words",
        "target prompts 'fog' and 'mist' point the same way (cosine 0.97): one of them is enough",
        "classes 'car' and 'bus' are nearly the same to CLIP (cosine 0.96): try other words "
        "(data.prompts.class_names, class_template)",
    ]
    clear = (PromptRow("fog", 0.5, [1.0], 90.0),)
    assert made_report(prompts=clear, classes=made_report().classes[:1]).warnings == []


def test_tables_and_json_say_the_same() -> None:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(made_report().render())
    text = console.export_text()
    for said in ("mist", "80.0 %", "75.0 %", "4 boxes, right 75.0 % (mean of the classes)", "25.0 % nearest to 'day'"):
        assert said in text
    tree = json.loads(json.dumps(made_report().to_json()))
    assert tree["prompts"][1]["nearer_to_source"] == 80.0
    assert tree["classes"][1]["right"] is None
    assert (tree["accuracy"], len(tree["warnings"])) == (75.0, 3)
    assert made_report(classes=made_report().classes[1:]).accuracy is None


def test_prompts_are_needed(made: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.prompts: no prompts"):
        check_prompts(_without_prompts(run_config(made)), show=False)


def _without_prompts(config: RunConfig) -> RunConfig:
    data = config.data.model_copy(update={"prompts": type(config.data.prompts)()})
    return config.model_copy(update={"data": data})


@pytest.mark.parametrize("as_json", [True, False])
def test_the_verb_warns_on_stderr_and_ends_well(made: Path, capfd: pytest.CaptureFixture[str], as_json: bool) -> None:
    twice = "data.prompts={source: day, targets: [fog, Fog, night], class_names: {bus: [car]}}"
    command = ["prompts", "check", "--config", str(made / "config.yaml"), "--set", SHIPPED, "--set", twice]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--images", "3", *(["--json"] if as_json else [])])
    out, err = capfd.readouterr()
    assert (ended.value.code or 0) == 0
    assert "warning: target prompts 'fog' and 'Fog' point the same way (cosine 1.00)" in err
    assert "warning: classes 'bus' and 'car' are nearly the same to CLIP (cosine 1.00)" in err
    if as_json:
        tree = json.loads(out)
        assert [row["name"] for row in tree["classes"]] == CLASSES
        assert sum(row["boxes"] for row in tree["classes"]) == 3
    else:
        assert "Directions from the source prompt" in out
        assert "next: clipgap fit --config" in out
