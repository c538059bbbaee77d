"""AP by size, AP on objects as large as the source's, and what a run of a study remembers and prints of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from recipes.study.printing import render
from recipes.study.rows import Row, Study
from recipes.study.scoring import LIKE_SOURCE, Remembering, sizes_of
from recipes.study.sizes import EDGES, as_large_as
from torch import Tensor

from clipgap.config import ImageConfig
from clipgap.data import Annotation, DetectionDataset, ImageRecord
from clipgap.metrics.sizes import Sized, by_size
from clipgap.report.evidence import sized

CLASSES = ("car", "bus")
ROW = {"by_size": {"day": {"small": 10.0, "large": None}}, "domains": {"day": {"ap50": 30.0}}, "mean_targets": 20.0}


def boxes(*sides: float) -> Tensor:
    """Squares one beside the other."""
    return torch.tensor([(300.0 * i, 0.0, 300.0 * i + side, side) for i, side in enumerate(sides)]).reshape(-1, 4)


def image(true: Sequence[float], found: Sequence[float], scores: Sequence[float] = (), scale: float = 1.0) -> Sized:
    """Cars of these sides, and detections of these sides at the same places."""
    labels, count = torch.ones(len(true), dtype=torch.int64), len(found)
    off = torch.zeros(len(true), dtype=torch.bool)
    values = torch.tensor(scores or [0.9] * count)
    detected = {"boxes": boxes(*found), "labels": torch.ones(count, dtype=torch.int64), "scores": values}
    target: Any = {"boxes": boxes(*true), "labels": labels, "difficult": off, "iscrowd": off, "image_id": "1"}
    return Sized(detected, target, scale)


def test_every_band_has_its_own_objects_and_detections() -> None:
    # the small one is found, the large one is missed by a detection of medium size that is surer
    scores = by_size([image([20, 200], [20, 50], [0.5, 0.9])], CLASSES)
    assert scores == {"small": pytest.approx(100), "medium": None, "large": pytest.approx(0)}


def test_sizes_are_those_that_the_detector_sees() -> None:
    assert by_size([image([60], [60], scale=0.5)], CLASSES)["small"] == pytest.approx(100)
    assert by_size([image([60], [60], scale=1.0)], CLASSES)["medium"] == pytest.approx(100)


def test_a_detection_of_another_band_counts_where_it_finds_an_object_of_this() -> None:
    assert by_size([image([33], [31])], CLASSES)["medium"] == pytest.approx(100)  # IoU 0.88
    assert by_size([image([33], [31])], CLASSES)["small"] is None


def test_a_split_as_large_as_itself_keeps_all() -> None:
    images = [image([20, 50, 100, 200], [20, 50, 100, 20])]
    plain = as_large_as(images, images, CLASSES)
    assert plain == pytest.approx(100 * 8 / 11)  # three of four found, all surer than none: recall up to 0.75


def test_small_objects_weigh_what_they_weigh_in_the_other_split() -> None:
    # nine small ones that are missed, one large that is found; the other split has large ones alone
    images = [image([20] * 9 + [200], [1] * 9 + [200], [0.5] * 9 + [0.9])]
    assert as_large_as(images, [image([200], [])], CLASSES) == pytest.approx(100)
    assert as_large_as(images, images, CLASSES) == pytest.approx(100 / 11 * 2)  # recall 0.1: two of eleven points


def test_a_size_that_is_missing_cannot_be_matched() -> None:
    assert as_large_as([image([20], [20])], [image([200], [])], CLASSES) is None


def test_draws_are_the_same_every_time() -> None:
    images = [image([20] * 5 + [200] * 2, [20, 1, 20, 1, 1, 200, 1])]
    like = [image([20, 200], [])]
    assert as_large_as(images, like, CLASSES, seed=3) == as_large_as(images, like, CLASSES, seed=3)
    assert len(EDGES) == 3


class Squares:
    """A detector that finds a car of 20 pixels in every image."""

    classes, spec = list(CLASSES), None

    def for_inference(self, precision: str, proposals: int | None) -> Squares:
        return self

    def detect(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[dict[str, Tensor]]:
        return [image([20], [20]).found for _ in images]


def domain(name: str, sides: Sequence[float]) -> Any:
    """A domain of one image of 900 x 450 with cars of these sides."""
    corners = [(x1, y1, x2, y2) for x1, y1, x2, y2 in boxes(*sides).tolist()]
    annotations = tuple(Annotation("car", box, False, False, "line 1") for box in corners)
    record = ImageRecord(name, Path("image.png"), 900, 450, annotations, Path("labels.txt"))
    return SimpleNamespace(name=name, scored=DetectionDataset([record], CLASSES))


def test_what_was_found_goes_to_the_images_in_their_order() -> None:
    detector = Remembering(Squares())  # type: ignore[arg-type]
    ready = detector.for_inference("32-true", None)
    for _ in range(2):
        ready.detect([torch.zeros(3, 4, 4)], [(4, 4)])
    assert len(detector.found) == 2
    day, fog = domain("day", [20, 200]), domain("fog", [200, 200])
    domains: Any = SimpleNamespace(classes=CLASSES, source=day, targets=[fog], all=[day, fog])
    sizes = sizes_of(detector.found, domains, ImageConfig(short_side=450, long_side=900))
    assert sizes["day"] == {"small": pytest.approx(100), "medium": None, "large": pytest.approx(0)}
    assert sizes["fog"] == {"small": None, "medium": None, "large": pytest.approx(0), LIKE_SOURCE: None}
    half = sized(detector.found[:1], day.scored, ImageConfig(short_side=225, long_side=900))
    assert half[0].scale == 0.5


def corrupted(mpc: float) -> dict[str, Any]:
    return {"mpc": mpc, "rpc": 5 * mpc, "clean": {"ap50": 20.0}, "corruptions": {"snow": {"mean": mpc}}}


def test_what_only_some_runs_were_scored_on_is_not_printed() -> None:
    study = Study("mini_world", {"attention": Row("base", (), (0,))}, (), ())
    scored = {"row": "attention", "seed": 1, "corrupted": corrupted(10.0)}
    text = render([{**ROW, "row": "attention", "seed": 0}, {**ROW, **scored}], study)
    assert "mPC" not in text
    assert "snow" not in text
    assert "day, small" in text


def test_the_tables_of_sizes_and_of_corruptions_are_printed_where_they_were_measured() -> None:
    study = Study(
        "mini_world", {"attention": Row("base", (), (0,)), "own": Row("own", (), (0,))}, (("own", "attention"),), ()
    )
    mpc = {"attention": 10.0, "own": 14.0}
    results = [ROW | {"row": row, "seed": s, "corrupted": corrupted(mpc[row])} for row in mpc for s in (0, 1)]
    text = render(results, study)
    assert "| row | seeds | day | mean of targets | mPC |" in text
    assert "| own - base | 2 | +0.0 [+0.0, +0.0] | +0.0 [+0.0, +0.0] | +4.0 [+4.0, +4.0] |" in text
    assert "| row | seeds | day, small |" in text
    assert "large" not in text
    assert "| row | seeds | as it is | snow | rPC |" in text
    assert "| own - base | 2 | +0.0 [+0.0, +0.0] | +4.0 [+4.0, +4.0] | +20.0 [+20.0, +20.0] |" in text
