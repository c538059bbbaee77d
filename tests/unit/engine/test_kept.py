"""Detections that are kept: never taken for others', the very numbers, and no image is looked at twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clipgap.config import RunConfig
from clipgap.detector import Detector
from clipgap.engine import kept as kept_module
from clipgap.engine.evaluate import evaluate_run
from clipgap.engine.keeping import _crc, from_coco, to_coco
from clipgap.engine.kept import Kept
from clipgap.engine.names import hash_of_detector
from clipgap.errors import DataError, WeightsError
from clipgap.files import alone_at
from clipgap.metrics import ScoreTable
from tests.runs import make_trained, run_config

Seen = list[int]
side = st.floats(0, 5000, width=32)


@given(st.lists(st.tuples(side, side, side, side, st.integers(1, 9), st.floats(0, 1, width=32)), max_size=9))
def test_numbers_come_back_as_they_were(found: list[tuple[Any, ...]]) -> None:
    rows = [(x, y, x + w + 0.01, y + h + 0.01, label, score) for x, y, w, h, label, score in found]
    numbers = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
    detections = {"boxes": numbers[:, :4], "labels": numbers[:, 4].long(), "scores": numbers[:, 5]}
    again = from_coco(json.loads(json.dumps(to_coco(detections))))
    assert {key: (value.dtype, value.tolist()) for key, value in again.items()} == {
        key: (value.dtype, value.tolist()) for key, value in detections.items()
    }


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trained(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def made(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "made"))


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """How many images were looked at in every call."""
    detect, calls = Detector.detect, []

    def counted(self: Detector, images: Any, sizes: Any) -> Any:
        calls.append(len(images))
        return detect(self, images, sizes)

    monkeypatch.setattr(Detector, "detect", counted)
    return calls


def score(made: Path, *settings: str, alone: bool = False) -> ScoreTable:
    kept = Kept(made / "run/detections", hash_of_detector(made / "run"), "cpu", alone=alone)
    return evaluate_run(made / "run", run_config(made, *settings), show=False, kept=kept)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_second_table_needs_no_second_detection(made: Path, seen: Seen) -> None:
    plain = evaluate_run(made / "run", run_config(made), show=False)
    once = len(seen)
    table = score(made)
    assert table.to_json() == plain.to_json()
    assert len(seen) == 2 * once
    before = contents(made / "run/detections")
    assert sorted(name.split("-")[0] for name in before) == ["day", "day", "fog", "fog", "night", "night", "table"]
    assert score(made).to_json() == plain.to_json()
    coco = score(made, "evaluate.metric=coco").to_json()
    assert len(seen) == 2 * once
    assert coco == evaluate_run(made / "run", run_config(made, "evaluate.metric=coco"), show=False).to_json()
    assert {name: contents(made / "run/detections")[name] for name in before} == before


def test_what_is_kept_is_coco(made: Path) -> None:
    score(made)
    folder = made / "run/detections"
    head = json.loads(next(folder.glob("fog-*.images.json")).read_text())
    results = json.loads(next(folder.glob("fog-????????????.json")).read_text())
    assert [image["id"] for image in head["images"]] == [1, 2, 3, 4]
    assert all(Path(image["file_name"]).is_file() for image in head["images"])
    assert [one["name"] for one in head["categories"]] == run_config(made).data.classes
    assert {one["image_id"] for one in results} <= {1, 2, 3, 4}
    assert set(results[0]) == {"image_id", "category_id", "bbox", "score"}
    assert head["info"]["detector"] == hash_of_detector(made / "run")


def test_it_goes_on_at_its_image(made: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    score(made)
    whole, expected = len(seen), contents(made / "run/detections")
    shutil.rmtree(made / "run/detections")
    del seen[:]
    detect = Detector.detect

    def break_off(self: Detector, *arguments: Any) -> Any:
        if len(seen) == 3:
            raise KeyboardInterrupt
        return detect(self, *arguments)

    monkeypatch.setattr(Detector, "detect", break_off)
    with pytest.raises(KeyboardInterrupt):
        score(made)
    assert len(list((made / "run/detections").glob("fog-*.jsonl"))) == 1
    monkeypatch.setattr(Detector, "detect", detect)
    score(made)
    assert len(seen) == whole
    assert contents(made / "run/detections") == expected


@pytest.mark.parametrize("done", [1, 2, 3])
def test_batches_are_as_they_were(made: Path, seen: Seen, done: int) -> None:
    """What is beside an image pads it: one that is looked at again is so among the same."""
    three = ("evaluate.batch_size=3",)
    score(made, *three)
    folder = made / "run/detections"
    expected = contents(folder)
    results, head = next(folder.glob("fog-????????????.json")), next(folder.glob("fog-*.images.json"))
    lines: dict[int, list[Any]] = {number: [] for number in range(1, done + 1)}
    for one in json.loads(results.read_text()):
        if one["image_id"] in lines:
            lines[one.pop("image_id")].append(one)
    written = (json.dumps({"id": number, "detections": found, "crc": _crc(found)}) for number, found in lines.items())
    results.with_suffix(".jsonl").write_text("".join(f"{line}\n" for line in written) + '{"id": 9')
    results.unlink()
    head.unlink()
    del seen[:]
    score(made, *three)
    assert seen == ([1] if done == 3 else [3, 1])
    assert contents(folder) == expected


def change_weights(made: Path) -> None:
    config = made / "run/config.yaml"
    detector = Detector.load(made / "run")
    with torch.no_grad():
        detector.rpn.head.bbox_pred.bias += 1
    detector.save(made / "run")
    assert config.is_file()


def change_image(made: Path) -> None:
    """Another picture of as many bytes."""
    images = sorted((made / "data/daytime_foggy/VOC2007/JPEGImages").iterdir())
    first, second = images[0].read_bytes(), images[1].read_bytes()
    size = max(len(first), len(second))
    images[0].write_bytes(second + bytes(size - len(second)))
    images[1].write_bytes(second + bytes(size - len(second)))


@pytest.mark.parametrize(
    ("change", "settings", "more"),
    [
        (change_weights, (), 9),
        (change_image, (), 4),
        (lambda _: None, ("evaluate.precision=bf16-mixed",), 9),
        (lambda _: None, ("evaluate.iou=0.6",), 0),
    ],
    ids=["weights", "image", "precision", "rule"],
)
def test_those_of_something_else_are_not_taken(
    made: Path, seen: Seen, change: Callable[[Path], None], settings: tuple[str, ...], more: int
) -> None:
    score(made)
    del seen[:]
    before = contents(made / "run/detections")
    change(made)
    table = score(made, *settings)
    assert sum(seen) == more
    assert {name: contents(made / "run/detections")[name] for name in before} == before
    assert table.to_json() == evaluate_run(made / "run", run_config(made, *settings), show=False).to_json()


def test_a_flipped_byte_is_not_scored(made: Path, seen: Seen, capfd: pytest.CaptureFixture[str]) -> None:
    plain = score(made).to_json()
    file = next((made / "run/detections").glob("night-????????????.json"))
    content = bytearray(file.read_bytes())
    content[content.index(b'"score": ') + 11] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"night-.*: not there, or damaged; leave --verify out"):
        score(made, alone=True)
    del seen[:]
    assert score(made).to_json() == plain
    assert (sum(seen), f"{file}: damaged; not used" in capfd.readouterr().err) == (4, True)
    assert score(made, alone=True).to_json() == plain


def test_a_table_is_verified(made: Path, seen: Seen) -> None:
    table = score(made)
    del seen[:]
    assert score(made, alone=True).to_json() == table.to_json()
    file = next((made / "run/detections").glob("table-*.json"))
    told = json.loads(file.read_text())
    told["domains"]["fog"]["ap50"] = 99.0
    file.write_text(json.dumps(told))
    with pytest.raises(DataError, match=r"is not what the detections give: fog differs"):
        score(made, alone=True)
    with pytest.raises(DataError, match=r"nothing to compare with"):
        score(made, "evaluate.metric=coco", alone=True)
    assert not seen


def test_where_nobody_may_write_nothing_is_kept(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, option: str) -> None:
        raise DataError(f"{path}: {option}")

    monkeypatch.setattr(kept_module, "require_place", refuse)
    assert score(made).to_json() == evaluate_run(made / "run", run_config(made), show=False).to_json()
    assert not (made / "run/detections").exists()


def test_a_detector_that_changes_meanwhile_is_not_kept(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(made / "run/detections", hash_of_detector(made / "run"), "cpu")
    change_weights(made)
    with pytest.raises(WeightsError, match="its files have changed meanwhile"):
        evaluate_run(made / "run", run_config(made), show=False, kept=kept)
    assert not (made / "run/detections").exists()


def test_a_damaged_line_is_detected_again(made: Path, seen: Seen, capfd: pytest.CaptureFixture[str]) -> None:
    plain = score(made).to_json()
    folder = made / "run/detections"
    results = next(folder.glob("fog-????????????.json"))
    results.unlink()
    lines = results.with_suffix(".jsonl")
    whole = {"id": 1, "detections": [], "crc": _crc([])}
    for damaged in ({"id": 1}, whole | {"crc": 1}, whole | {"detections": [1]}, [], None):
        results.unlink(missing_ok=True)
        lines.write_text(f"{json.dumps(damaged)}\n{json.dumps(whole | {'id': 2})}\n")
        del seen[:]
        assert score(made).to_json() == plain
        assert sum(seen) == 4
        kept = lines.with_name(f"{lines.name}.damaged")
        assert f"warning: {lines}: line 1 is damaged: the 0 lines before it" in capfd.readouterr().err
        assert len(kept.read_text().splitlines()) == 2


def test_a_table_that_was_another_is_said(made: Path, capfd: pytest.CaptureFixture[str]) -> None:
    score(made)
    file = next((made / "run/detections").glob("table-*.json"))
    file.write_text("{}")
    capfd.readouterr()
    score(made)
    assert f"warning: {file}: was another table" in capfd.readouterr().err
    score(made)
    assert "another table" not in capfd.readouterr().err


def test_two_at_a_time_are_refused(made: Path) -> None:
    score(made)
    folder = made / "run/detections"
    results = next(folder.glob("fog-????????????.json"))
    results.unlink()
    with alone_at(results.with_suffix(".jsonl")), pytest.raises(DataError, match="is at work there"):
        score(made)


def test_other_images_are_beside(made: Path) -> None:
    def stems(config: RunConfig) -> set[str]:
        evaluate_run(made / "run", config, show=False, kept=Kept(made / "kept", "it", "cpu"))
        return {file.name for file in (made / "kept").glob("day-*.images.json")}

    assert len(stems(run_config(made))) == 1
    assert len(stems(run_config(made, "data.source.test=train"))) == 2
