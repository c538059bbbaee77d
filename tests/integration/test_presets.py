"""The benchmarks' presets from end to end, on small folders of the layout that the real sets have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from clipgap.cli.main import main
from tests.datasets import draw, voc_xml

SMALL = (
    "clip.name=tiny",
    "clip.pretrained=random",
    "image={short_side: 64, long_side: 96}",
    "fit={steps: 2, images_per_step: 1, crops_per_image: 2, crop_side: 32, antialias: false}",
    "train.steps=2",
    "train.batch_size=2",
    "train.validate_first=1",
    "train.validate_every=1",
    "run.workers=0",
    "run.device=cpu",
    "detector={anchor_sizes: [16, 32], rpn_post_nms_top_n_train: 40, rpn_post_nms_top_n_test: 20}",
)
CAR = ("Car", (5, 5, 35, 18))
CHAIR = ("chair", (5, 5, 35, 18))


def voc(root: Path, split: str, images: dict[str, Sequence[tuple[str, tuple[float, ...]]]], side: int = 40) -> None:
    """A split more of a VOC set; `side` is the width that its files state."""
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for stem, objects in images.items():
        draw(root / "JPEGImages" / f"{stem}.jpg")
        (root / "Annotations" / f"{stem}.xml").write_text(voc_xml(objects, (side, 20)))  # type: ignore[arg-type]
    (root / "ImageSets/Main" / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in images))


@pytest.fixture
def art(tmp_path: Path) -> Path:
    """VOC's two years, comics and watercolours with one image of no class looked for, clip art with a wrong size."""
    devkit = tmp_path / "VOCdevkit"
    voc(devkit / "VOC2007", "trainval", {"000001": [CAR], "000002": [CHAIR]})
    voc(devkit / "VOC2012", "train", {"2008_000001": [CAR, CAR], "2008_000002": []})
    voc(devkit / "VOC2012", "val", {"2008_000003": [CAR], "2008_000004": [CHAIR]})
    for name in ("comic", "watercolor"):
        voc(tmp_path / name, "test", {"1": [CAR], "2": [CHAIR]})
    voc(tmp_path / "clipart", "test", {"3": [CAR], "4": []}, side=41)
    return tmp_path


@pytest.fixture
def weather(tmp_path: Path) -> Path:
    for name in ("daytime_clear", "night_sunny", "dusk_rainy", "night_rainy", "daytime_foggy"):
        images = {f"{name}_{i}": [("car", (5, 5, 35, 18))] for i in range(2)}
        voc(tmp_path / name / "VOC2007", "train", images | {f"{name}_none": []})
    voc(tmp_path / "daytime_clear/VOC2007", "test", {"clear": [("bus", (5, 5, 35, 18))]})
    return tmp_path


def command(capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    capfd.readouterr()
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    assert not ended.value.code, err
    return out


def run_preset(name: str, root: Path, capfd: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    """All verbs on a preset with a small CLIP; the domains of `evaluate --json`."""
    run, offsets = root / "run", root / "offsets.safetensors"
    own = [word for line in (*SMALL, f"data.root={root}", f"run.out={run}") for word in ("--set", line)]
    command(capfd, "data", "check", "--config", name, *own[-4:])
    command(capfd, "fit", "--config", name, *own, "--out", offsets)
    command(capfd, "train", "--config", name, *own, "--set", f"augment.file={offsets}")
    table = json.loads(command(capfd, "evaluate", run, "--json"))
    assert table["scoring"] == "authors"
    assert any("which is also what" in note for note in table["notes"])
    told = command(capfd, "evaluate", run)
    assert "the authors' scoring" in told
    return table["domains"]  # type: ignore[no-any-return]


def test_real_to_art(art: Path, capfd: pytest.CaptureFixture[str]) -> None:
    domains = run_preset("real_to_art", art, capfd)
    assert [(name, domain["images"], domain["boxes"]) for name, domain in domains.items()] == [
        ("voc", 2, 1),
        ("comic", 1, 1),
        ("watercolor", 1, 1),
        ("clipart", 2, 1),
    ]
    assert domains["voc"]["metric"] == "voc2012"


def test_diverse_weather(weather: Path, capfd: pytest.CaptureFixture[str]) -> None:
    domains = run_preset("diverse_weather", weather, capfd)
    assert [(domain["images"], domain["boxes"]) for domain in domains.values()] == [(1, 1), *[(2, 2)] * 4]
