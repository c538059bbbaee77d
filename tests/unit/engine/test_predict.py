"""predict on files, folders and videos: what is written as it goes, how it goes on, and what it does with mistakes."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import supervision
from PIL import Image

from clipgap.data import load_domains
from clipgap.data.video import Video
from clipgap.engine.predict import PredictSettings, Truth, job, predict
from clipgap.engine.predict.video import write_video
from clipgap.errors import DataError, DiskError, Interrupted
from clipgap.files import writes_to
from tests.datasets import data_config, make_voc

EVERYTHING = PredictSettings(draw_score=0.0)


class Finder:
    """A detector that finds a box as bright as the picture; it may be interrupted before a picture."""

    def __init__(self, interrupted_at: int | None = None) -> None:
        self.classes = ["car", "person"]
        self.seen, self.interrupted_at = 0, interrupted_at

    def predict(self, picture: Image.Image) -> supervision.Detections:
        if self.seen == self.interrupted_at:
            raise KeyboardInterrupt
        self.seen += 1
        x = float(np.asarray(picture).mean()) / 10
        return supervision.Detections(
            xyxy=np.array([[x, 1, x + 10.123, 9], [2, 2, 30, 18]], dtype=np.float32),
            confidence=np.array([0.91234567, 0.4], dtype=np.float32),
            class_id=np.array([0, 1]),
        )


def pictures(folder: Path, count: int = 6) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (40, 20), (number * 20,) * 3).save(folder / f"{number}.png")
    return folder


def film(path: Path, frames: int = 8, size: tuple[int, int] = (64, 49)) -> Path:
    """A little video that becomes brighter."""
    write_video(path, 12.5, lambda: (Image.new("RGB", size, (20 * k,) * 3) for k in range(frames)))
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.parametrize("stop", [0, 1, 3, 6, 10, 13])
def test_an_interrupted_prediction_goes_on_to_the_same_files(tmp_path: Path, stop: int) -> None:
    inputs = [pictures(tmp_path / "in"), film(tmp_path / "film.mp4"), tmp_path / "in/../in/broken.jpg"]
    (tmp_path / "in/broken.jpg").write_bytes(b"no image")
    whole = Finder()
    result = predict(whole, inputs, tmp_path / "whole", EVERYTHING, show=False)
    assert (result.images, result.videos, len(result.unreadable), whole.seen) == (6, 1, 2, 14)

    done = f"{min(stop, 6) + (stop >= 6)} of 9 inputs done"  # the broken picture comes after the sixth
    with pytest.raises(Interrupted, match=done if stop != 6 else "[67] of 9") as told:
        predict(Finder(stop), inputs, tmp_path / "out", EVERYTHING, show=False)
    assert (f" and {stop - 6} frames of" in str(told.value)) == (stop > 6)
    assert not (tmp_path / "out/detections.json").exists()
    rest = Finder()
    again = predict(rest, inputs, tmp_path / "out", EVERYTHING, resume=True, show=False)
    assert rest.seen == 14 - stop
    assert replace(again, results=result.results) == result
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_line_that_was_cut_short_and_what_a_killed_process_left_are_put_right(tmp_path: Path) -> None:
    inputs = [pictures(tmp_path / "in")]
    predict(Finder(), inputs, tmp_path / "whole", show=False)
    with pytest.raises(Interrupted):
        predict(Finder(4), inputs, tmp_path / "out", show=False)
    log = tmp_path / "out/detections.jsonl"
    log.write_bytes(log.read_bytes()[:-9])
    (tmp_path / "out/drawn/.clipgap.0123456789ab.99.tmp").write_bytes(b"half")
    rest = Finder()
    predict(rest, inputs, tmp_path / "out", resume=True, show=False)
    assert rest.seen == 3
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_results_are_on_disk_after_every_image(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="4 of 6 images done"):
        predict(Finder(4), [pictures(tmp_path / "in")], tmp_path / "out", EVERYTHING, show=False)
    found = lines(tmp_path / "out/detections.jsonl")
    assert [line["id"] for line in found] == [1, 2, 3, 4]
    assert found[1]["detections"][0] == {"category_id": 1, "bbox": [2.0, 1.0, 10.12, 8.0], "score": 0.91235}
    assert sorted(path.name for path in (tmp_path / "out/drawn").iterdir()) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": PredictSettings(0.5)}, "--draw-score is 0.5, but .*out was begun with 0.3"),
        ({"settings": PredictSettings(detector="another")}, "detector is another, but"),
        ({"inputs": ["in/0.png"]}, r"other inputs \(1\) than .*out was begun with \(6\): in/1.png"),
        ({"out": "elsewhere"}, "elsewhere: no prediction to resume .* leave --resume out"),
    ],
)
def test_resuming_something_else_is_refused_and_says_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "in")
    with pytest.raises(Interrupted):
        predict(Finder(2), ["in"], Path("out"), show=False)
    before = contents(tmp_path / "out")
    asked: dict[str, Any] = {"inputs": ["in"], "out": "out", "settings": None} | change
    with pytest.raises(DataError, match=message):
        predict(Finder(), asked["inputs"], Path(asked["out"]), asked["settings"], resume=True, show=False)
    monkeypatch.chdir(tmp_path / "in")
    assert contents(tmp_path / "out") == before
    assert not (tmp_path / "elsewhere").exists()


def test_resuming_from_another_folder_with_relative_inputs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pictures(tmp_path / "in")
    with pytest.raises(Interrupted):
        predict(Finder(2), ["in"], Path("out"), show=False)
    pictures(tmp_path / "other/in")
    monkeypatch.chdir(tmp_path / "other")
    with pytest.raises(DataError, match=f"was begun in the folder {tmp_path}.*; go there"):
        predict(Finder(), ["in"], tmp_path / "out", resume=True, show=False)


def test_a_finished_prediction_is_never_written_over_and_resuming_it_does_nothing(tmp_path: Path) -> None:
    inputs = [pictures(tmp_path / "in")]
    first = predict(Finder(), inputs, tmp_path / "out", show=False)
    before = contents(tmp_path / "out")
    with pytest.raises(DataError, match="is there already"):
        predict(Finder(), inputs, tmp_path / "out", show=False)
    rest = Finder()
    assert predict(rest, inputs, tmp_path / "out", resume=True, show=False) == first
    assert (rest.seen, contents(tmp_path / "out")) == (0, before)


def test_results_inside_of_a_folder_of_inputs_are_no_inputs(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "in", 3)
    with pytest.raises(Interrupted):
        predict(Finder(2), [folder], folder / "out", show=False)
    assert predict(Finder(), [folder], folder / "out", resume=True, show=False).images == 3


@pytest.mark.parametrize("there", [False, True])
def test_where_nothing_can_be_read_nothing_is_left(tmp_path: Path, there: bool) -> None:
    for name in "abcde":
        (tmp_path / f"{name}.jpg").write_bytes(b"no image")
    (tmp_path / "film.mp4").write_bytes(b"no video")
    out = tmp_path / "out"
    if there:
        out.mkdir()
    with pytest.raises(DataError, match=r"a\.jpg: not an image[^$]*and 3 more; nothing was written"):
        predict(Finder(), [*tmp_path.glob("*.jpg"), tmp_path / "film.mp4"], out, show=False)
    assert (out.exists(), list(tmp_path.glob("out/*"))) == (there, [])


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_no_detections_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished, kept = job.finished, []

    def seen(folder: job.ResultFolder, done: job.LineFile, classes: list[str]) -> job.Predictions:
        kept.extend(done.lines)
        return finished(folder, done, classes)

    monkeypatch.setattr(job, "finished", seen)
    found = predict(Finder(), [pictures(tmp_path / "in")], tmp_path / "out", show=False)
    results = json.loads((tmp_path / "out/detections.json").read_text())
    assert sum(line["detections"] for line in kept) == found.detections == len(results) > 0
    assert (tmp_path / "out/detections.json").read_text() == json.dumps(results)


@pytest.mark.parametrize("name", ["3.jpg", "predict.json", "images.json"])
def test_a_full_disk_is_one_line_and_the_same_command_goes_on_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    inputs = [pictures(tmp_path / "in")]
    predict(Finder(), inputs, tmp_path / "whole", show=False)
    replaced = Path.replace

    def fill(self: Path, target: Path) -> Path:
        return full() if Path(target).name == name else replaced(self, target)  # type: ignore[return-value,func-returns-value]

    monkeypatch.setattr(Path, "replace", fill)
    with pytest.raises(DataError, match=rf"{name}: the disk is full.*B are free in .*; make room") as told:
        predict(Finder(), inputs, tmp_path / "out", show=False)
    assert "\n" not in str(told.value)
    monkeypatch.setattr(Path, "replace", replaced)
    predict(Finder(), inputs, tmp_path / "out", show=False)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_line_that_finds_the_disk_full_half_way_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [pictures(tmp_path / "in")]
    predict(Finder(), inputs, tmp_path / "whole", show=False)
    add, counted = job.LineFile.add, []

    def fill(self: job.LineFile, line: dict[str, Any]) -> None:
        counted.append(line)
        if len(counted) == 4:
            self._file.write(b'{"id": 4, "fi')
            with writes_to(self.path):
                full()
        add(self, line)

    monkeypatch.setattr(job.LineFile, "add", fill)
    with pytest.raises(DataError, match=r"detections\.jsonl: the disk is full"):
        predict(Finder(), inputs, tmp_path / "out", show=False)
    predict(Finder(), inputs, tmp_path / "out", show=False)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


# --- videos --------------------------------------------------------------------------------------------------------


def test_a_video_becomes_a_video_and_a_line_a_frame(tmp_path: Path) -> None:
    result = predict(Finder(), [film(tmp_path / "Film.MP4")], tmp_path / "out", show=False)
    assert (result.images, result.videos, result.detections, result.warnings) == (0, 1, 16, [])
    found = lines(tmp_path / "out/videos/Film.jsonl")
    assert [line["frame"] for line in found] == list(range(8))
    assert [line["time"] for line in found] == pytest.approx([k * 0.08 for k in range(8)], abs=1e-3)
    assert found[0]["detections"][0]["category_id"] == 1
    video = Video(tmp_path / "out/videos/Film.mp4")
    assert (video.announced, video.rate) == (8, 12.5)
    shown = [np.asarray(frame.picture) for frame in video.frames()]
    assert shown[0].shape == (500, 640, 3)  # enlarged, and as even as the codec wants it
    assert shown[-1].mean() > shown[0].mean() + 50
    assert not any(path.name.startswith(".") for path in (tmp_path / "out").rglob("*"))


def test_a_video_that_ends_too_soon_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = film(tmp_path / "film.mp4")
    frames = Video.frames

    def short(self: Video) -> Iterator[Any]:
        yield from (frame for frame in frames(self) if frame.number < 5)

    monkeypatch.setattr(Video, "frames", short)
    result = predict(Finder(), [path], tmp_path / "out", show=False)
    assert result.warnings == [f"{path}: ends after 5 of 8 frames: cut short, or broken there"]
    monkeypatch.setattr(Video, "frames", lambda self: iter(()))
    with pytest.raises(DataError, match=r"film\.mp4: not one frame can be decoded"):
        predict(Finder(), [path], tmp_path / "none", show=False)
    assert not (tmp_path / "none").exists()


def test_damage_inside_of_a_video_costs_the_frames_it_touches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, count = film(tmp_path / "film.mp4"), [0]
    opened = cv2.VideoCapture

    class Damaged:
        """Frames 3 and 4 cannot be decoded."""

        def __init__(self, name: str) -> None:
            self.inner = opened(name)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

        def read(self) -> Any:
            count[0] += 1
            found = self.inner.read()
            return (False, None) if count[0] in (4, 5) else found

    monkeypatch.setattr(cv2, "VideoCapture", Damaged)
    result = predict(Finder(), [path], tmp_path / "out", show=False)
    assert result.warnings == [f"{path}: 2 frames, the first is 3, cannot be decoded"]
    found = lines(tmp_path / "out/videos/film.jsonl")
    assert [line["frame"] for line in found if "error" in line] == [3, 4]
    assert [line["time"] for line in found] == pytest.approx([k * 0.08 for k in range(8)], abs=1e-3)
    assert Video(tmp_path / "out/videos/film.mp4").announced == 8


def test_a_video_that_was_not_written_whole_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipgap.engine.predict.video._frames_in", lambda path: 3)
    with pytest.raises(DataError, match=r"film\.mp4: OpenCV could not write the video whole"):
        film(tmp_path / "film.mp4")
    monkeypatch.setattr("clipgap.engine.predict.video.write_all", full)
    with pytest.raises(DiskError, match=r"film\.mp4: the disk is full.*: it needs more than \d+ kB"):
        film(tmp_path / "film.mp4")
    assert not list(tmp_path.iterdir())


# --- truth ---------------------------------------------------------------------------------------------------------


def test_true_boxes_are_found_by_path_and_drawn_beside(tmp_path: Path) -> None:
    root = make_voc(tmp_path / "day", {"a": [("car", (5, 5, 20, 15))], "b": []}, "train")
    pictures(tmp_path / "in", 1)
    truth = Truth("photos.yaml", load_domains(data_config(root, "voc", train="train")))
    linked = tmp_path / "linked"
    linked.symlink_to(root / "JPEGImages", target_is_directory=True)
    settings = PredictSettings(0.0, truth=truth)
    result = predict(Finder(), [linked, tmp_path / "in"], tmp_path / "out", settings, show=False)
    assert (result.images, result.with_truth) == (3, 2)
    assert [line.get("true_boxes") for line in lines(tmp_path / "out/detections.jsonl")] == [1, 0, None]
    predict(Finder(), [linked, tmp_path / "in"], tmp_path / "plain", EVERYTHING, show=False)
    with_it, without = contents(tmp_path / "out"), contents(tmp_path / "plain")
    assert {name for name in without if with_it[name] != without[name]} == {
        "predict.json",
        "detections.jsonl",
        "drawn/a.jpg",
    }
    assert truth.boxes(root / "JPEGImages/a.png", (20, 40)) is None  # boxes of a picture of another size
