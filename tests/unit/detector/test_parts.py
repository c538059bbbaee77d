"""The places where detectron2 and torchvision differ, one by one (METHOD, section 4)."""

from __future__ import annotations

import math

import pytest
import torch
from tests.clips import TINY
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import roi_align as torchvision_roi_align

from clipgap.config import DetectorConfig
from clipgap.detector.anchors import Anchors
from clipgap.detector.heads import BoxPredictor, TextClassifier, linear_classifier
from clipgap.detector.losses import detection_losses
from clipgap.detector.pieces import sum_of_pieces
from clipgap.detector.roi_align import roi_align
from clipgap.detector.roi_heads import in_pieces
from clipgap.detector.rpn import ProposalNetwork


def anchors_of(height: int, width: int, sizes: list[float], ratios: list[float]) -> Tensor:
    images = ImageList(torch.zeros(1, 3, height * 16, width * 16), [(height * 16, width * 16)])
    return Anchors(sizes, ratios, 16)(images, [torch.zeros(1, 8, height, width)])[0]


def test_anchors_are_size_outer_ratio_inner_and_not_rounded() -> None:
    anchors = anchors_of(1, 1, [32, 64], [0.5, 1, 2])
    half = 32 / math.sqrt(0.5) / 2
    expected = [
        [-half, -half / 2, half, half / 2],
        [-16, -16, 16, 16],
        [-half / 2, -half, half / 2, half],
        [-2 * half, -half, 2 * half, half],
    ]
    torch.testing.assert_close(anchors[:4], torch.tensor(expected))
    assert len(anchors) == 6


def test_anchor_centres_are_multiples_of_16_row_by_row() -> None:
    anchors = anchors_of(2, 3, [32], [1])
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    assert centres.tolist() == [[0, 0], [16, 0], [32, 0], [0, 16], [16, 16], [32, 16]]


def test_proposals_are_ranked_by_logit_even_where_the_sigmoid_is_one() -> None:
    rpn = ProposalNetwork(TINY.tower, DetectorConfig(rpn_post_nms_top_n_test=1)).eval()
    logits = torch.tensor([[20.0], [40.0], [30.0]])
    assert torch.sigmoid(logits).unique().numel() == 1
    boxes = torch.tensor([[[0.0, 0, 10, 10], [20, 20, 30, 30], [40, 40, 50, 50]]])
    (kept,), (kept_logits,) = rpn.filter_proposals(boxes, logits, [(64, 64)], [3])
    assert kept.tolist() == [[20, 20, 30, 30]]
    assert kept_logits.tolist() == [40]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_logits_do_not_tie_in_half_precision(dtype: torch.dtype) -> None:
    """As many anchors as an image of 600 x 800 has; of bfloat16's own numbers only a few hundred are among the best."""
    head = ProposalNetwork(TINY.tower, DetectorConfig()).head
    features = torch.randn(1, TINY.tower.c4_channels, 37, 50, generator=torch.Generator().manual_seed(0))
    torch.nn.init.normal_(head.cls_logits.weight, std=1.0, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", dtype), torch.no_grad():
        (logits,), (deltas,) = head([features])
    assert logits.dtype == deltas.dtype == torch.float32
    assert logits.numel() == 27_750
    assert len(logits.flatten().topk(6000).values.unique()) > 5900
    assert len(deltas[:, 0].unique()) > 1800  # of 1850 cells


@pytest.mark.parametrize("classifier", [TextClassifier(torch.eye(6, 8), 100.0, 0.0), linear_classifier(8, 6)])
def test_the_box_predictor_is_not_in_half_precision(classifier: nn.Module) -> None:
    predictor = BoxPredictor(classifier, channels=5, classes=6)
    pooled = (torch.randn(4, 8).bfloat16(), torch.randn(4, 5).bfloat16())
    expected = predictor((pooled[0].float(), pooled[1].float()))
    with torch.autocast("cpu", torch.bfloat16):
        found = predictor(pooled)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_only_empty_proposals_are_dropped_after_clipping_to_the_unpadded_image() -> None:
    rpn = ProposalNetwork(TINY.tower, DetectorConfig()).eval()
    boxes = torch.tensor([[[0.0, 0, 1e-4, 10], [70, 0, 90, 10], [60, 60, 80, 80], [5, 5, 5, 9]]])
    (kept,), _ = rpn.filter_proposals(boxes, torch.tensor([[4.0], [3], [2], [1]]), [(64, 64)], [4])
    torch.testing.assert_close(kept, torch.tensor([[0.0, 0, 1e-4, 10], [60, 60, 64, 64]]))


def test_rpn_losses_divide_sums_by_256_an_image_and_are_l1() -> None:
    rpn = ProposalNetwork(TINY.tower, DetectorConfig())
    labels = [torch.tensor([1.0, 0, -1])]
    logits = torch.tensor([[2.0], [-1], [5]])
    deltas, targets = torch.tensor([[0.5, 0, 0, 0], [9, 9, 9, 9], [9, 9, 9, 9]]), [torch.zeros(3, 4)]
    objectness, box = rpn.compute_loss(logits, deltas, labels, targets)
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))) / 256
    assert objectness.item() == pytest.approx(expected, rel=1e-5)
    assert box.item() == pytest.approx(0.5 / 256)


def test_box_loss_is_l1_of_the_true_class_over_all_regions() -> None:
    deltas = torch.zeros(4, 3 * 4)
    deltas[0, 8:12] = torch.tensor([1.0, -2, 0, 0])  # class 2, the true one
    deltas[0, 4:8] = 50.0
    labels = torch.tensor([2, 0, 0, 0])
    logits = torch.zeros(4, 3)
    classifier, box_reg = detection_losses(logits, deltas, labels, torch.zeros(4, 4), 4)
    assert box_reg.item() == pytest.approx(3 / 4)
    assert classifier.item() == pytest.approx(math.log(3))


def test_losses_of_an_image_without_foreground_are_finite_and_have_gradients() -> None:
    deltas = torch.zeros(2, 12, requires_grad=True)
    _, box_reg = detection_losses(torch.zeros(2, 3), deltas, torch.tensor([0, 0]), torch.full((2, 4), -math.inf), 2)
    box_reg.backward()
    assert box_reg.item() == 0
    assert deltas.grad is not None


def test_roi_align_is_aligned() -> None:
    ramp = torch.arange(8.0).expand(1, 1, 8, 8).contiguous()  # the value at cell x is x, at its centre (x + 0.5) * 16
    region = roi_align(ramp, [torch.tensor([[32.0, 32, 64, 64]])], size=2, stride=16)
    torch.testing.assert_close(region[0, 0, 0], torch.tensor([2.0, 3.0]))  # without `aligned` 2.5 and 3.5


@pytest.mark.parametrize("halved", [False, True])
@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_roi_align_is_torchvisions_with_its_gradients(sampling_ratio: int, halved: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(3, 5, 19, 33, generator=generator).requires_grad_()
    corners = torch.rand(40, 2, generator=generator) * torch.tensor([33 * 16, 19 * 16]) - 20
    boxes = torch.cat([corners, corners + torch.rand(40, 2, generator=generator) ** 2 * 400], dim=1)
    boxes[0, 2:] = boxes[0, :2]  # empty
    boxes[1] = torch.tensor([-900.0, -900, -800, -800])  # outside
    of_images = [boxes[:25], boxes[:0], boxes[25:]]
    ours = roi_align(features, of_images, 6, 16, sampling_ratio, halved)
    theirs = torchvision_roi_align(features, of_images, 6, 1 / 16, sampling_ratio, aligned=True)
    theirs = F.avg_pool2d(theirs, 2) if halved else theirs
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
    weights = torch.randn(ours.shape, generator=generator)
    gradients = [torch.autograd.grad((one * weights).sum(), features)[0] for one in (ours, theirs)]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-4)
    assert roi_align(features, [boxes[:0]] * 3, 6, 16).shape == (0, 5, 6, 6)


def test_pieces_cover_all_boxes_in_order() -> None:
    boxes = [torch.arange(n * 4.0).reshape(n, 4) + 100 * n for n in (3, 0, 5)]
    pieces = list(in_pieces(boxes, 4))
    assert [[len(one) for one in piece] for piece in pieces] == [[3, 0, 1], [0, 0, 4]]
    assert torch.equal(torch.cat([torch.cat(piece) for piece in pieces]), torch.cat(boxes))
    assert [len(piece) for piece in in_pieces([boxes[1]], 4)] == [1]


def test_losses_of_pieces_cannot_be_weighted_differently() -> None:
    weight = torch.ones(2, requires_grad=True)
    one, other = sum_of_pieces(lambda maps, piece: (weight[0] * piece, weight[1] * piece), 3, [], [weight])
    with pytest.raises(RuntimeError, match="weighted differently"):
        (one + 2 * other).backward()
    one, other = sum_of_pieces(lambda maps, piece: (weight[0] * piece, weight[1] * piece), 3, [], [weight])
    (2 * (one + other)).backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [6, 6]


def test_text_logits_are_scaled_cosines_after_a_constant_background() -> None:
    classes = F.normalize(torch.tensor([[1.0, 0], [1, 1]]), dim=1)
    logits = TextClassifier(classes, 100.0, 0.0)(torch.tensor([[3.0, 0]]))
    torch.testing.assert_close(logits, torch.tensor([[0.0, 100, 100 / math.sqrt(2)]]))


@pytest.mark.parametrize("background", [torch.tensor([0.0, 2.0]), nn.Parameter(torch.tensor([0.0, 2.0]))])
def test_a_background_with_an_embedding_is_scored_as_a_class_is(background: Tensor) -> None:
    classes = F.normalize(torch.tensor([[1.0, 0], [1, 1]]), dim=1)
    classifier = TextClassifier(classes, 10.0, 0.0, background)
    torch.testing.assert_close(classifier(torch.tensor([[3.0, 4.0]])), torch.tensor([[8.0, 6, 14 / math.sqrt(2)]]))
    assert [name for name, _ in classifier.named_parameters()] == ["background"][: isinstance(background, nn.Parameter)]
    assert set(classifier.state_dict()) == {"class_embeddings", "background"}
    assert set(TextClassifier(classes, 10.0, 0.0).state_dict()) == {"class_embeddings"}


def test_boxes_are_regressed_from_the_mean_not_from_the_embedding() -> None:
    predictor = BoxPredictor(TextClassifier(torch.eye(2), 100.0, 0.0), channels=5, classes=2)
    embedding, mean = torch.randn(3, 2), torch.randn(3, 5)
    _, deltas = predictor((embedding, mean))
    assert deltas.shape == (3, 12)
    torch.testing.assert_close(deltas, predictor.bbox_pred(mean))
    assert predictor.bbox_pred.weight.std().item() == pytest.approx(0.001, rel=0.5)
