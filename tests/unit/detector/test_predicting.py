"""Videos, as they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.unit.detector.test_model import make_detector

from clipgap.data.video import Frame, Video
from clipgap.engine.predict.video import write_video
from clipgap.errors import DataError


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    pixels = np.random.default_rng(0).integers(0, 255, (5, 96, 128, 3), dtype=np.uint8)
    write_video(path, 10.0, lambda: map(Image.fromarray, pixels))
    return path


@pytest.mark.parametrize("batch_size", [1, 2])
def test_every_frame_of_a_video_with_what_is_in_it(film: Path, batch_size: int) -> None:
    detector = make_detector()
    seen = list(detector.stream(film, batch_size=batch_size, score=0.1))
    assert [frame.number for frame, _ in seen] == [0, 1, 2, 3, 4]
    assert [frame.time for frame, _ in seen] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    for frame, found in seen:
        assert frame.picture is not None
        np.testing.assert_allclose(found.xyxy, detector.predict(frame.picture, score=0.1).xyxy, atol=1e-3)


def test_frames_that_cannot_be_decoded_are_left_out(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = Video.frames
    monkeypatch.setattr(
        Video,
        "frames",
        lambda self: (Frame(f.number, f.time, f.picture if f.number % 2 else None) for f in frames(self)),
    )
    assert [frame.number for frame, _ in make_detector().stream(film)] == [1, 3]


def test_what_is_no_video_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_text("no film")
    with pytest.raises(DataError, match="not a video that OpenCV reads"):
        make_detector().stream(tmp_path / "film.mp4")
    with pytest.raises(DataError, match=r"expected an RGB array \(H, W, 3\) of uint8, got \(0, 5, 3\)"):
        make_detector().predict(np.zeros((0, 5, 3), np.uint8))
    with pytest.raises(ValueError, match="batch_size: expected 1 or more, got 0"):
        make_detector().predict([Image.new("RGB", (64, 64))], batch_size=0)
