"""`clipgap predict` with no detector named: the one that ships with the package, or a line that says that none does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from clipgap import detectors
from clipgap.config import DetectorConfig
from clipgap.detector import Detector, DetectorSpec
from tests import command_line
from tests.clips import TINY, make_clip

Run = Callable[..., tuple[int, str, str]]
SAID = "clipgap: no detector named: the one that ships with clipgap, of the drawn world\n"


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process: exit code, stdout, stderr."""
    return partial(command_line.run, capfd)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Detector folder with random weights."""
    spec = DetectorSpec(
        classes=["car", "person"],
        tower=TINY.tower,
        description="CLIP tiny, weights: random",
        detector=DetectorConfig(anchor_sizes=[16, 32], rpn_post_nms_top_n_test=10, box_score_thresh=0.0),
    )
    made = tmp_path_factory.mktemp("shipped") / "mini_world"
    Detector.from_clip(make_clip(), spec).save(made)
    return made


@pytest.fixture
def shipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package as if that folder were in it."""
    monkeypatch.setattr(detectors, "MINI_WORLD", folder)
    return folder


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.new("RGB", (96, 64), "grey").save(tmp_path / "photos" / f"{name}.jpg")
    return tmp_path


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize(
    ("words", "images"),
    [
        (["photos/a.jpg"], 1),
        (["photos/a.jpg", "photos/b.jpg"], 2),
        (["photos"], 2),
        (["photos/*.jpg"], 2),
        (["@list.txt"], 1),
    ],
)
def test_pictures_alone_are_given_to_the_detector_that_ships(
    run: Run, photos: Path, words: list[str], images: int
) -> None:
    (photos / "list.txt").write_text("photos/b.jpg\n")
    code, out, err = run("predict", *words, "--json")
    assert (code, SAID in err) == (0, True), err
    assert json.loads(out)["images"] == images


def test_it_detects_as_it_does_when_it_is_named(run: Run, photos: Path, shipped: Path) -> None:
    assert run("predict", "photos", "--out", "unnamed")[0] == 0
    code, _, err = run("predict", shipped, "photos", "--out", "named")
    assert (code, SAID in err) == (0, False)
    assert (photos / "unnamed/detections.json").read_text() == (photos / "named/detections.json").read_text()


@pytest.mark.usefixtures("shipped", "photos")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.jpg"], "nowhere.jpg: no such file or folder"),
        (["nowhere"], "nowhere: no such file or folder"),
        (["nowhere", "photos/a.jpg"], "nowhere: no such folder; give a run folder"),
        (["model.pth", "photos/a.jpg"], "model.pth: no such folder; give a run folder"),
        (["mini_world", "photos/a.jpg"], "mini_world: no such folder; give a run folder"),
    ],
)
def test_a_name_that_leads_nowhere_is_told(run: Run, words: list[str], said: str) -> None:
    code, _, err = run("predict", *words)
    assert (code, said in err, len(err.splitlines())) == (2, True, 1), err


def test_a_detector_alone_is_nothing_to_predict_on(run: Run, shipped: Path) -> None:
    code, _, err = run("predict", shipped)
    assert (code, err) == (2, f"clipgap: {shipped}: is a detector; name images, videos or folders of them behind it\n")


@pytest.mark.usefixtures("photos")
def test_a_package_without_weights_says_so(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectors, "MINI_WORLD", tmp_path / "nothing")
    code, _, err = run("predict", "photos/a.jpg")
    assert (code, "no detector named, and this copy of clipgap came without one" in err) == (2, True)
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("there", [True, False])
def test_doctor_tells_whether_it_is_there(
    run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    monkeypatch.setattr(detectors, "MINI_WORLD", folder if there else tmp_path)
    code, out, _ = run("doctor", "--json")
    (found,) = [one for one in json.loads(out) if one["what"] == "detector of the drawn world"]
    assert (code, found["state"]) == (0, "ok" if there else "missing")
    assert str(folder if there else tmp_path) in found["detail"]


@pytest.mark.skipif(not detectors.has_shipped(), reason="this copy of the package has no weights")
def test_the_card_is_that_of_the_weights() -> None:
    card = json.loads((detectors.MINI_WORLD / "card.json").read_text(encoding="utf-8"))
    assert {"command", "seed", "world_seed", "scores", "sha256", "licence"} <= set(card)
    weights = (detectors.MINI_WORLD / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == card["sha256"]
    assert Detector.load(detectors.MINI_WORLD).classes == ["bus", "bike", "car", "motor", "person", "rider", "truck"]
