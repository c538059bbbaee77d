"""Two views of an image shall be read alike: the losses, and their gradients against plain autograd."""

from __future__ import annotations

import pytest
import torch
from tests.unit.detector.test_model import images, make_detector, targets
from torch.nn import functional as F

from clipgap.config import AlignConfig, load_config
from clipgap.detector import Detector, roi_heads
from clipgap.detector.losses import alignment_losses
from clipgap.errors import ConfigError


def test_views_that_agree_cost_nothing_and_others_what_the_formula_says() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, deltas = torch.randn(4, 3, generator=draw), torch.randn(4, 12, generator=draw)
    other, moved = torch.randn(4, 3, generator=draw), torch.randn(4, 12, generator=draw)
    labels = torch.tensor([0, 2, 1, 0])
    assert [float(loss) for loss in alignment_losses((logits, deltas), (logits, deltas), labels, 4, 2)] == [0.0, 0.0]
    classes, boxes = alignment_losses((logits, deltas), (other, moved), labels, 4, 2)
    p, q = other.softmax(-1), logits.softmax(-1)
    torch.testing.assert_close(classes, (p * (p / q).log()).sum(-1).mean())
    true = [one.reshape(4, 3, 4)[[1, 2], [2, 1]] for one in (moved, deltas)]
    torch.testing.assert_close(boxes, F.smooth_l1_loss(*true))


def gradients(at_once: int, monkeypatch: pytest.MonkeyPatch, **align: float) -> dict[str, torch.Tensor]:
    monkeypatch.setattr(roi_heads, "REGIONS_AT_ONCE", at_once)
    detector: Detector = make_detector(box_batch_size_per_image=16, classifier="linear", box_init_std=1.0).train()
    detector.roi_heads.box_predictor.classifier.weight.data *= 1000  # or a random tower says the same of any region
    detector.roi_heads.align = AlignConfig(**align) if align else None
    views = [*images(), *(0.1 * image for image in images())]
    torch.manual_seed(5)
    losses = detector(views, targets() * 2)
    sum(losses.values()).backward()
    found = {name: loss.detach() for name, loss in losses.items()}
    return found | {name: p.grad for name, p in detector.named_parameters() if p.grad is not None}


def test_pieces_give_the_gradients_of_plain_autograd(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one piece the losses are an ordinary graph; in pieces every gradient is taken and gathered on the way."""
    plain = gradients(10_000, monkeypatch, classes=1.0, boxes=0.5)
    pieces = gradients(7, monkeypatch, classes=1.0, boxes=0.5)
    assert {"loss_align_classes", "loss_align_boxes"} < set(plain)
    for name, value in plain.items():
        torch.testing.assert_close(pieces[name], value, rtol=1e-4, atol=1e-6)


def test_alignment_reaches_the_tower_and_off_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    off, none = gradients(64, monkeypatch), gradients(64, monkeypatch, classes=0.0, boxes=0.0)
    on = gradients(64, monkeypatch, classes=1.0)
    assert float(on["loss_align_classes"]) > 0
    assert float(on["loss_align_boxes"]) == 0
    assert torch.equal(off["loss_classifier"], on["loss_classifier"])
    weight = "backbone.layer3.0.conv1.weight"
    assert torch.equal(off[weight], none[weight])
    assert not torch.equal(off[weight], on[weight])


def test_a_tower_that_is_frozen_as_a_whole_trains_what_is_left() -> None:
    frozen = ["stem", "layer1", "layer2", "layer3", "layer4", "attnpool"]
    detector = make_detector(frozen=frozen, box_batch_size_per_image=64).train()
    sum(detector(images(), targets()).values()).backward()
    assert detector.roi_heads.box_predictor.bbox_pred.weight.grad.abs().sum() > 0


def test_alignment_without_two_views_is_told() -> None:
    with pytest.raises(ConfigError, match=r"align compares two views of an image: set diversify\.views=2"):
        load_config("mini_world", ["align={classes: 1}"])
    with pytest.raises(ConfigError, match="views: 2 needs a lever"):
        load_config("mini_world", ["diversify.views=2"])
