from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clipgap.data import Sample, Target, flip, random_crop, resize, resize_size, resize_square, to_tensor


def sample(image: Image.Image, boxes: list[list[float]]) -> Sample:
    n = len(boxes)
    target = Target(
        boxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.ones(n, dtype=torch.int64),
        difficult=torch.zeros(n, dtype=torch.bool),
        iscrowd=torch.zeros(n, dtype=torch.bool),
        image_id="a",
    )
    return Sample(image, target)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((720, 1280), (600, 1067)),
        ((1280, 720), (1067, 600)),
        ((600, 600), (600, 600)),
        ((427, 640), (600, 899)),
        ((375, 500), (600, 800)),
        ((500, 2000), (333, 1333)),  # 1333 / 2400 * 600 = 333.25
        ((10, 10_000), (1, 1333)),
    ],
)
def test_sizes_are_those_of_the_authors_loader(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert resize_size(*size, 600, 1333) == expected


def test_no_side_vanishes() -> None:
    assert resize_size(1, 10_000, 600, 1333) == (1, 1333)


sides = st.integers(1, 4000)


@given(h=sides, w=sides, short=st.integers(1, 1500), long=st.integers(1, 3000))
def test_resized_sides_keep_their_promises(h: int, w: int, short: int, long: int) -> None:
    new_h, new_w = resize_size(h, w, short, long)
    assert max(new_h, new_w) <= max(long, 1)
    assert min(new_h, new_w) <= short
    assert min(new_h, new_w) == short or max(new_h, new_w) == long
    assert resize_size(w, h, short, long) == (new_w, new_h)
    exact = min(short / min(h, w), long / max(h, w))
    assert abs(new_h - max(h * exact, 1)) <= 0.5 + 1e-6
    assert abs(new_w - max(w * exact, 1)) <= 0.5 + 1e-6


def test_resize_scales_boxes_by_each_axis_and_leaves_the_sample_alone() -> None:
    before = sample(Image.new("RGB", (1280, 720)), [[0, 0, 1280, 720], [128, 72, 640, 360]])
    after = resize(before, 600, 1333)
    assert after.image.size == (1067, 600)
    torch.testing.assert_close(after.target["boxes"][0], torch.tensor([0.0, 0, 1067, 600]))
    torch.testing.assert_close(after.target["boxes"][1], torch.tensor([106.7, 60, 533.5, 300]))
    assert before.target["boxes"][0].tolist() == [0, 0, 1280, 720]
    assert after.target["image_id"] == "a"


def test_resize_is_pils_antialiased_bilinear() -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8))
    after = resize(sample(image, []), 30, 100)
    assert np.array_equal(after.image, image.resize((40, 30), Image.Resampling.BILINEAR))
    assert after.target["boxes"].shape == (0, 4)
    assert np.array_equal(resize_square(image, 32), image.resize((32, 32), Image.Resampling.BILINEAR))


def test_flip_moves_the_pixels_of_a_box_with_it() -> None:
    image = Image.new("RGB", (10, 4))
    image.paste((255, 0, 0), (1, 0, 3, 2))
    after = flip(sample(image, [[1, 0, 3, 2]]))
    assert after.target["boxes"].tolist() == [[7, 0, 9, 2]]
    red = np.argwhere(np.array(after.image)[..., 0] == 255)
    assert (red.min(0).tolist(), red.max(0).tolist()) == ([0, 7], [1, 8])
    again = flip(after)
    assert again.target["boxes"].tolist() == [[1, 0, 3, 2]]
    assert np.array_equal(again.image, image)


def test_to_tensor() -> None:
    image = Image.new("RGB", (3, 2), (255, 51, 0))
    tensor = to_tensor(image)
    assert tensor.dtype == torch.float32
    assert tensor.shape == (3, 2, 3)
    torch.testing.assert_close(tensor[:, 0, 0], torch.tensor([1.0, 0.2, 0.0]))


def test_random_crops_reach_every_place_and_follow_the_generator() -> None:
    ramp = np.zeros((5, 6, 3), dtype=np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(6)[None, :], np.arange(5)[:, None]
    image = Image.fromarray(ramp)
    generator = torch.Generator().manual_seed(0)
    crops = [random_crop(image, 4, generator) for _ in range(200)]
    assert {crop.size for crop in crops} == {(4, 4)}
    assert {crop.getpixel((0, 0))[:2] for crop in crops} == {(x, y) for x in range(3) for y in range(2)}
    again = torch.Generator().manual_seed(0)
    assert all(np.array_equal(crop, random_crop(image, 4, again)) for crop in crops)


def test_a_crop_is_never_larger_than_the_short_side() -> None:
    generator = torch.Generator().manual_seed(0)
    assert random_crop(Image.new("RGB", (30, 10)), 400, generator).size == (10, 10)
    assert random_crop(Image.new("RGB", (8, 8)), 8, generator).size == (8, 8)
