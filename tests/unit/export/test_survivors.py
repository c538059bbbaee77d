"""Non-maximum suppression as a mask."""

from __future__ import annotations

import torch
from torchvision.ops import box_iou

from clipgap.export.survivors import survivors


def test_a_box_stays_unless_a_better_one_that_stays_covers_it() -> None:
    torch.manual_seed(0)
    corners = torch.rand(3, 40, 2) * 50
    boxes = torch.cat([corners, corners + 5 + torch.rand(3, 40, 2) * 30], -1)
    scores = torch.rand(3, 40)
    scores[1, :20] = -torch.inf
    scores[2] = 0
    found = survivors(boxes, scores, 0.4, 0.1)
    for some, of, stays in zip(boxes, scores, found, strict=True):
        expected: list[int] = []
        for place in of.argsort(descending=True).tolist():
            better = box_iou(some[place][None], some[expected])
            if of[place] > 0.1 and not (better > 0.4).any():
                expected.append(place)
        assert stays.nonzero()[:, 0].tolist() == sorted(expected)
    assert [bool(one.any()) for one in found] == [True, True, False]


def test_the_exporter_knows_its_shape() -> None:
    boxes, scores = torch.tensor([[[0.0, 0, 2, 2], [1, 1, 3, 3]]]), torch.tensor([[0.5, 0.7]])
    torch.library.opcheck(
        torch.ops.clipgap.survivors.default, (boxes, scores, 0.4, 0.1), test_utils=("test_schema", "test_faketensor")
    )
