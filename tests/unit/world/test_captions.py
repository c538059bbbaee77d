from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clipgap.world import CLASSES, CONDITIONS, STREETS, Album, Caption, Condition, cut, draw_album, truth, write_caption

FOG_DAY, STORM = Condition("fog", "day"), Condition("storm", "night")


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Album:
    return draw_album(tmp_path_factory.mktemp("album") / "a.npy", 12, STREETS, CONDITIONS, 0, 1, lambda count: None)


def test_a_caption_is_true_where_all_it_says_holds() -> None:
    captions = [
        Caption("a bus", "bus", None, None),
        Caption("rain at night", None, "rain", "night"),
        Caption("a day", None, None, "day"),
        Caption("a car in fog", "car", "fog", "day"),
    ]
    true, clear = truth(captions, ["bus", "car"], [frozenset(), frozenset({"bus"})], [STORM, FOG_DAY])
    assert true.tolist() == [[True, True, False, False], [False, False, True, True]]  # it rains in a storm
    assert clear.tolist() == [[True] * 4, [False, True, True, True]]  # the bus beside the car: neither right nor wrong


def test_written_captions_are_true_and_say_every_class_weather_and_time() -> None:
    random = np.random.default_rng(0)
    texts = []
    for condition in CONDITIONS:
        for name in (*CLASSES, None):
            caption = write_caption(random, name, condition)
            assert truth([caption], [name], [frozenset()], [condition])[0].all()
            assert caption.name == name
            texts.append(caption.text)
    assert all(any(word in text for text in texts) for word in ("bus", "rider", "fog", "snow", "evening", "night"))
    assert not any("{" in text for text in texts)


def test_crops_are_square_and_name_what_they_show(album: Album) -> None:
    random = np.random.default_rng(1)
    crops = [cut(album, random, 32, of_thing=0.6) for _ in range(80)]
    assert {crop.pixels.shape for crop in crops} == {(32, 32, 3)}
    assert all(crop.name not in crop.also for crop in crops)
    assert {crop.name for crop in crops} > {None, "car"}
    assert any(crop.also for crop in crops)
    assert all(cut(album, random, 32, of_thing=1.0).name for _ in range(20))


def test_the_same_seed_gives_the_same_album(album: Album, tmp_path: Path) -> None:
    again = draw_album(tmp_path / "b.npy", 12, STREETS, CONDITIONS, 0, 1, lambda count: None)
    kept = draw_album(tmp_path / "b.npy", 12, STREETS, CONDITIONS, 0, 1, lambda count: pytest.fail("drawn again"))
    assert kept.things == again.things
    assert (np.asarray(again.pictures) == np.asarray(album.pictures)).all()
    assert again.things == album.things
    assert again.conditions == list(CONDITIONS)[:12]
