"""Predictions as labels: what is written is read back by the library's own readers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Literal

import pytest

from clipgap.cli.main import main
from clipgap.config import DataConfig, PredictFormat
from clipgap.data import DetectionDataset, load_domains
from clipgap.detector import Detector
from clipgap.detectors import MINI_WORLD
from clipgap.engine.predict import PredictSettings, predict
from clipgap.web.session import draw_streets
from clipgap.world import CLASSES

LEAST = 0.2


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two of one name in two folders."""
    files: list[Path] = []
    for number, (_, picture) in enumerate(draw_streets(4, 3)):
        folder = tmp_path_factory.mktemp("pictures") if number < 2 else files[-1].parent
        files.append(folder / ("street.png" if number < 2 else "other one.png"))
        picture.save(files[-1])
    return files


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load(MINI_WORLD).for_inference()


def predicted(detector: Detector, pictures: list[Path], out: Path, kind: PredictFormat) -> list[list[dict[str, Any]]]:
    """What is to be found in every image, by the COCO results."""
    predict(detector, pictures, out, PredictSettings(LEAST, format=kind), show=False)
    results = json.loads((out / "detections.json").read_text())
    return [
        [one for one in results if one["image_id"] == number and one["score"] >= LEAST]
        for number in range(1, len(pictures) + 1)
    ]


def read_back(root: Path, kind: Literal["yolo", "voc"]) -> DetectionDataset:
    source = {"name": "it", "format": kind, "root": str(root), "train": "predicted"}
    dataset = load_domains(DataConfig.model_validate({"classes": list(CLASSES), "source": source})).source.train
    assert dataset is not None
    return dataset


@pytest.mark.parametrize(("kind", "place"), [("yolo", "images/predicted"), ("voc", "JPEGImages")])
def test_labels_are_read_back(
    detector: Detector, pictures: list[Path], tmp_path: Path, kind: Literal["yolo", "voc"], place: str
) -> None:
    expected = predicted(detector, pictures, tmp_path / "out", kind)
    assert sum(map(len, expected)) > 3
    names = ["street.png", "street_2.png", "other one.png"]
    for file, name in zip(pictures, names, strict=True):
        shutil.copy(file, tmp_path / "out" / kind / place / name)
    dataset = read_back(tmp_path / "out" / kind, kind)
    by_name = {record.path.name: record for record in dataset.records}
    for name, found in zip(names, expected, strict=True):
        boxes = [one.box for one in by_name[name].annotations]
        assert [one.name for one in by_name[name].annotations] == [CLASSES[one["category_id"] - 1] for one in found]
        for box, one in zip(boxes, found, strict=True):
            x, y, width, height = one["bbox"]
            assert box == pytest.approx((x, y, x + width, y + height), abs=0.02)


def test_label_studio(detector: Detector, pictures: list[Path], tmp_path: Path) -> None:
    expected = predicted(detector, pictures, tmp_path / "out", "labelstudio")
    tasks = json.loads((tmp_path / "out/labelstudio.json").read_text())
    assert [task["data"]["image"] for task in tasks] == [str(file) for file in pictures]
    for task, found in zip(tasks, expected, strict=True):
        results = task["predictions"][0]["result"]
        for result, one in zip(results, found, strict=True):
            value, width, height = result["value"], result["original_width"], result["original_height"]
            box = [value["x"] * width, value["y"] * height, value["width"] * width, value["height"] * height]
            assert [side / 100 for side in box] == pytest.approx(one["bbox"])
            assert value["rectanglelabels"] == [CLASSES[one["category_id"] - 1]]
            assert (result["score"], result["type"]) == (one["score"], "rectanglelabels")


def test_a_format_can_be_had_later(
    detector: Detector, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted(detector, pictures, tmp_path / "out", "coco")
    monkeypatch.setattr(Detector, "detect", None)
    for _ in range(2):
        predict(detector, pictures, tmp_path / "out", PredictSettings(LEAST, format="voc"), resume=True, show=False)
    assert len(list((tmp_path / "out/voc/Annotations").iterdir())) == 3


def test_the_verb(pictures: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(pictures[0]), "--out", str(tmp_path / "out"), "--format", "yolo"])
    assert not ended.value.code, capfd.readouterr().err
    assert (tmp_path / "out/yolo/data.yaml").is_file()
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(pictures[0]), "--out", str(tmp_path / "new"), "--format", "pascal"])
    assert ended.value.code == 2
    assert "coco" in capfd.readouterr().err
