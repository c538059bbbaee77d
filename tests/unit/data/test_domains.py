from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from clipgap.config import DataConfig
from clipgap.data import load_domains, load_split
from clipgap.data.domains import read_pieces
from clipgap.errors import ConfigError, DataError
from tests.datasets import coco_tree, data_config, make_coco, make_voc, make_yolo

CAR = ("car", (1, 1, 40, 20))


def split_file(root: Path, name: str, *stems: str) -> None:
    (root / "ImageSets/Main" / f"{name}.txt").write_text("".join(f"{stem}\n" for stem in stems))


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """train: a, b; val: c; test: c."""
    root = make_voc(tmp_path / "day", {"a": [CAR], "b": [("person", (1, 1, 4, 4))], "c": [CAR]})
    split_file(root, "train", "a", "b")
    split_file(root, "val", "c")
    split_file(root, "test", "c")
    return root


def test_domains_of_a_data_file(tmp_path: Path, day: Path) -> None:
    make_yolo(tmp_path / "night", {"x": "0 .5 .5 1 1"}, names=["auto"], split="test")
    make_coco(tmp_path / "fog", coco_tree([{"category_id": 3, "bbox": [0, 0, 4, 4]}]), "all")
    file = tmp_path / "data.yaml"
    tree = {
        "classes": ["car", "person"],
        "source": {"name": "day", "format": "voc", "root": "day", "train": "train", "val": "val", "test": "test"},
        "targets": [
            {"name": "night", "format": "yolo", "root": "night", "test": "test", "rename": {"auto": "car"}},
            {"name": "fog", "format": "coco", "root": "fog", "test": "all"},
        ],
    }
    file.write_text(yaml.safe_dump(tree))
    domains = load_domains(str(file))
    assert domains.classes == ("car", "person")
    assert [domain.name for domain in domains.all] == ["day", "night", "fog"]
    sizes = [[split and len(split) for split in (d.train, d.selection, d.scored)] for d in domains.all]
    assert sizes == [[2, 1, 1], [None, 1, 1], [None, 1, 1]]
    night = domains.targets[0].scored
    assert night is not None
    assert night.target(0)["labels"].tolist() == [1]


def test_a_preset_and_a_config_will_do_and_an_unknown_name_will_not() -> None:
    assert load_domains("diverse_weather").targets[0].name == "night_sunny"
    with pytest.raises(ConfigError, match="nowhere"):
        load_domains("nowhere.yaml")


def test_nothing_is_read_before_it_is_asked_for(day: Path) -> None:
    config = data_config(day, "voc", train="train", val="nowhere")
    with_target = config.model_copy(update={"targets": [config.source.model_copy(update={"root": "/nowhere"})]})
    domains = load_domains(with_target)
    assert domains.source.train is not None
    with pytest.raises(DataError, match=r"nowhere\.txt: no such split"):
        _ = domains.source.selection
    with pytest.raises(DataError, match=r"nowhere: no such folder: correct `root` of domain day"):
        _ = domains.targets[0].train


def test_a_split_is_read_once(day: Path) -> None:
    source = load_domains(data_config(day, "voc", test="test")).source
    assert source.scored is source.selection


@pytest.mark.parametrize("first", ["train", "selection"])
def test_weights_are_not_chosen_on_images_that_were_trained_on(day: Path, first: str) -> None:
    split_file(day, "val", "b", "a", "c")
    source = load_domains(data_config(day, "voc", train="train", val="val")).source
    assert getattr(source, first) is not None
    with pytest.raises(DataError, match=r"domain day: .* share 2 images, for example .*[ab]\.png"):
        _ = (source.train, source.selection)


def test_scoring_what_was_trained_on_is_allowed(day: Path) -> None:
    source = load_domains(data_config(day, "voc", train="train", val="val", test="train")).source
    assert source.train is source.scored
    assert source.selection is not None


@pytest.mark.parametrize("errors", [1, 3, 5])
def test_errors_forbid_the_use_of_a_split_and_three_are_told(day: Path, errors: int) -> None:
    bad = "".join(f"none{number}\n" for number in range(errors))
    split_file(day, "train", "a", bad)
    config = data_config(day, "voc", train="train")
    with pytest.raises(DataError) as caught:
        load_split(config, config.source, "train")
    lines = str(caught.value).splitlines()
    assert len(lines) == min(errors, 3) + (errors > 3)
    assert "line 2" in lines[0]
    if errors > 3:
        assert lines[-1] == "and 2 more; `clipgap data check` lists all"


def test_warnings_do_not(day: Path) -> None:
    xml = day / "Annotations/a.xml"
    xml.write_text(xml.read_text().replace("<xmax>40", "<xmax>50"))
    config = data_config(day, "voc")
    dataset = load_split(config, config.source, "train")
    assert [fault.severity for fault in dataset.faults] == ["warning"]
    assert len(dataset) == 2


def test_voc_boxes_and_keep_empty_reach_the_readers(day: Path) -> None:
    xml = day / "Annotations/b.xml"
    xml.write_text(xml.read_text().replace("person", "tree"))
    config = data_config(day, "voc").model_copy(update={"voc_boxes": "zero_based", "keep_empty": False})
    dataset = load_split(config, config.source, "train")
    assert [record.annotations[0].box for record in dataset.records] == [(1, 1, 40, 20)]


def test_the_authors_corners_are_shifted_for_training_only(day: Path) -> None:
    config = data_config(day, "voc", train="train", val="train", test="train", voc_boxes="authors")
    source = load_domains(config).source
    assert source.scored is not None
    assert source.scored.records[0].annotations[0].box == (0, 0, 40, 20)
    assert source.train is not None
    assert source.train.records[0].annotations[0].box == (0, 0, 39, 19)


def test_a_repeated_image_is_an_error(day: Path) -> None:
    split_file(day, "train", "a", "b", "a")
    config = data_config(day, "voc")
    with pytest.raises(DataError, match=r"line 3: the image a\.png is there already"):
        load_split(config, config.source, "train")


def config_of(day: Path, **change: object) -> DataConfig:
    return data_config(day, "voc").model_copy(update=change)


def test_splits_in_which_nothing_is_left(day: Path) -> None:
    split_file(day, "none")
    config = config_of(day)
    with pytest.raises(DataError, match="split none: has no images"):
        load_split(config, config.source, "none")
    config = config_of(day, classes=["bus"])
    with pytest.raises(DataError, match="the set's own names are: 'car', 'person'; map them with `rename`"):
        load_split(config, config.source, "train")
    for stem in "ab":
        (day / f"Annotations/{stem}.xml").write_text("<annotation/>")
    config = config_of(day, keep_empty=False)
    with pytest.raises(DataError, match="no image has boxes, and keep_empty is false"):
        load_split(config, config.source, "train")
    config = config_of(day)
    assert len(load_split(config, config.source, "train")) == 2


def test_read_pieces_tells_all_faults_without_raising(day: Path) -> None:
    split_file(day, "train", "a", "none", "a")
    xml = day / "Annotations/a.xml"
    xml.write_text(xml.read_text().replace("<xmax>40", "<xmax>-3"))
    config = config_of(day)
    assert len(read_pieces(config, config.source, [(config.source, "train")], training=False).faults) == 3


@pytest.mark.parametrize("key", ["images", "annotations"])
def test_a_folder_that_is_named_must_be_there(day: Path, key: str) -> None:
    config = config_of(day)
    named = config.source.model_copy(update={key: "nowhere"})
    with pytest.raises(DataError, match=f"nowhere: no such folder: correct `{key}` of domain"):
        load_split(config, named, "train")
