from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision
import torch
from benchmarks.plain_detector import make_plain
from PIL import Image
from tests.clips import TINY, make_clip
from torch import Tensor, nn
from torchvision.ops import roi_align as torchvision_roi_align

from clipgap.clip import ClipSpec, ModifiedResNetSpec
from clipgap.config import DetectorConfig, PromptsConfig
from clipgap.detector import Detector, DetectorSpec
from clipgap.detector.roi_align import roi_align
from clipgap.errors import DataError, WeightsError


def make_detector(batch_norm: str = "frozen", **settings: Any) -> Detector:
    settings = {"box_score_thresh": 0.0, "rpn_post_nms_top_n_train": 200, **settings}
    spec = DetectorSpec(
        classes=["car", "bus"],
        tower=TINY.tower,
        description="a test",
        batch_norm=batch_norm,  # type: ignore[arg-type]
        image={"short_side": 96, "long_side": 160},  # type: ignore[arg-type]
        detector=DetectorConfig(**settings),  # type: ignore[arg-type]
    )
    torch.manual_seed(0)
    return Detector.from_clip(make_clip(), spec)


def images(count: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.rand(3, 96, 128 + 16 * i, generator=generator) for i in range(count)]


def targets(count: int = 2) -> list[dict[str, Tensor]]:
    one = {"boxes": torch.tensor([[10.0, 10, 60, 60], [30, 30, 90, 80]]), "labels": torch.tensor([1, 2])}
    return [one] * count


def test_losses_have_torchvisions_names_and_reach_every_trained_parameter() -> None:
    detector = make_detector().train()
    losses = detector(images(), targets())
    assert set(losses) == {"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"}
    sum(losses.values()).backward()
    trained = {name for name, p in detector.named_parameters() if p.requires_grad}
    assert {name for name, p in detector.named_parameters() if p.grad is not None} == trained
    assert not any(name.startswith(("backbone.stem", "backbone.layer1", "backbone.layer2")) for name in trained)
    assert any(name.startswith("backbone.layer3") for name in trained)
    assert not any(".bn" in name for name in trained)


@pytest.mark.parametrize("settings", [{}, {"pooling": "mean", "classifier": "linear"}, {"batch_norm": "train"}])
def test_losses_and_gradients_are_those_of_layer4_on_all_regions_at_once(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipgap.detector.roi_heads.REGIONS_AT_ONCE", 7)
    detector = make_detector(box_batch_size_per_image=16, **settings).train()
    state = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    found = []
    for one in (detector, make_plain(copy.deepcopy(detector))):
        one.load_state_dict(state)
        torch.manual_seed(1)  # which regions are sampled
        losses = one(images(), targets())
        (3 * sum(losses.values())).backward()
        gradients = {name: p.grad for name, p in one.named_parameters() if p.requires_grad}
        found.append((losses, gradients))
    torch.testing.assert_close(*(losses for losses, _ in found), rtol=1e-5, atol=1e-5)
    for name, gradient in found[1][1].items():
        assert (found[0][1][name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-6, name  # k_proj.bias has none


def test_detections_are_those_of_layer4_on_all_regions_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipgap.detector.roi_heads.REGIONS_AT_ONCE", 7)
    detector = make_detector(rpn_post_nms_top_n_test=50)
    sizes = [(96, 128), (96, 144)]
    ours, plain = detector.detect(images(), sizes), make_plain(detector).detect(images(), sizes)
    for one, other in zip(ours, plain, strict=True):
        assert len(one["boxes"]) > 5
        torch.testing.assert_close(one["boxes"], other["boxes"], rtol=0, atol=0.1)
        torch.testing.assert_close(one["scores"], other["scores"], rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "settings", [{}, {"roi": "dense"}, {"roi": "atrous"}, {"pooling": "mean", "classifier": "linear"}]
)
def test_for_inference_detects_the_same_and_leaves_the_original_as_it_was(settings: dict[str, Any]) -> None:
    detector = make_detector(rpn_post_nms_top_n_test=50, **settings)
    before = detector.detect(images(1), [(96, 128)])[0]
    detector.train()
    faster = detector.for_inference()
    after = faster.detect(images(1), [(96, 128)])[0]
    apart = torch.cdist(before["boxes"], after["boxes"], p=torch.inf)
    assert apart.amin(1).max() < 0.1
    torch.testing.assert_close(before["scores"], after["scores"], rtol=0, atol=1e-3)
    assert detector.training
    assert faster.for_inference() is faster
    with pytest.raises(RuntimeError, match="cannot be trained"):
        faster.train()
    with pytest.raises(RuntimeError, match="cannot be saved"):
        faster.save("anywhere")


def test_fewer_proposals_are_those_of_a_detector_that_was_made_for_fewer() -> None:
    detector, few = make_detector(box_score_thresh=0.0), make_detector(rpn_post_nms_top_n_test=3, box_score_thresh=0.0)
    few.load_state_dict(detector.state_dict())
    faster, seen = detector.for_inference(proposals=3), []
    faster.roi_heads.box_head.pool.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    found, expected = (one.detect(images(1), [(96, 128)])[0] for one in (faster, few.for_inference()))
    assert seen == [3]
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert faster.spec == few.spec.model_copy(update={"weights": faster.spec.weights})
    assert detector.spec.detector.rpn_post_nms_top_n_test != 3


def test_a_copy_for_inference_can_be_asked_for_another_way() -> None:
    folded = make_detector(box_score_thresh=0.0).for_inference()
    few = folded.for_inference("bf16-mixed", proposals=3)
    assert few.half_precision
    assert (folded.half_precision, folded.for_inference(), few.for_inference("bf16-mixed")) == (False, folded, few)
    back = few.for_inference(proposals=folded.spec.detector.rpn_post_nms_top_n_test)
    found, expected = (one.detect(images(1), [(96, 128)])[0] for one in (back, folded))
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_dense_is_layer4_on_the_whole_map() -> None:
    detector = make_detector(roi="dense", rpn_post_nms_top_n_test=20, box_detections_per_img=1000)
    image = torch.rand(1, 3, 96, 128)
    heads = detector.roi_heads
    with torch.no_grad():
        features = detector.backbone(image)
        boxes = [torch.tensor([[8.0, 8, 90, 70], [40, 20, 120, 90]])]
        ours = heads.predict(heads.maps(features), boxes)
        side = TINY.tower.roi_size // 2
        regions = torchvision_roi_align(heads.box_head.layer4(features), boxes, side, 1 / 32, 0, aligned=True)
        expected = heads.box_predictor((heads.box_head.pool(regions), regions.mean((2, 3))))
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-3)
    assert len(detector.detect([image[0]], [(96, 128)])[0]["boxes"]) > 0
    losses = detector.train()(images(), targets())
    sum(losses.values()).backward()
    assert detector.roi_heads.box_head.layer4[0].conv1.weight.grad.abs().sum() > 0


def plain_atrous(layer4: nn.Module) -> nn.Module:
    """The same weights with layer4's two poolings taken out and its later 3x3 convolutions dilated in place."""
    plain = copy.deepcopy(layer4)
    plain[0].avgpool = plain[0].downsample[0] = nn.Identity()
    for block in plain[1:]:
        block.conv2.dilation = block.conv2.padding = (2, 2)
    return plain


def test_atrous_is_layer4_without_its_stride_with_its_gradients() -> None:
    tower = ModifiedResNetSpec(embed_dim=32, image_size=64, layers=(1, 1, 1, 3), width=8)
    part = make_clip(ClipSpec(tower, TINY.text, True)).roi_part
    features = torch.randn(1, 128, 7, 9, generator=torch.Generator().manual_seed(0))
    part.requires_grad_(True)
    plain = plain_atrous(part.layer4)
    found = []
    for layer4, run in ((part.layer4, part.atrous), (plain, plain)):
        x = features.clone().requires_grad_()
        out = run(x)
        (out**2).sum().backward()
        found.append((out.detach(), x.grad, [p.grad for p in layer4.parameters()]))
    assert found[0][0].shape == (1, 256, 7, 9)
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)


def test_atrous_regions_are_pooled_at_the_stride_of_c4() -> None:
    detector = make_detector(roi="atrous", rpn_post_nms_top_n_test=20)
    heads = detector.roi_heads
    with torch.no_grad():
        features = detector.backbone(torch.rand(1, 3, 96, 128))
        boxes = [torch.tensor([[8.0, 8, 90, 70], [40, 20, 120, 90]])]
        ours = heads.predict(heads.maps(features), boxes)
        side = TINY.tower.roi_size // 2
        layer4 = plain_atrous(heads.box_head.layer4)
        regions = torchvision_roi_align(layer4(features), boxes, side, 1 / 16, 0, aligned=True)
        expected = heads.box_predictor((heads.box_head.pool(regions), regions.mean((2, 3))))
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-3)
    assert len(detector.detect(images(1), [(96, 128)])[0]["boxes"]) > 0
    losses = detector.train()(images(), targets())
    sum(losses.values()).backward()
    assert detector.roi_heads.box_head.layer4[0].conv1.weight.grad.abs().sum() > 0


def test_an_image_without_boxes_is_a_negative() -> None:
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    losses = make_detector().train()(images(1), [empty])
    assert all(bool(torch.isfinite(loss)) for loss in losses.values())
    assert losses["loss_box_reg"].item() == 0
    assert losses["loss_classifier"].item() > 0


@pytest.mark.parametrize("mode", ["frozen", "train"])
def test_batch_norm_frozen_keeps_and_train_moves_every_statistic(mode: str) -> None:
    detector = make_detector(batch_norm=mode).train()
    before = {name: b.clone() for name, b in detector.named_buffers() if "running" in name}
    detector(images(), targets())
    moved = {name: not torch.equal(before[name], b) for name, b in detector.named_buffers() if "running" in name}
    assert len(moved) > 20
    assert set(moved.values()) == {mode == "train"}
    weights = [p.requires_grad for n, p in detector.named_parameters() if n.startswith("backbone.layer3") and "bn" in n]
    assert set(weights) == {mode == "train"}


@pytest.mark.parametrize(("mode", "heads_see_it"), [("frozen", True), ("train", False)])
def test_what_rpn_and_roi_heads_see_of_an_offset(mode: str, heads_see_it: bool) -> None:
    """METHOD, section 7: with one image, BatchNorm in train mode subtracts a constant offset in layer4 exactly."""
    detector = make_detector(batch_norm=mode).train()
    features = torch.randn(1, TINY.tower.c4_channels, 8, 8, generator=torch.Generator().manual_seed(1)).relu()
    offset = torch.randn(1, TINY.tower.c4_channels, 1, 1, generator=torch.Generator().manual_seed(2))
    boxes = [torch.tensor([[0.0, 0, 100, 100], [20, 20, 90, 120], [50, 10, 120, 60]])]

    def seen(moved: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            objectness = detector.rpn.head([moved])[0][0]
            regions = roi_align(moved, boxes, TINY.tower.roi_size, 16)
            return objectness, detector.roi_heads.box_head(regions)[0]

    (rpn, heads), (rpn_moved, heads_moved) = seen(features), seen(features + offset)
    assert (rpn_moved - rpn).abs().mean() > 0.1 * rpn.std()
    change = 1 - nn.functional.cosine_similarity(heads, heads_moved).mean()
    if heads_see_it:
        assert change > 1e-2
    else:
        assert change < 1e-5


def test_a_padded_batch_gives_each_image_what_it_gives_alone() -> None:
    detector = make_detector()
    small, large = torch.rand(3, 64, 64), torch.rand(3, 128, 160)
    together = detector.detect([small, large], [(64, 64), (128, 160)])
    alone = detector.detect([large], [(128, 160)])
    apart = torch.cdist(together[1]["boxes"], alone[0]["boxes"], p=torch.inf)  # in any order: scores can nearly tie
    assert max(apart.amin(0).max(), apart.amin(1).max()) < 1e-2
    assert float(together[0]["boxes"].max()) <= 64


def test_detections_are_in_the_originals_pixels() -> None:
    detector = make_detector()
    once = detector.detect(images(1), [(96, 128)])[0]
    twice = detector.detect(images(1), [(192, 256)])[0]
    assert len(once["boxes"]) > 0
    torch.testing.assert_close(twice["boxes"], once["boxes"] * 2)


def test_a_saved_detector_needs_no_clip_and_predicts_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = make_detector()
    detector.save(tmp_path / "run")
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["config.yaml", "model.safetensors"]
    monkeypatch.setattr("open_clip.CLIP.__init__", None)
    loaded = Detector.load(tmp_path / "run")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 80, 3), dtype=np.uint8))
    picture.save(tmp_path / "a.png")
    one = loaded.predict(tmp_path / "a.png")
    assert isinstance(one, supervision.Detections)
    assert len(one) > 0
    assert one.data["class_name"].tolist() == [["car", "bus"][i] for i in one.class_id]
    many = detector.predict([picture, np.asarray(picture)])
    for other in many:
        np.testing.assert_array_equal(one.xyxy, other.xyxy)


@pytest.mark.parametrize(
    ("settings", "trained"),
    [
        ({"classifier": "linear"}, "roi_heads.box_predictor.classifier.weight"),
        ({"pooling": "mean"}, "roi_heads.box_head.pool.proj.weight"),
    ],
)
def test_ablations_learn_their_own_layers(tmp_path: Path, settings: dict[str, str], trained: str) -> None:
    detector = make_detector(**settings).train()
    sum(detector(images(), targets()).values()).backward()
    grad = dict(detector.named_parameters())[trained].grad
    assert grad is not None
    assert grad.abs().sum() > 0
    detector.save(tmp_path)
    assert Detector.load(tmp_path).spec.detector == detector.spec.detector


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda folder: (folder / "config.yaml").write_text("- 1"), r"config\.yaml: not the config\.yaml"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x"), r"model\.safetensors: not the weights"),
    ],
)
def test_a_broken_folder_is_one_clear_line(tmp_path: Path, break_it: object, message: str) -> None:
    make_detector().save(tmp_path)
    break_it(tmp_path)  # type: ignore[operator]
    with pytest.raises(WeightsError, match=message) as error:
        Detector.load(tmp_path)
    assert "\n" not in str(error.value)


def test_classes_of_one_template_have_its_text_embedding_and_of_several_the_unit_mean() -> None:
    clip, detector = make_clip(), make_detector()
    plain = clip.embed_text(["a photo of a car", "a photo of a bus"])
    assert torch.equal(detector.roi_heads.box_predictor.classifier.class_embeddings, plain)
    prompts = PromptsConfig(class_template=["a photo of a {}", "the {}"], class_names={"bus": ["coach", "bus"]})
    several = Detector.from_clip(clip, detector.spec, prompts).roi_heads.box_predictor.classifier.class_embeddings
    buses = clip.embed_text(["a photo of a coach", "a photo of a bus", "the coach", "the bus"])
    torch.testing.assert_close(several[1], nn.functional.normalize(buses.mean(0), dim=0))
    assert not torch.equal(several[0], plain[0])


def test_an_array_of_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match=r"expected an RGB array .* got \(3, 20, 20\) of uint8"):
        make_detector().predict(np.zeros((3, 20, 20), dtype=np.uint8))


@pytest.mark.parametrize("thing", [3, None, b"bytes", torch.zeros(3, 20, 20), ("a.png",)])
def test_what_is_no_picture_at_all_is_told_what_would_be(thing: object) -> None:
    with pytest.raises(DataError, match=rf"predict takes a file's path, a PIL .* got {type(thing).__name__}$"):
        make_detector().predict(thing)  # type: ignore[call-overload]


@pytest.mark.parametrize("roi", ["per_region", "dense", "atrous"])
def test_images_too_flat_for_a_cell_of_layer4_are_padded(roi: str) -> None:
    """Alone and beside others; in detection boxes stay inside them, training goes on."""
    detector = make_detector(roi=roi)
    flat = torch.rand(3, 1, 160, generator=torch.Generator().manual_seed(0))
    for found in detector([flat]) + detector([images(1)[0], flat])[1:]:
        assert bool((found["boxes"][:, 3] <= 1).all())
    target = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    losses = detector.train()([flat], [target])
    assert all(bool(torch.isfinite(loss)) for loss in losses.values())
    batch = detector.transform(images(), None)[0].tensors
    assert batch.shape == (2, 3, 96, 144)  # the others are as they were


@pytest.mark.parametrize("part", ["backbone", "rpn", "roi_heads"])
@pytest.mark.parametrize("factor", [math.nan, 1e30])
@pytest.mark.parametrize("folded", [False, True])
def test_numbers_that_overflow_detect_nothing(part: str, factor: float, folded: bool) -> None:
    """The largest weights are still finite; what they multiply to is not, and no proposal may be left."""
    detector = make_detector()
    with torch.no_grad():
        for parameter in getattr(detector, part).parameters():
            parameter.mul_(factor)
    detector = detector.for_inference() if folded else detector
    for found in detector.detect(images(), [(96, 128)] * 2) + detector.detect(images(1), [(96, 128)]):
        assert [found[key].shape for key in ("boxes", "scores", "labels")] == [(0, 4), (0,), (0,)]


def test_half_precision_multiplies_in_bfloat16_and_keeps_boxes_in_float32() -> None:
    half, seen = make_detector().for_inference("bf16-mixed"), []
    half.roi_heads.box_head.pool.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].dtype))
    predicted: list[torch.dtype] = []
    for layer in (half.rpn.head.cls_logits, half.rpn.head.bbox_pred, half.roi_heads.box_predictor.bbox_pred):
        layer.register_forward_hook(lambda _, inputs, output: predicted.extend([inputs[0].dtype, output.dtype]))
    found = half.detect(images(1), [(96, 128)])[0]
    assert set(seen) == {torch.bfloat16}
    assert set(predicted) == {torch.float32}
    assert found["boxes"].dtype == found["scores"].dtype == torch.float32
    whole = make_detector().for_inference()
    batch = whole.transform(images(1))[0].tensors
    with torch.no_grad():
        expected = whole.backbone(batch)
        with torch.autocast("cpu", torch.bfloat16):
            features = half.backbone(batch)
    assert 0 < float((features - expected).norm() / expected.norm()) < 0.05


def test_bytes_of_an_image_give_the_losses_of_its_numbers_to_the_bit() -> None:
    detector = make_detector().train()
    seen = [(255 * image).round().byte() for image in images()]
    torch.manual_seed(0)
    ours = detector(seen, targets())
    torch.manual_seed(0)
    theirs = detector([image.float().div_(255) for image in seen], targets())
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
