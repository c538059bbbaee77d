"""Corruptions: of any size, of one generator, harder from severity to severity; the parts do what they say."""

from __future__ import annotations

import time
from typing import get_args

import numpy as np
import pytest

from clipgap.config import CorruptionName
from clipgap.corruptions import CORRUPTIONS, EXTRA, STANDARD, corrupt
from clipgap.corruptions.blur import _copied
from clipgap.corruptions.ice import draw_ice
from clipgap.corruptions.parts import Pixels, smear, to_pixels, to_values, zoom_centre
from clipgap.errors import ConfigError, DataError
from tests.parity.corruption_figures import picture

SIZES = [(32, 32), (33, 97), (97, 33), (192, 320)]


def test_names_are_those_of_the_settings_in_their_order() -> None:
    assert tuple(CORRUPTIONS) == get_args(CorruptionName) == STANDARD + EXTRA
    assert (len(STANDARD), len(EXTRA)) == (15, 4)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_any_size_is_kept_and_the_image_is_left_alone(name: str, size: tuple[int, int]) -> None:
    image = np.ascontiguousarray(picture()[: size[0], : size[1]])
    before = image.copy()
    for severity in (1, 5):
        corrupted = corrupt(image, name, severity, np.random.default_rng(0))
        assert corrupted.shape == image.shape
        assert corrupted.dtype == np.uint8
        assert (corrupted != image).any()
        assert not np.shares_memory(corrupted, image)
    assert (image == before).all()


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_images_raise_no_warning(name: str, value: int) -> None:
    image = np.full((40, 48, 3), value, np.uint8)
    for severity in range(1, 6):
        corrupt(image, name, severity, np.random.default_rng(0))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_random_numbers_come_from_the_generator_alone(name: str) -> None:
    state = repr(np.random.get_state())
    one, again, other = (corrupt(picture(), name, 3, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert (one == again).all()
    random = {"noise", "glass", "motion", "snow", "frost", "fog", "elastic", "spatter"}
    assert (one != other).any() == bool(random & set(name.split("_")))
    assert repr(np.random.get_state()) == state


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in ("frost", "saturate", "spatter")])
def test_a_higher_severity_changes_more(name: str) -> None:
    changes = [
        np.abs(corrupt(picture(), name, severity, np.random.default_rng(0)).astype(int) - picture()).mean()
        for severity in (1, 3, 5)
    ]
    assert changes == sorted(changes)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_none_takes_long(name: str) -> None:
    image, times = picture(), []
    for seed in range(3):
        begin = time.process_time()
        corrupt(image, name, 5, np.random.default_rng(seed))
        times.append(time.process_time() - begin)
    assert min(times) < 0.1  # about 18 ms for the slowest; a slow machine is no fault


@pytest.mark.parametrize(
    ("image", "name", "severity", "message"),
    [
        (picture(), "rain", 1, r"corruption 'rain': no such corruption \(there are: gaussian_noise"),
        (picture(), "snow", 0, "severity 0: must be 1, 2, 3, 4 or 5"),
        (picture()[:31], "snow", 1, "320 x 31 pixels: corruptions need images of at least 32"),
        (picture()[..., 0], "snow", 1, "expected an RGB image"),
        (picture().astype(float), "snow", 1, "expected an RGB image"),
    ],
)
def test_what_cannot_be_corrupted_is_one_line(image: Pixels, name: str, severity: int, message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        corrupt(image, name, severity, np.random.default_rng(0))


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_glass_copies_as_a_loop_over_the_pixels_does(reach: int) -> None:
    height, width = 30, 41
    found = _copied(height, width, reach, np.random.default_rng(0))
    rows, columns = range(reach + 1, height - reach + 1), range(reach + 1, width - reach + 1)
    drawn = np.random.default_rng(0).integers(-reach, reach, (2, len(rows) * len(columns)))
    down, right = drawn.reshape(2, len(rows), len(columns))
    pixels = np.arange(height * width).reshape(height, width)
    for i in reversed(range(len(rows))):
        for j in reversed(range(len(columns))):
            pixels[rows[i], columns[j]] = pixels[rows[i] + down[i, j], columns[j] + right[i, j]]
    assert (found == pixels.ravel()).all()


def test_smear_moves_a_point_along_its_line() -> None:
    image = np.zeros((40, 60), np.float32)
    image[20, 50] = 1
    level = smear(image, 10, 5, 0)
    assert level.sum() == pytest.approx(1, abs=1e-5)
    assert (np.flatnonzero(level[20] > 1e-6) == np.arange(30, 51)).all()
    assert np.argmax(level[20]) == 50
    upward = smear(image, 5, 5, 90)
    assert (np.flatnonzero(upward[:, 50] > 1e-6) == np.arange(10, 21)).all()


def test_zoom_puts_corner_on_corner() -> None:
    ramp = np.broadcast_to(np.arange(64, dtype=np.float32)[:, None, None], (64, 50, 3))
    zoomed = zoom_centre(np.ascontiguousarray(ramp), 2.0)
    assert zoomed.shape == ramp.shape
    assert zoomed[0, 0, 0] == 16  # the inner half: rows 16 to 47
    assert zoomed[63] == pytest.approx(47)
    assert (zoom_centre(np.ascontiguousarray(ramp), 1.0) == ramp).all()


def test_bits_are_rounded_down_and_survive_the_way_there_and_back() -> None:
    image = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    assert (to_pixels(to_values(image)) == image).all()
    assert to_pixels(np.array([-1.0, 0.999, 2.0])).tolist() == [0, 254, 255]


def test_ice_is_another_every_time_and_its_grain_grows_with_large_images() -> None:
    one, other = (draw_ice(64, 96, np.random.default_rng(seed)) for seed in (0, 1))
    assert one.shape == (64, 96, 3)
    assert (one != other).any()
    rough = [np.abs(np.diff(draw_ice(side, side, np.random.default_rng(0)), axis=1)).mean() for side in (300, 1200)]
    assert rough[1] < 0.6 * rough[0]
