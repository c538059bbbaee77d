"""Laws of boxes: resizing, mirroring, IoU, and the deltas that the detector learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder

from clipgap.config import DetectorConfig
from clipgap.data.dataset import Sample
from clipgap.data.transforms import flip, resize
from clipgap.metrics.voc import box_iou

SIZE = (64, 48)
along, across = (st.integers(0, 8 * side).map(lambda eighths: eighths / 8) for side in SIZE)  # exact in float32
box = st.builds(lambda x, y, u, v: [min(x, u), min(y, v), max(x, u), max(y, v)], along, across, along, across)
some = st.lists(box, max_size=5).map(lambda rows: torch.tensor(rows).reshape(-1, 4))


def sample(boxes: Tensor) -> Sample:
    flags = torch.zeros(len(boxes), dtype=torch.bool)
    target = {"boxes": boxes, "labels": flags.long(), "difficult": flags, "iscrowd": flags, "image_id": "a"}
    return Sample(Image.new("RGB", SIZE), target)  # type: ignore[arg-type]


@given(some)
def test_mirrored_twice_is_as_before_and_once_keeps_rows_sizes_and_the_image(boxes: Tensor) -> None:
    once = flip(sample(boxes))
    mirrored = once.target["boxes"]
    assert torch.equal(flip(once).target["boxes"], boxes)
    assert torch.equal(mirrored[:, 1::2], boxes[:, 1::2])
    assert torch.equal(mirrored[:, 2] - mirrored[:, 0], boxes[:, 2] - boxes[:, 0])
    assert bool(((mirrored >= 0) & (mirrored <= torch.tensor(SIZE * 2))).all())


@given(some, st.integers(1, 200), st.integers(1, 300))
def test_resized_boxes_stay_in_the_image_and_keep_their_share_of_it(boxes: Tensor, short: int, long: int) -> None:
    after = resize(sample(boxes), short, long)
    size = torch.tensor(after.image.size * 2)
    assert torch.allclose(after.target["boxes"] / size, boxes / torch.tensor(SIZE * 2), atol=1e-6)
    assert bool((after.target["boxes"] <= size * (1 + 1e-6)).all())


@given(box, box, st.integers(-100, 100), st.integers(1, 8))
def test_iou_is_the_same_both_ways_moved_and_scaled_and_within_0_and_1(
    one: list[float], other: list[float], by: int, factor: int
) -> None:
    first, second = np.array([one]).T, np.array([other]).T
    iou = box_iou(first, second)[0]
    assert 0 <= iou <= 1
    assert box_iou(second, first)[0] == iou
    assert box_iou(first * factor + by, second * factor + by)[0] == pytest.approx(iou, abs=1e-9)
    area = (one[2] - one[0]) * (one[3] - one[1])
    assert box_iou(first, first)[0] == (1 if area else 0)


@settings(max_examples=50)
@given(some, some, st.sampled_from([(1.0, 1.0, 1.0, 1.0), DetectorConfig().box_reg_weights]))
def test_deltas_of_a_box_from_an_anchor_give_the_box_back(
    boxes: Tensor, anchors: Tensor, weights: tuple[float, ...]
) -> None:
    count = min(len(boxes), len(anchors))
    boxes, anchors = boxes[:count].clone(), anchors[:count].clone()
    boxes[:, 2:], anchors[:, 2:] = boxes[:, 2:] + 1, anchors[:, 2:] + 1  # none without area
    coder = BoxCoder(weights)
    decoded = coder.decode(coder.encode([boxes], [anchors])[0], [anchors]).reshape(-1, 4)
    assert torch.allclose(decoded, boxes, atol=1e-3)
