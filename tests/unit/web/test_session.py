"""What the page does behind its buttons: pictures in, looks, downloads, and words."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from clipgap.detector import Detector
from clipgap.detector.vocabulary import with_classes
from clipgap.detectors import MINI_WORLD
from clipgap.errors import ConfigError
from clipgap.web.contender import LONGEST, MOST_CLASSES, Contender
from clipgap.web.session import (
    CHOICES,
    LONGEST_SIDE,
    MOST_FRAMES,
    MOST_PICTURES,
    NO_WEATHER,
    Session,
    draw_streets,
    drawn,
    look,
    packed,
    read,
)


@pytest.fixture(scope="module")
def contender() -> Contender:
    return Contender(MINI_WORLD)


@pytest.fixture
def session() -> Session:
    return Session(draw_streets(3))


def quiet(*_: int) -> None:
    pass


def test_what_is_uploaded_is_read_or_said(tmp_path: Path) -> None:
    files = []
    for number in range(MOST_PICTURES + 2):
        files.append(tmp_path / f"{number}.jpg")
        Image.new("RGB", (40, 30)).save(files[-1])
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    Image.new("RGB", (3 * LONGEST_SIDE, 30)).save(tmp_path / "wide.png")
    found, said = read([tmp_path / "bad.jpg", tmp_path / "wide.png", *files])
    assert [name for name, _ in found] == ["wide.png", *(f"{number}.jpg" for number in range(MOST_PICTURES - 1))]
    assert found[0][1].size == (LONGEST_SIDE, 10)
    assert said[0].startswith("bad.jpg: not an image")
    assert said[1:] == [
        f"{name}: left out: at most {MOST_PICTURES} pictures and one video at a time"
        for name in ("7.jpg", "8.jpg", "9.jpg")
    ]
    assert str(tmp_path) not in "".join(said)


def test_frames_of_a_video(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "v.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))  # type: ignore[attr-defined]
    for number in range(60):
        writer.write(np.full((48, 64, 3), 4 * number, dtype=np.uint8))
    writer.release()
    found, said = read([tmp_path / "v.mp4"])
    assert 15 <= len(found) <= MOST_FRAMES
    assert found[1][0] == "v.mp4, 0.3 s"
    assert said == [f"v.mp4: every 3th frame is looked at, {len(found)} in all"]
    (tmp_path / "bad.mp4").write_bytes(b"nothing")
    assert read([tmp_path / "bad.mp4"])[1][0].startswith("bad.mp4")


def test_streets_follow_from_their_seed() -> None:
    one, again, other = draw_streets(1), draw_streets(1), draw_streets(2)
    assert [name for name, _ in one] == ["street 1-0", "street 1-1"]
    assert [picture.tobytes() for _, picture in one] == [picture.tobytes() for _, picture in again]
    assert one[0][1].tobytes() != other[0][1].tobytes()


def test_a_look_and_what_is_shown_of_it(session: Session, contender: Contender) -> None:
    done: list[tuple[int, int]] = []
    look(session, [contender, contender], NO_WEATHER, 1.0, "", lambda *one: done.append(one))
    assert done == [(number, 4) for number in range(1, 5)]
    assert [len(looks) for _, looks in session.looks] == [2, 2]
    first = session.looks[0][1][0]
    assert first.picture.tobytes() == session.pictures[0][1].tobytes()
    assert first.detections == session.looks[0][1][1].detections
    shown = drawn(session, 0.99999)
    assert shown[0][1] == "street 3-0: the detector that ships: 0 detections"
    least = min(one["score"] for one in first.detections)
    assert drawn(session, least)[0][1].endswith(f"{len(first.detections)} detections")
    assert drawn(session, least)[0][0].tobytes() != shown[0][0].tobytes()


@pytest.mark.parametrize("weather", CHOICES[1:])
def test_weather_changes_the_picture_and_none_of_it_does_not(
    session: Session, contender: Contender, weather: str
) -> None:
    look(session, [contender], weather, 0.8, "", quiet)
    assert session.looks[0][1][0].picture.tobytes() != session.pictures[0][1].tobytes()
    look(session, [contender], weather, 0.0, "", quiet)
    assert session.looks[0][1][0].picture.tobytes() == session.pictures[0][1].tobytes()


def test_a_download_holds_all(session: Session, contender: Contender) -> None:
    look(session, [contender], "fog", 0.3, "", quiet)
    with zipfile.ZipFile(io.BytesIO(packed(session, 0.5))) as archive:
        assert archive.namelist() == ["pictures/001.jpg", "pictures/002.jpg", "detections.json", "images.json"]
        images = json.loads(archive.read("images.json"))["images"]
        results = json.loads(archive.read("detections.json"))
        assert Image.open(io.BytesIO(archive.read("pictures/001.jpg"))).format == "JPEG"
    assert images[1]["picture"] == "street 3-1"
    assert [one for one in results if one["image_id"] == 1] == [
        {"image_id": 1, **one} for one in session.looks[0][1][0].detections
    ]


def test_other_words(session: Session, contender: Contender) -> None:
    look(session, [contender], NO_WEATHER, 0, " person, car , person,", quiet)
    assert session.looks[0][1][0].classes == ["person", "car"]
    assert contender.looking_for("person, car") is contender.looking_for("person,car")
    own = contender.detector
    same: Any = contender.looking_for(", ".join(own.classes))
    picture = session.pictures[0][1]
    assert same.predict(picture).xyxy == pytest.approx(own.predict(picture).xyxy, abs=1e-3)
    assert contender.looking_for("  ") is own


def test_words_that_cannot_be_used(contender: Contender, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"at most {MOST_CLASSES} classes"):
        contender.looking_for(",".join(map(str, range(MOST_CLASSES + 1))))
    with pytest.raises(ConfigError, match="at most"):
        contender.looking_for("x" * (LONGEST + 1))
    shutil.copytree(MINI_WORLD, tmp_path / "copy")
    unknown = Contender(tmp_path / "copy")
    assert not unknown.takes_words
    with pytest.raises(ConfigError, match="its CLIP is not known"):
        unknown.looking_for("car")


def test_a_new_class_takes_over_the_boxes_of_the_nearest() -> None:
    detector = Detector.load(MINI_WORLD)
    old = detector.roi_heads.box_predictor
    words = old.classifier.class_embeddings
    other = with_classes(detector, ["b", "a"], words[[2, 2]])
    new = other.roi_heads.box_predictor
    assert other.classes == ["b", "a"]
    channels = old.bbox_pred.in_features
    rows = new.bbox_pred.weight.view(3, 4, channels)
    for place, row in enumerate((0, 3, 3)):
        assert torch.equal(rows[place], old.bbox_pred.weight.view(-1, 4, channels)[row])
    assert detector.classes != other.classes
    with pytest.raises(ConfigError, match="no class is named"):
        with_classes(detector, [], words[:0])
