"""Scoring under corruption: the same bytes whoever makes them, results and images that are kept, and refusals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from clipgap.config import ImageConfig, RunConfig
from clipgap.corruptions import corrupt
from clipgap.data import DetectionDataset, load_domains
from clipgap.detector import Detector
from clipgap.engine import robustness
from clipgap.engine.corrupted import CorruptedSamples, open_cache, random_for
from clipgap.engine.detections import _Images
from clipgap.engine.evaluate import evaluate
from clipgap.engine.robustness import ALONE, RobustnessSettings, evaluate_corruptions
from clipgap.errors import DataError
from tests.datasets import data_config, make_voc
from tests.runs import make_trained, run_config

TWO = RobustnessSettings(("snow", "contrast"), (1, 5), detector="this one")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trained(tmp_path_factory.mktemp("robust"))


@pytest.fixture(scope="module")
def detector(made: Path) -> Detector:
    return Detector.load(made / "run").for_inference()


@pytest.fixture
def config(made: Path) -> RunConfig:
    """Scores the three training images: `val` has one alone."""
    return run_config(made, "data.source.test=train")


@pytest.fixture
def images(config: RunConfig) -> DetectionDataset:
    scored = load_domains(config.data).source.scored
    assert scored is not None
    return scored


def pixels(samples: CorruptedSamples, index: int) -> np.ndarray[Any, Any]:
    return np.array(samples[index].image)


def test_an_image_depends_on_seed_corruption_severity_and_place_alone(images: DetectionDataset) -> None:
    snow = CorruptedSamples(images, [("snow", 3)], 7)
    original = images[1]
    expected = corrupt(np.array(original.image), "snow", 3, random_for(7, "snow", 3, 1))
    assert (pixels(snow, 1) == expected).all()
    assert (pixels(snow, 1) == pixels(snow, 1)).all()
    assert torch.equal(snow[1].target["boxes"], original.target["boxes"])
    for other in ([("snow", 2)], 7), ([("snow", 3)], 8), ([("fog", 3)], 7):
        assert (pixels(CorruptedSamples(images, *other), 1) != expected).any()
    draws = {random_for(0, name, s, i).integers(2**62) for name in ("snow", "fog") for s in (1, 2) for i in (0, 1)}
    assert len(draws) == 8


def test_workers_change_no_byte(images: DetectionDataset) -> None:
    samples = CorruptedSamples(images, [("gaussian_noise", 3), ("frost", 2)], 0)
    seen: list[list[Tensor]] = []
    for workers in (0, 2):
        loader = torch.utils.data.DataLoader(
            _Images(samples, ImageConfig(short_side=96)), batch_size=1, num_workers=workers, collate_fn=list
        )
        seen.append([batch[0].image for batch in loader])
    assert all(torch.equal(one, other) for one, other in zip(*seen, strict=True))


def test_corruptions_take_turns(images: DetectionDataset) -> None:
    turns = CorruptedSamples(images, [("snow", 3), ("fog", 3)], 0)
    for index, name in enumerate(("snow", "fog", "snow")):
        assert (pixels(turns, index) == pixels(CorruptedSamples(images, [(name, 3)], 0), index)).all()


def test_every_round_is_scored_and_the_clean_one_is_evaluates(detector: Detector, config: RunConfig) -> None:
    table = evaluate_corruptions(detector, config, TWO, show=False)
    domains = load_domains(config.data)
    expected = evaluate(detector, domains, config.evaluate, show=False).domains[0].result
    assert table.clean == expected
    assert (table.source, table.split, table.seed) == ("day", "train", 0)
    assert {name: list(results) for name, results in table.scores.items()} == {"snow": [1, 5], "contrast": [1, 5]}
    assert all(one.images == 3 for results in table.scores.values() for one in results.values())
    assert table.notes == [ALONE]
    again = evaluate_corruptions(detector, config, TWO, show=False)
    assert again.to_json() == table.to_json()


def test_all_standard_ones_need_no_warning(detector: Detector, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = evaluate_corruptions(detector, run_config(made), TWO, show=False).clean
    monkeypatch.setattr(robustness, "score_images", lambda *_: one)
    table = evaluate_corruptions(made / "run", run_config(made), RobustnessSettings(), show=False)
    assert table.notes == ["weights chosen on day/val, which is also what day is scored on"]
    assert sum(map(len, table.scores.values())) == 75
    assert table.rpc is None or table.rpc == 100


def test_what_is_done_is_not_done_again(
    detector: Detector, config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluate_corruptions(detector, config, TWO, show=False)
    score, scored = robustness.score_images, []

    def count(*arguments: Any) -> Any:
        if len(scored) == 2:
            raise KeyboardInterrupt
        scored.append(arguments)
        return score(*arguments)

    monkeypatch.setattr(robustness, "score_images", count)
    kept = replace(TWO, out=tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        evaluate_corruptions(detector, config, kept, show=False)
    lines = (tmp_path / "out/corruptions.jsonl").read_text().splitlines()
    assert [(json.loads(line)["corruption"], json.loads(line)["severity"]) for line in lines] == [
        ("clean", 0),
        ("snow", 1),
    ]
    with (tmp_path / "out/corruptions.jsonl").open("a") as file:
        file.write('{"number": 3, "corru')  # cut short
    monkeypatch.setattr(robustness, "score_images", score)
    resumed = evaluate_corruptions(detector, config, replace(kept, resume=True), show=False)
    assert resumed.to_json() == whole.to_json()
    monkeypatch.setattr(robustness, "score_images", None)
    (tmp_path / "out/snow-5.jsonl").touch()  # of a process that was killed when it was all but done
    again = evaluate_corruptions(detector, config, replace(kept, resume=True), show=False)
    assert again.to_json() == whole.to_json()
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["corruptions.jsonl", "robustness.json"]
    with pytest.raises(DataError, match=r"is there already; choose another --out \(--resume goes on"):
        evaluate_corruptions(detector, config, kept, show=False)


def test_a_corruption_goes_on_at_its_image(
    detector: Detector, config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluate_corruptions(detector, config, TWO, show=False)
    detect, seen = Detector.detect, []

    def break_off(self: Detector, *arguments: Any) -> Any:
        seen.append(1)
        if len(seen) == 6:  # the third of three images under the first corruption
            raise KeyboardInterrupt
        return detect(self, *arguments)

    monkeypatch.setattr(Detector, "detect", break_off)
    kept = replace(TWO, out=tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        evaluate_corruptions(detector, config, kept, show=False)
    assert len((tmp_path / "out/snow-1.jsonl").read_text().splitlines()) == 2
    resumed = evaluate_corruptions(detector, config, replace(kept, resume=True), show=False)
    assert resumed.to_json() == whole.to_json()
    assert len(seen) == 3 * 5 + 1
    assert not (tmp_path / "out/snow-1.jsonl").exists()


def test_results_of_something_else_are_refused(
    detector: Detector, made: Path, config: RunConfig, tmp_path: Path
) -> None:
    kept = RobustnessSettings(("contrast",), (1,), tmp_path / "out", detector="this one")
    evaluate_corruptions(detector, config, kept, show=False)
    again = replace(kept, resume=True)
    for other, settings, message in (
        (
            config,
            replace(again, detector="another"),
            "--resume: the detector is another, but .* was begun with this",
        ),
        (run_config(made, "data.source.test=train", "run.seed=3"), again, "run.seed is 3, but .* with 0"),
        (run_config(made), again, "--resume: the split is "),
        (run_config(made, "data.source.test=train", "evaluate.iou=0.7"), again, "evaluate.iou is 0.7"),
        (config, replace(again, out=tmp_path / "no"), "no: no results to go on with"),
    ):
        with pytest.raises(DataError, match=message):
            evaluate_corruptions(detector, other, settings, show=False)
    (tmp_path / "out/robustness.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        evaluate_corruptions(detector, config, again, show=False)


def test_the_cache_holds_the_very_pixels_and_is_used(
    detector: Detector, config: RunConfig, images: DetectionDataset, tmp_path: Path
) -> None:
    plain = evaluate_corruptions(detector, config, TWO, show=False)
    cached = replace(TWO, cache=tmp_path / "cache")
    assert evaluate_corruptions(detector, config, cached, show=False).to_json() == plain.to_json()
    files = sorted(path.relative_to(tmp_path / "cache").as_posix() for path in (tmp_path / "cache").rglob("*.png"))
    assert files == sorted(f"{n}/{s}/00000{i}.png" for n in ("snow", "contrast") for s in (1, 5) for i in range(3))
    snow = CorruptedSamples(images, [("snow", 5)], 0, tmp_path / "cache")
    expected = pixels(CorruptedSamples(images, [("snow", 5)], 0), 0)
    assert (pixels(snow, 0) == expected).all()
    file = tmp_path / "cache/snow/5/000000.png"
    (tmp_path / "cache/contrast/5/000000.png").replace(file)
    assert (pixels(snow, 0) != expected).any()  # it is read
    file.write_bytes(file.read_bytes()[:500])
    assert (pixels(snow, 0) == expected).all()  # damaged: made anew
    assert (pixels(snow, 0) == expected).all()


def test_a_cache_of_something_else_is_refused(config: RunConfig, images: DetectionDataset, tmp_path: Path) -> None:
    open_cache(tmp_path / "cache", images, 0)
    open_cache(tmp_path / "cache", images, 0)
    with pytest.raises(DataError, match=r"another split, run\.seed or version"):
        open_cache(tmp_path / "cache", images, 1)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(DataError, match="is there already; choose another --cache"):
        open_cache(tmp_path, images, 0)
    (tmp_path / "cache/cache.json").write_text("{")
    with pytest.raises(DataError, match="damaged"):
        open_cache(tmp_path / "cache", images, 0)


def test_images_too_small_are_refused_by_name(tmp_path: Path) -> None:
    make_voc(tmp_path, {"a": [("car", (5, 5, 30, 18))]}, "test")
    small = load_domains(data_config(tmp_path, "voc", test="test")).source.scored
    assert small is not None
    with pytest.raises(DataError, match=r"a\.png: 40 x 20 pixels: corruptions need images of at least 32"):
        CorruptedSamples(small, [("snow", 1)], 0)
