from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from clipgap.data import read_yolo
from clipgap.data.places import Place
from clipgap.data.yolo_description import Description, describe
from clipgap.errors import DataError
from tests.datasets import draw, make_yolo


def described(root: Path, files: Mapping[str, str]) -> Description:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return describe(Place(root))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("[car]", {0: "car"}),
        ("{0: car}", {0: "car"}),
        ("{'0': car, 7: x}", {0: "car", 7: "x"}),
        ("\n- no\n- on\n- 1.0\n- null", {0: "no", 1: "on", 2: "1.0", 3: "null"}),  # text, whatever YAML makes of it
        ("lists/my.names", {0: "car", 2: "bus"}),
        ("/home/me/darknet/lists/my.names", {0: "car", 2: "bus"}),
    ],
)
def test_names(tmp_path: Path, names: str, expected: dict[int, str]) -> None:
    files = {"data.yaml": f"names: {names}", "lists/my.names": "\ufeffcar\r\n\r\n bus \r\n", "my.names": "car\n\nbus"}
    assert described(tmp_path, files).names == expected


@pytest.mark.parametrize(
    ("files", "file"),
    [
        ({"data.yaml": "names: [a]", "other.yaml": "names: [b]"}, "data.yaml"),
        ({"coco8.yml": "names: [a]"}, "coco8.yml"),
        ({"Set.YAML": "names: [a]", "config.yaml": "data: {}", "broken.yaml": "["}, "Set.YAML"),
        ({"data.yaml": "train: x", "real.yaml": "names: [a]"}, "real.yaml"),
        ({"config.yaml": "data: {}", "other.yaml": "a: b", "classes.txt": "a"}, "classes.txt"),
        ({"labels/classes.txt": "a"}, "labels/classes.txt"),
        ({"train/_darknet.labels": "a", "valid/_darknet.labels": "a"}, "train/_darknet.labels"),
        ({"obj.names": "a"}, "obj.names"),
        ({"obj.data": "classes = 1\ntrain = data/train.txt\nnames = data/obj.names", "obj.names": "a"}, "obj.data"),
        ({"data/obj.data": "# x\nclasses=1\nnames=data/obj.names", "data/obj.names": "a"}, "data/obj.data"),
        ({"voc.data": "train=t.txt\nnames=voc.names", "voc.names": "a", "classes.txt": "b"}, "voc.data"),
    ],
)
def test_which_file_describes_a_set(tmp_path: Path, files: Mapping[str, str], file: str) -> None:
    description = described(tmp_path, files)
    assert description.file == tmp_path / file
    assert description.names == {0: "a"}
    assert description.faults == ()


def bomb(key: str) -> str:
    lists = "".join(f"x{n + 1}: &x{n + 1} [{', '.join([f'*x{n}'] * 9)}]\n" for n in range(40))
    return f"x0: &x0 [lol]\n{lists}{key}: *x40\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected `names"),
        ("- a", "expected `names"),
        ("names: [a]\ntrain: [", "line 2: not valid YAML"),
        ("names: [a]\ntrain: a\ntrain: b", "line 3: not valid YAML .'train' is there twice"),
        ("names: {0: a, 0: b}", "'0' is there twice"),
        ("train: \tx: y", "not valid YAML"),
        ("[" * 3000, "not valid YAML"),
        ("names: &a [*a]", "not valid YAML"),
        ("? [a]\n: b", "not valid YAML"),
        ("train: images/train", "`names` must list the classes"),
        ("names: []", "`names` must list the classes"),
        ("names:", "`names` must list the classes"),
        ("names: no.names", "`names` must list the classes, or be a file .* there is no 'no.names'"),
        ("names: ../../outside.names", "there is no"),
        ("names: {x: car}", "class indices"),
        ("names: {car: 0}", "class indices"),
        ("names: [[a]]", "texts alone"),
        (bomb("names"), "texts alone"),
        (bomb("path") + "names: [a]", "`path` must be a folder"),
        (bomb("kpt_shape") + "names: [a]", "`kpt_shape` must be"),
        ("names: [a]\nkpt_shape: [17]", "`kpt_shape` must be"),
        ("names: [a]\nkpt_shape: 17", "`kpt_shape` must be"),
    ],
)
def test_a_description_that_will_not_do(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        described(tmp_path, {"data.yaml": text})
    assert str(caught.value).startswith(str(tmp_path / "data.yaml"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"data\.yaml: does not exist, nor .*obj\.data.*classes\.txt"),
        ({"one.yaml": "a: b", "two.yaml": "a: b"}, r"data\.yaml: does not exist"),
        ({"one.yaml": "names: [a]", "two.yaml": "names: [a]"}, r"one\.yaml, two\.yaml: rename the right one"),
        ({"x/classes.txt": "a", "y/classes.txt": "b"}, r"y/classes\.txt: has other names than .*x/classes\.txt"),
        ({"classes.txt": "\n"}, r"classes\.txt: is empty"),
        ({"obj.data": "train = a.txt"}, r"obj\.data: `names` must"),
    ],
)
def test_sets_without_a_description(tmp_path: Path, files: Mapping[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        described(tmp_path, files)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"data.yaml": "nc: 3\nnames: [a, b]"}, "nc: 3 for 2 names: `nc` is not the number of `names`"),
        ({"obj.data": "classes = 1\nnames = obj.names", "obj.names": "a\nb"}, "classes: 1 for 2 names: `classes` is"),
        ({"data.yaml": "names: [a, b, a]"}, "names: 'a', 0, 2: the same name for several classes"),
    ],
)
def test_what_is_odd_is_a_warning(tmp_path: Path, files: Mapping[str, str], said: str) -> None:
    (fault,) = described(tmp_path, files).faults
    assert fault.severity == "warning"
    assert str(fault).startswith(f"{tmp_path / next(iter(files))}, {said}")


def test_warnings_of_the_description_reach_the_reader(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": "1 .5 .5 1 1"}, names=["car", "car"])
    records, faults = read_yolo(root, "train")
    assert [a.name for a in records[0].annotations] == ["car"]
    assert [fault.severity for fault in faults] == ["warning"]


def test_a_bomb_where_nothing_is_looked_for_is_passed_over(tmp_path: Path) -> None:
    root = make_yolo(tmp_path, {"a": "0 .5 .5 1 1"})
    with (root / "data.yaml").open("a") as file:
        file.write(bomb("download"))
    assert len(read_yolo(root, "train")[0]) == 1


def test_cvat_1_1(tmp_path: Path) -> None:
    draw(tmp_path / "obj_train_data/sub/a.png")
    files = {
        "obj.data": "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n",
        "obj.names": "car\nbus\n",
        "train.txt": "data/obj_train_data/sub/a.png\n",
        "obj_train_data/sub/a.txt": "1 .5 .5 1 1\n",
    }
    described(tmp_path, files)
    for split in ("train", "all", "train.txt", "obj_train_data"):
        records, faults = read_yolo(tmp_path, split)
        assert faults == []
        assert [(r.image_id, r.annotations[0].name) for r in records] == [("obj_train_data/sub/a.png", "bus")]
