from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.unit.detector.test_model import images, make_detector, targets

from clipgap.detector import Detector
from clipgap.detector.neck import SimpleFPN, from_levels, level_of, strides
from clipgap.errors import ClipgapError
from clipgap.export import export_onnx

OWN = 64
"""Input size of the CLIP of these tests."""


def test_regions_are_read_where_they_have_as_many_cells_as_clips_input() -> None:
    sides = torch.tensor([0.0, 1, 63.9, 64, 127.9, 128, 5000])
    assert level_of(sides, OWN).tolist() == [0, 0, 0, 1, 1, 2, 2]
    tower = make_detector().spec.tower
    assert (strides(tower, "none"), strides(tower, "simple_fpn")) == ((16,), (8, 16, 32))


def test_regions_of_all_levels_come_back_in_their_order() -> None:
    boxes = [torch.tensor([[0.0, 0, 10, 10], [0, 0, 200, 200], [0, 0, 70, 70]]), torch.tensor([[0.0, 0, 150, 150]])]
    pools = [lambda some, n=n: [torch.cat(some)[:, 2:3] + 1000 * n] for n in range(3)]
    (found,) = from_levels(pools, boxes, OWN)  # type: ignore[arg-type]
    assert found.flatten().tolist() == [10, 2200, 1070, 2150]


@torch.no_grad()
def test_a_fresh_neck_reads_a_region_as_large_as_clips_input_as_without_one() -> None:
    plain, necked = make_detector(), make_detector(neck="simple_fpn")
    batch, boxes = torch.rand(1, 3, 128, 160), [torch.tensor([[0.0, 0, 80, 70], [16, 32, 90, 110]])]
    levels = necked.backbone(batch)
    assert [tuple(one.shape[2:]) for one in levels.values()] == [(16, 20), (8, 10), (4, 5)]
    assert torch.equal(levels["1"], plain.backbone(batch))
    expected = plain.roi_heads.box_head(*[torch.zeros(1, 128, 4, 4)])
    assert len(expected) == 2
    heads = necked.roi_heads
    heads.box_predictor.load_state_dict(plain.roi_heads.box_predictor.state_dict())
    ours = heads.predict(heads.maps(*levels.values()), boxes)
    theirs = plain.roi_heads.predict(plain.roi_heads.maps(plain.backbone(batch)), boxes)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_anchors_are_at_the_level_of_their_size() -> None:
    rpn = make_detector(neck="simple_fpn", anchor_sizes=[16, 32, 64, 128, 256]).rpn
    assert rpn.anchor_generator.num_anchors_per_location() == [6, 3, 6]
    few = make_detector(neck="simple_fpn", anchor_sizes=[16, 32])
    assert few.rpn.anchor_generator.num_anchors_per_location() == [6, 0, 0]
    assert len(few.detect([torch.rand(3, 96, 128)], [(96, 128)])[0]["boxes"]) > 0


@pytest.mark.parametrize("roi", ["per_region", "dense", "atrous"])
def test_losses_reach_every_part_and_both_views_are_aligned(roi: str) -> None:
    detector = make_detector(neck="simple_fpn", roi=roi).train()
    losses = detector(images(), targets())
    sum(losses.values()).backward()
    trained = {name for name, p in detector.named_parameters() if p.requires_grad}
    missing = {name for name in trained if dict(detector.named_parameters())[name].grad is None}
    assert not missing
    assert any(name.startswith("backbone.branches") for name in trained)
    assert not any(name.startswith("backbone.trunk.layer1") for name in trained)


def test_a_detector_with_a_neck_is_saved_made_faster_and_not_exported(tmp_path: Path) -> None:
    detector = make_detector(neck="simple_fpn")
    assert isinstance(detector.backbone, SimpleFPN)
    detector.save(tmp_path / "saved")
    loaded = Detector.load(tmp_path / "saved")
    seen = ([torch.rand(3, 20, 200), torch.rand(3, 130, 90)], [(20, 200), (130, 90)])
    for one, other, third in zip(
        detector.detect(*seen), loaded.detect(*seen), loaded.for_inference().detect(*seen), strict=True
    ):
        assert torch.equal(one["boxes"], other["boxes"])
        torch.testing.assert_close(one["scores"], third["scores"], rtol=1e-3, atol=1e-3)
    with pytest.raises(ClipgapError, match="detector with a neck cannot be exported"):
        export_onnx(detector, tmp_path / "onnx")
