"""The second world: other streets, other weathers; and the first, which stays what it was."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from clipgap.data import read_voc
from clipgap.errors import ConfigError
from clipgap.world import (
    CLASSES,
    DOMAINS,
    HEIGHT,
    KINDS,
    SECOND,
    STREETS,
    TARGETS,
    WIDTH,
    Condition,
    draw_street,
    photograph,
    write_world,
)
from clipgap.world.optics import SECOND_WEATHERS
from clipgap.world.optics.geometry import cast, edge, houses
from clipgap.world.street import LEAST_SIDE, Scene


def nothing(pictures: int) -> None:
    pass


def street(seed: int) -> Scene:
    return draw_street(np.random.default_rng(seed), SECOND)


def picture(scene: Scene, weather: str, seed: int = 0) -> np.ndarray:
    return photograph(scene, Condition(weather, "day"), SECOND, np.random.default_rng(seed)).astype(float)


THUMBNAILS = {
    "daytime_clear": (100.72, 102.35, 103.25, 101.99, 101.23, 101.15),
    "daytime_foggy": (124.61, 126.49, 128.37, 124.39, 124.98, 126.74),
    "night_sunny": (64.32, 57.41, 48.61, 33.53, 30.60, 30.89),
    "dusk_rainy": (71.07, 68.08, 64.78, 63.94, 60.86, 60.05),
    "night_rainy": (58.98, 52.46, 42.69, 33.24, 28.47, 27.08),
}
"""Means of the three colours in each half of a scene's picture, first world; seed (99, 0)."""
THINGS = [
    ("bus", (203, 78, 268, 116)),
    ("rider", (117, 92, 125, 114)),
    ("person", (286, 92, 297, 135)),
    ("person", (38, 105, 59, 160)),
    ("motor", (117, 131, 150, 181)),
]


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_first_world_is_what_it_was(domain: str) -> None:
    # Means and boxes, not a hash: other builds of NumPy and OpenCV may round a pixel otherwise.
    random = np.random.default_rng((99, 0))
    scene = draw_street(random, STREETS)
    pixels = photograph(scene, DOMAINS[domain], STREETS, random)
    assert [(thing.name, thing.box) for thing in scene.things] == THINGS
    halves = [*pixels[:, : WIDTH // 2].mean(axis=(0, 1)), *pixels[:, WIDTH // 2 :].mean(axis=(0, 1))]
    assert halves == pytest.approx(THUMBNAILS[domain], abs=0.05)


def test_boxes_are_inside_all_classes_occur_and_the_streets_are_others() -> None:
    counts = dict.fromkeys(CLASSES, 0)
    for seed in range(40):
        scene = street(seed)
        assert scene.camera.height > STREETS.layout.eye[1]
        for thing in scene.things:
            counts[thing.name] += 1
            x1, y1, x2, y2 = thing.box
            assert 0 <= x1 < x2 <= WIDTH
            assert 0 <= y1 < y2 <= HEIGHT
            assert min(x2 - x1, y2 - y1) >= LEAST_SIDE
    assert all(counts.values())
    shared = ("paints", "cloths", "walls", "car_outlines")
    assert not any(set(getattr(SECOND, name)) & set(getattr(STREETS, name)) for name in shared)


def test_a_seed_decides_every_pixel_of_the_four_weathers_and_each_changes_the_picture() -> None:
    scene, clear = street(3), picture(street(3), "clear")
    for weather in SECOND_WEATHERS:
        assert (picture(scene, weather) == picture(street(3), weather)).all()
        assert (picture(scene, weather) != picture(scene, weather, seed=1)).any()
        assert np.abs(picture(scene, weather) - clear).mean() > 15


def test_snow_whitens_the_ground_and_takes_contrast_far_away() -> None:
    scene = street(4)
    snow, clear = picture(scene, "snowfall"), picture(scene, "clear")
    ground, far = scene.owner == 1, (scene.depth > 40) & (scene.owner > 1)
    assert snow[ground].mean() > 1.5 * clear[ground].mean()
    assert snow[far][:, 1].std() < 0.5 * clear[far][:, 1].std()


def test_dust_has_little_blue_and_hides_with_distance() -> None:
    scene = street(4)
    dust, clear = picture(scene, "dust"), picture(scene, "clear")
    red, green, blue = dust.mean(axis=(0, 1))
    assert red > green > 1.2 * blue
    far = (scene.depth > 40) & (scene.owner > 1)
    assert dust[far][:, 1].std() < 0.5 * clear[far][:, 1].std()


def test_the_sun_glares_in_the_sky_and_leaves_the_foreground_dark() -> None:
    scene = street(4)
    glare, clear = picture(scene, "glare"), picture(scene, "clear")
    sky, near = scene.owner == 0, (scene.depth < 15) & (scene.owner > 0)
    assert (glare[sky].min(axis=1) > 250).mean() > 0.02 > (clear[sky].min(axis=1) > 250).mean()
    assert glare[near].mean() < 0.85 * clear[near].mean()


def test_a_low_sun_is_warm_and_hard() -> None:
    scene = street(4)
    low, clear = picture(scene, "low_sun"), picture(scene, "clear")
    warmth = [one.mean(axis=(0, 1))[0] / one.mean(axis=(0, 1))[2] for one in (low, clear)]
    assert warmth[0] > 1.3 * warmth[1]
    ground = scene.owner == 1
    assert low[ground].std() > 1.1 * clear[ground].std()


def test_shadows_fall_away_from_the_sun_and_snow_lies_on_top() -> None:
    scene = street(4)
    ahead, left, right = (cast(scene, bearing, 0.3) for bearing in (0.0, -1.4, 1.4))
    ground = scene.owner == 1
    assert all(0 < shadow[ground].mean() < 0.7 for shadow in (ahead, left, right))
    assert all((shadow[~ground] == 0).all() for shadow in (ahead, left, right))
    columns = np.arange(WIDTH)
    centres = [(shadow.sum(axis=0) * columns).sum() / shadow.sum() for shadow in (left, right)]
    assert centres[0] > centres[1]  # with the sun to the left they lie to the right
    top = edge(scene, -1, 0, 0.3)
    assert 0 < top.mean() < 0.3
    assert (top[scene.owner <= 1] == 0).all()
    assert houses(scene).any()


def test_a_second_world_is_laid_out_like_the_first(tmp_path: Path) -> None:
    cv2.setNumThreads(1)
    for name in ("one", "again"):
        write_world(tmp_path / name, 7, 2, 2, 1, nothing, "second")
    one, again = (
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*.*")} for f in map(tmp_path.joinpath, ("one", "again"))
    )
    assert one == again
    assert {p.name for p in (tmp_path / "one").iterdir()} == set(KINDS["second"].domains)
    assert set(KINDS["second"].domains) & set(DOMAINS) == set(DOMAINS) - set(TARGETS)
    for domain in KINDS["second"].domains:
        records, faults = read_voc(tmp_path / "one" / domain / "VOC2007", "train")
        assert len(records) == 2
        assert not faults


def test_a_kind_there_is_not_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"third: no such kind of world \(there are: first, second\)"):
        write_world(tmp_path / "world", 0, 1, 1, 1, nothing, "third")
