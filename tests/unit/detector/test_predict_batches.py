"""Lists of pictures, several at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from clipgap.detector import Detector
from clipgap.detectors import MINI_WORLD
from clipgap.web.session import draw_streets


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load(MINI_WORLD).for_inference()


@pytest.fixture(scope="module")
def pictures() -> list[Any]:
    streets: list[Any] = [picture for _, picture in draw_streets(6, 3)]
    return [*streets, streets[0].resize((200, 200))]


def test_one_at_a_time_is_as_alone(detector: Detector, pictures: list[Any]) -> None:
    together = detector.predict(pictures)
    for one, picture in zip(together, pictures, strict=True):
        assert np.array_equal(one.xyxy, detector.predict(picture).xyxy)


def test_several_at_a_time(detector: Detector, pictures: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = detector.predict(pictures)
    detect, sizes = Detector.detect, []

    def counted(self: Detector, images: Any, originals: Any) -> Any:
        sizes.append(len(images))
        return detect(self, images, originals)

    monkeypatch.setattr(Detector, "detect", counted)
    found = detector.predict(pictures, batch_size=3)
    assert sizes == [3, 1]
    for one, alone in zip(found, expected, strict=True):
        sure, wanted = one[one.confidence > 0.5], alone[alone.confidence > 0.5]
        assert sure.xyxy == pytest.approx(wanted.xyxy, abs=0.5)
    assert detector.predict([], batch_size=3) == []


def test_the_least_score(detector: Detector, pictures: list[Any]) -> None:
    every, sure = detector.predict(pictures[0]), detector.predict(pictures[0], score=0.5)
    assert len(sure) == (every.confidence >= 0.5).sum() < len(every)
    assert list(sure.data["class_name"]) == [detector.classes[number] for number in sure.class_id]
    assert len(detector.predict([Image.new("RGB", (9, 9))], score=1.1)[0]) == 0
