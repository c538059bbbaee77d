from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from clipgap.config import DataConfig
from clipgap.data import ImageRecord, check, check_images
from tests.datasets import draw, make_voc, make_yolo

CAR = ("car", (1, 1, 40, 20))


def config(root: Path, **source: object) -> DataConfig:
    domain = {"name": "day", "format": "voc", "root": "day", "train": "train", "val": "val", **source}
    target = {"name": "night", "format": "yolo", "root": "night", "test": "test"}
    return DataConfig.model_validate(
        {"root": str(root), "classes": ["car", "person"], "source": domain, "targets": [target]}
    )


def make(root: Path) -> None:
    make_voc(
        root / "day",
        {"a": [CAR, ("car", (1, 1, 20, 10))], "b": [], "d": [("person", (1, 1, 4, 4)), ("tree", (1, 1, 2, 2))]},
    )
    make_voc(root / "day", {"c": [CAR, ("person", (1, 1, 4, 4))]}, "val")
    make_yolo(root / "night", {"x": "0 .5 .5 1 1\n1 .5 .5 .5 .5"}, split="test")


def rendered(report: object) -> str:
    console = Console(file=StringIO(), width=300)
    console.print(report)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_clean_set(tmp_path: Path) -> None:
    make(tmp_path)
    report = check(config(tmp_path))
    assert report.ok
    assert report.faults("warning") == []
    assert [(s.domain, s.split, s.roles, s.images, s.empty) for s in report.splits] == [
        ("day", "train", ("train",), 3, 1),
        ("day", "val", ("selection", "scored"), 1, 0),
        ("night", "test", ("scored",), 1, 0),
    ]
    assert report.splits[0].boxes == {"car": 2, "person": 1}
    assert report.splits[0].left_out == {"tree": 1}
    tree = json.loads(json.dumps(report.to_json()))
    assert tree["ok"] is True
    assert tree["splits"][1]["roles"] == ["selection", "scored"]
    text = rendered(report.render())
    assert "left out of day train: tree (1)" in text
    assert "0 errors, 0 warnings" in text


def test_all_faults_are_told_not_only_the_first(tmp_path: Path) -> None:
    make(tmp_path)
    day = tmp_path / "day"
    (day / "ImageSets/Main/train.txt").write_text("a\nb\nnone\nb\n")  # nothing on line 3, line 4 is line 2
    (day / "Annotations/a.xml").write_text("<annotation><size><width>41</width><height>20</height></size></annotation>")
    (day / "JPEGImages/b.png").write_bytes((day / "JPEGImages/b.png").read_bytes()[:60])
    draw(tmp_path / "night/images/test/x.png", (40, 20), orientation=6)  # no fault: YOLO's boxes are of what is shown
    (tmp_path / "night/labels/test/x.txt").write_text("0 .5 .5 1 1\n5 .5 .5 1 1\n0 .9 .5 1 1\n1 .5 .5 .1 .1")
    report = check(config(tmp_path))
    assert not report.ok
    told = [(fault.severity, fault.file.name, fault.where) for s in report.splits for fault in s.faults]
    assert told == [
        ("error", "train.txt", "line 3"),
        ("error", "train.txt", "line 4"),
        ("error", "a.png", ""),
        ("error", "b.png", ""),
        ("warning", "day", "split train"),
        ("error", "x.txt", "line 2"),
        ("warning", "x.txt", "line 3"),
    ]
    assert "without a box of car, person" in report.splits[0].faults[-1].message
    tree = json.loads(json.dumps(report.to_json()))
    assert tree["ok"] is False
    assert len(tree["splits"][0]["faults"]) == 5
    text = rendered(report.render())
    assert text.count("error: ") == 5
    assert text.count("warning: ") == 2
    assert "5 errors, 2 warnings" in text


def test_images_kept_unturned_are_warned_of(tmp_path: Path) -> None:
    make(tmp_path)
    draw(tmp_path / "day/JPEGImages/a.png", (40, 20), orientation=6)
    report = check(config(tmp_path))
    assert report.ok
    assert ["used unturned" in fault.message for fault in report.faults("warning")] == [True]


def test_difficult_boxes_are_counted(tmp_path: Path) -> None:
    make(tmp_path)
    xml = tmp_path / "day/Annotations/a.xml"
    xml.write_text(xml.read_text().replace("<bndbox>", "<difficult>1</difficult><bndbox>", 1))
    assert [(s.difficult, s.crowd) for s in check(config(tmp_path)).splits] == [(1, 0), (0, 0), (0, 0)]


def test_splits_that_cannot_be_read_are_faults_of_theirs(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "night/data.yaml").unlink()
    report = check(config(tmp_path, val="nowhere"))
    assert [len(s.faults) for s in report.splits] == [0, 1, 1]
    assert "no such split" in report.splits[1].faults[0].message
    assert report.splits[0].images == 3
    assert "2 errors" in rendered(report.render())


def test_shared_images(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "day/ImageSets/Main/val.txt").write_text("a\nc\n")
    (tmp_path / "day/ImageSets/Main/test.txt").write_text("d\n")
    report = check(config(tmp_path, test="test"))
    assert ["1 images are trained on too" in s.faults[-1].message for s in report.splits[:2] if s.faults] == [True]
    assert [fault.where for fault in report.faults("error")] == ["split val"]
    told = [fault.message for fault in report.faults("warning") if fault.where == "split test"]
    assert ["are trained on too" in message for message in told] == [False, True]  # the first: without a box of car
    same = check(config(tmp_path, val="train"))
    assert [fault.where for fault in same.faults("error")] == ["split train"]


def test_progress_sees_every_image(tmp_path: Path) -> None:
    make(tmp_path)
    seen: list[tuple[str, int]] = []

    def progress(records: Sequence[ImageRecord], title: str) -> Iterable[ImageRecord]:
        seen.append((title, len(records)))
        return records

    check(config(tmp_path), progress)
    assert seen == [("day train", 3), ("day val", 1), ("night test", 1)]


def test_domains_without_a_split_that_is_needed(tmp_path: Path) -> None:
    make(tmp_path)
    data = config(tmp_path, train=None, val=None)
    data = data.model_copy(update={"targets": [data.targets[0].model_copy(update={"test": None})]})
    report = check(data)
    assert [(fault.where, fault.message.partition(":")[0]) for fault in report.faults("warning")] == [
        ("domain day", "has no `train`"),
        ("domain day", "has no `val` (nor `test`)"),
        ("domain night", "has no `test` (nor `val`)"),
    ]
    assert [fault["where"] for fault in report.to_json()["faults"]] == ["domain day", "domain day", "domain night"]


def test_names_from_files_never_break_a_line(tmp_path: Path) -> None:
    make(tmp_path)
    odd = "\x1b[31mred\n" + "x" * 1000
    (tmp_path / "day/ImageSets/Main/train.txt").write_text(f"a\n{odd.splitlines()[0]}\n{'x' * 1000}\n")
    faults = check(config(tmp_path)).faults("error")
    assert len(faults) == 2
    for fault in faults:
        assert str(fault).isprintable()
        assert len(str(fault)) < 800


@pytest.mark.parametrize("cores", [0, 1, 2])
def test_many_images_are_opened_by_several_processes_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    make_voc(tmp_path / "day", {f"{number:02}": [CAR] for number in range(9)})
    make_voc(tmp_path / "day", {"v": [CAR]}, "val")
    make_yolo(tmp_path / "night", {"x": "0 .5 .5 1 1"}, split="test")
    for number in (1, 4, 8):
        (tmp_path / f"day/JPEGImages/{number:02}.png").write_bytes(b"broken")
    draw(tmp_path / "day/JPEGImages/03.png", (40, 20), orientation=6)
    alone = check(config(tmp_path))
    monkeypatch.setattr(check_images, "MANY", 2)
    monkeypatch.setattr(check_images, "CHUNK", 2)
    monkeypatch.setattr(check_images, "_cores", lambda: cores)
    assert check(config(tmp_path)) == alone
    assert [fault.file.stem for fault in alone.faults("error")] == ["01", "04", "08"]
