from __future__ import annotations

import numpy as np
import pytest

from clipgap.world import CLASSES, CONDITIONS, HEIGHT, STREETS, WEB, WIDTH, Condition, Style, draw_street, photograph
from clipgap.world.canvas import FAR, Camera, Canvas
from clipgap.world.painter import Painter, Place
from clipgap.world.street import INSIDE, LEAST_SIDE, Scene
from clipgap.world.things import draw_thing

CLEAR = Condition("clear", "day")


def street(seed: int, style: Style = STREETS) -> Scene:
    return draw_street(np.random.default_rng(seed), style)


def picture(scene: Scene, weather: str, time: str = "day", seed: int = 0) -> np.ndarray:
    return photograph(scene, Condition(weather, time), STREETS, np.random.default_rng(seed)).astype(float)


@pytest.mark.parametrize("name", ["bus", "bike", "car", "motor", "person", "truck"])
@pytest.mark.parametrize("turn", [0.0, 0.5, 1.0])
def test_a_thing_is_as_large_as_its_real_size_and_distance_make_it(name: str, turn: float) -> None:
    heights = {"bus": (2.9, 3.3), "car": (1.38, 1.75), "truck": (2.5, 3.6), "person": (1.0, 2.1)}
    low, high = heights.get(name, (0.8, 2.0))
    for seed in range(5):
        camera = Camera(focal=260, height=1.6, centre=160, horizon=80)
        canvas = Canvas(camera)
        painter = Painter(canvas, STREETS, np.random.default_rng(seed))
        drawn = draw_thing(painter, name, Place(0, 13, turn, False, False))
        rows = np.nonzero(np.isin(canvas.owner, [surface for _, surface, _ in drawn]))[0]
        metres = (rows.max() + 1 - rows.min()) * 13 / 260
        assert low - 0.15 <= metres <= high + 0.15
        assert rows.max() == pytest.approx(80 + 1.6 * 260 / 13, abs=1.5)  # it stands on the ground


def test_all_classes_occur_cars_most_and_boxes_hold_the_visible_pixels() -> None:
    counts = dict.fromkeys(CLASSES, 0)
    for seed in range(60):
        for thing in street(seed).things:
            counts[thing.name] += 1
            x1, y1, x2, y2 = thing.box
            assert 0 <= x1 < x2 <= WIDTH
            assert 0 <= y1 < y2 <= HEIGHT
            assert min(x2 - x1, y2 - y1) >= LEAST_SIDE
    assert all(counts.values())
    assert max(counts, key=lambda name: counts[name]) == "car"


def test_what_is_hidden_or_mostly_outside_gets_no_box() -> None:
    from clipgap.world.street import _visible

    camera = Camera(focal=260, height=1.6, centre=160, horizon=80)

    def box_of(hidden: float) -> object:
        canvas = Canvas(camera)
        back, front = canvas.surface(20), canvas.surface(10)
        canvas.polygon(((100, 80), (139, 80), (139, 119), (100, 119)), (9, 9, 9), back)
        drawn = int((canvas.owner == back).sum())
        canvas.polygon(((100, 80), (100 + 40 * hidden, 80), (100 + 40 * hidden, 119), (100, 119)), (0, 0, 0), front)
        return _visible(canvas, "car", back, 40, drawn, 20)

    assert box_of(0.5).box[0] > 115  # type: ignore[attr-defined]  # the box is of what is seen
    assert box_of(0.8) is None
    canvas = Canvas(camera)
    surface = canvas.surface(10)
    canvas.polygon(((-90, 80), (10, 80), (10, 119), (-90, 119)), (9, 9, 9), surface)
    assert INSIDE * 100 > 10  # of its width 10 of 100 are inside
    assert _visible(canvas, "car", surface, 100, int((canvas.owner == surface).sum()), 10) is None


def test_depth_grows_towards_the_horizon_and_the_sky_is_far() -> None:
    scene = street(3)
    assert (scene.depth[scene.owner == 0] == FAR).all()
    column = scene.depth[:, 160][scene.owner[:, 160] == 1]
    assert (np.diff(column) < 0).all()
    assert scene.depth.min() > 1


@pytest.mark.parametrize("style", [STREETS, WEB], ids=lambda style: style.name)
def test_a_seed_decides_every_pixel(style: Style) -> None:
    def both(seed: int) -> list[bytes]:
        random = np.random.default_rng(seed)
        scene = draw_street(random, style)
        return [photograph(scene, condition, style, random).tobytes() for condition in CONDITIONS]

    first, again, other = both(1), both(1), both(2)
    assert first == again
    assert all(a != b for a, b in zip(first, other, strict=True))
    assert len(set(first)) == len(CONDITIONS)


def test_night_is_dark_and_noisy_with_bright_lamps() -> None:
    scene = next(s for s in map(street, range(30)) if len(s.lamps) > 4)
    day, night = picture(scene, "clear"), picture(scene, "clear", "night")
    assert night.mean() < 0.7 * day.mean()
    lamp = max(scene.lamps, key=lambda lamp: lamp.radius * lamp.colour[1])
    assert night[int(lamp.row), int(lamp.column)].max() > 200


def test_fog_takes_contrast_with_distance_along_outlines_not_boxes() -> None:
    scene = street(5)
    day, fog = picture(scene, "clear"), picture(scene, "fog")
    near, far = scene.depth < 8, (scene.depth > 30) & (scene.owner > 1)
    assert fog[far].std() / day[far].std() < 0.75 * fog[near].std() / day[near].std()
    thing = max(scene.things, key=lambda thing: (thing.box[2] - thing.box[0]) * (thing.box[3] - thing.box[1]))
    x1, y1, x2, y2 = thing.box
    depths = scene.depth[y1:y2, x1:x2]
    assert (np.abs(depths - thing.distance) < 0.2).mean() < 0.99  # the background in the box has its own depth
    assert (np.abs(depths - thing.distance) < 0.2).any()


def test_rain_darkens_dusk_and_snow_whitens_the_ground() -> None:
    scene = street(4)
    ground = scene.owner == 1
    assert picture(scene, "snow")[ground].mean() > 1.3 * picture(scene, "clear")[ground].mean()
    assert picture(scene, "rain", "dusk").mean() < picture(scene, "clear").mean()
    assert picture(scene, "storm").mean() < picture(scene, "rain").mean()
