"""The data floor on real photographs: three formats, names that differ, boxes that reach out."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipgap.config import DataConfig
from clipgap.data import Domains, check, convert, load_domains, load_split, resize
from clipgap.data.convert import Format

RENAME = {"motorbike": "motorcycle"}


@pytest.fixture(scope="module")
def config(photos: Path) -> DataConfig:
    return DataConfig.model_validate(
        {
            "root": str(photos),
            "classes": ["bus", "car", "motorcycle", "person", "truck"],
            "source": {
                "name": "day",
                "format": "yolo",
                "root": "day_yolo",
                "train": "train",
                "val": "val",
                "rename": RENAME,
            },
            "targets": [
                {"name": "night", "format": "yolo", "root": "night_yolo", "test": "test", "rename": RENAME},
                {"name": "fog", "format": "voc", "root": "fog_voc", "test": "all"},
                {"name": "photos", "format": "coco", "root": "photos_coco", "test": "instances"},
            ],
        }
    )


@pytest.fixture(scope="module")
def domains(config: DataConfig) -> Domains:
    return load_domains(config)


def test_every_image_opens_and_the_counts_are_the_readmes(config: DataConfig) -> None:
    report = check(config)
    assert report.ok
    counts = {(s.domain, s.split): (s.images, sum(s.boxes.values()), sum(s.left_out.values())) for s in report.splits}
    assert counts["day", "train"][0] + counts["day", "val"][0] == 420
    assert counts["day", "train"][1] + counts["day", "val"][1] == 998
    assert counts["night", "test"] == (34, 66, 0)
    assert counts["fog", "all"] == (171, 1125, 7)
    images, boxes, left_out = counts["photos", "instances"]
    assert (images, boxes + left_out) == (29, 302)
    assert report.splits[3].left_out == {"bicycle": 7}
    assert {fault.file.parent.name for fault in report.faults("warning")} == {"Annotations"}  # DAWN counts from 0


def test_samples_are_ready_for_the_detector(domains: Domains) -> None:
    for domain in domains.all:
        dataset = domain.scored
        assert dataset is not None
        sample = resize(dataset[0], 600, 1333)
        boxes = sample.target["boxes"]
        assert min(sample.image.size) == 600 or max(sample.image.size) == 1333
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (boxes[:, 2] <= sample.image.width).all()
        assert (boxes[:, 3] <= sample.image.height).all()


@pytest.mark.parametrize("to", ["voc", "coco", "yolo"])
def test_the_night_survives_conversion(config: DataConfig, tmp_path: Path, to: Format) -> None:
    night = config.targets[0]
    convert(config, night, "test", to, tmp_path / to)
    written = night.model_copy(update={"format": to, "root": str(tmp_path / to)})
    before, after = load_split(config, night, "test"), load_split(config, written, "test")
    assert len(after) == len(before)
    for index in range(len(before)):
        one, other = before.target(index), after.target(index)
        assert one["labels"].tolist() == other["labels"].tolist()
        assert (one["boxes"] - other["boxes"]).abs().max() < 1e-3
        assert before.records[index].path.read_bytes() == after.records[index].path.read_bytes()
