"""Score fusion: a frozen copy of CLIP's tower has a say in what regions are, in detection alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from tests.clips import TINY, make_clip
from tests.unit.detector.test_model import images, make_detector, targets
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import roi_align as torchvision_roi_align

from clipgap.augment import FeatureAugmentation, OffsetFeatures
from clipgap.augment.levers import Placed
from clipgap.config import DetectorConfig
from clipgap.detector import Detector
from clipgap.detector.fusion import FrozenClip
from clipgap.errors import ClipgapError, WeightsError
from clipgap.export import export_onnx

SIZES = [(96, 128), (96, 144)]


def frozen_of(detector: Detector) -> FrozenClip:
    assert detector.frozen_clip is not None
    return detector.frozen_clip


def parts_of(detector: Detector, prefix: str) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in detector.state_dict().items() if name.startswith(prefix)}


def train_one_step(detector: Detector) -> None:
    detector.train()
    optimizer = torch.optim.SGD([p for p in detector.parameters() if p.requires_grad], 0.01)
    sum(detector(images(), targets()).values()).backward()
    optimizer.step()
    detector.eval()


def test_off_it_stores_nothing_and_on_all_else_is_drawn_the_same() -> None:
    plain, fused = make_detector().state_dict(), make_detector(fusion=0.35).state_dict()
    assert all(torch.equal(tensor, fused[name]) for name, tensor in plain.items())
    own = set(fused) - set(plain)
    assert own
    assert all(name.startswith("frozen_clip.") for name in own)


def test_probabilities_are_those_of_the_words_on_regions_of_the_whole_map() -> None:
    detector, visual = make_detector(fusion=0.5, temperature=10), make_clip().model.visual
    batch = detector.transform(images())[0].tensors
    boxes = [torch.tensor([[8.0, 8, 90, 70], [40, 20, 120, 90]]), torch.tensor([[0.0, 0, 64, 64]])]
    words = detector.roi_heads.box_predictor.classifier.class_embeddings
    with torch.no_grad():
        ours = frozen_of(detector).probabilities(frozen_of(detector)(batch), boxes, words)
        top = visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(batch)))))
        regions = torchvision_roi_align(top, boxes, TINY.tower.roi_size // 2, 1 / 32, 0, aligned=True)
        expected = (10 * F.normalize(visual.attnpool(regions), dim=-1) @ words.T).softmax(-1)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


def test_classes_are_fused_and_the_background_stays_the_detectors() -> None:
    frozen = frozen_of(make_detector(fusion=0.25))
    scores, by_clip = torch.tensor([[0.5, 0.3, 0.2], [0.0, 1.0, 0.0]]), torch.tensor([[0.9, 0.1], [0.5, 0.5]])
    fused = frozen.fuse(scores, by_clip)
    assert torch.equal(fused[:, 0], scores[:, 0])
    assert fused[0, 1:].tolist() == pytest.approx([0.3**0.75 * 0.9**0.25, 0.2**0.75 * 0.1**0.25])
    assert fused[1, 1:].tolist() == pytest.approx([0.5**0.25, 0])


@pytest.mark.parametrize("settings", [{}, {"roi": "dense", "background": "text"}, {"pooling": "mean"}])
def test_detections_have_the_fused_scores(settings: dict[str, str]) -> None:
    many = {"box_nms_thresh": 1.0, "box_detections_per_img": 1000, "rpn_post_nms_top_n_test": 20, **settings}
    detector, plain = make_detector(fusion=0.35, **many), make_detector(**many)
    found, other = detector.detect(images(), SIZES), plain.detect(images(), SIZES)
    with torch.inference_mode():
        batch, _ = detector.transform(images())
        proposals, _ = detector.rpn(batch, {"0": detector.backbone(batch.tensors)})
        words = detector.roi_heads.box_predictor.classifier.class_embeddings
        by_clip = frozen_of(detector).probabilities(frozen_of(detector)(batch.tensors), proposals, words)
        scores, _ = detector.roi_heads.read(detector.roi_heads.maps(detector.backbone(batch.tensors)), proposals)
    expected = scores[:, 1:] ** 0.65 * by_clip**0.35
    for part, one, before in zip(expected.split([len(boxes) for boxes in proposals]), found, other, strict=True):
        torch.testing.assert_close(one["scores"], part.flatten().sort(descending=True)[0], rtol=1e-4, atol=1e-5)
        assert len(one["boxes"]) == len(before["boxes"]) > 10
        assert not torch.equal(one["scores"], before["scores"])


@pytest.mark.parametrize("batch_norm", ["frozen", "train"])
def test_training_leaves_it_as_it_was(batch_norm: str) -> None:
    detector = make_detector(batch_norm=batch_norm, fusion=0.35)
    before, own = parts_of(detector, "frozen_clip."), parts_of(detector, "roi_heads.")
    assert not any(parameter.requires_grad for parameter in frozen_of(detector).parameters())
    train_one_step(detector)
    assert all(torch.equal(tensor, before[name]) for name, tensor in parts_of(detector, "frozen_clip.").items())
    assert any(not torch.equal(tensor, own[name]) for name, tensor in parts_of(detector, "roi_heads.").items())
    detector.train()
    assert not any(part.training for part in frozen_of(detector).modules())
    assert not any(parameter.requires_grad for parameter in frozen_of(detector).parameters())


def test_augmentation_does_not_move_it() -> None:
    detector = make_detector(fusion=0.35)
    seen: list[Tensor] = []
    frozen_of(detector).register_forward_hook(lambda _, __, output: seen.append(output))
    detector.detect(images(), SIZES)
    offsets = OffsetFeatures(torch.full((1, TINY.tower.c4_channels), 5.0), 1.0)
    augment = FeatureAugmentation([Placed(offsets, None)])
    augment.attach(detector.transform, detector.backbone, torch.Generator().manual_seed(0))
    detector.train()(images(), targets())
    detector.eval().detect(images(), SIZES)
    assert len(seen) == 2  # not in training
    assert torch.equal(*seen)


def test_it_is_saved_and_folded_with_the_detector(tmp_path: Path) -> None:
    detector = make_detector(fusion=0.35)
    train_one_step(detector)
    found = detector.detect(images(1), SIZES[:1])[0]
    detector.save(tmp_path)
    again = Detector.load(tmp_path).detect(images(1), SIZES[:1])[0]
    assert all(torch.equal(found[key], again[key]) for key in found)
    folded = detector.for_inference()
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in frozen_of(folded).trunk.modules())
    faster = folded.detect(images(1), SIZES[:1])[0]
    torch.testing.assert_close(faster["scores"], found["scores"], rtol=0, atol=1e-3)
    half = detector.for_inference("bf16-mixed").detect(images(1), SIZES[:1])[0]
    assert half["scores"].dtype == torch.float32
    make_detector().save(tmp_path / "plain")
    (tmp_path / "plain" / "config.yaml").write_bytes((tmp_path / "config.yaml").read_bytes())
    with pytest.raises(WeightsError, match=r"not the weights that config\.yaml beside it names"):
        Detector.load(tmp_path / "plain")


def test_an_image_without_proposals_has_no_detections(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = make_detector(fusion=0.35)
    monkeypatch.setattr(detector.rpn, "filter_proposals", lambda *_: ([torch.zeros(0, 4)], []))
    assert detector.detect(images(1), SIZES[:1])[0]["boxes"].shape == (0, 4)


def test_what_it_does_not_go_with_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="`fusion` needs `classifier: text`: set it to 0"):
        DetectorConfig(fusion=0.1, classifier="linear")
    with pytest.raises(ClipgapError, match=r"^detector\.fusion: .* cannot be exported to ONNX; train one with"):
        export_onnx(make_detector(fusion=0.1), tmp_path / "out")
    assert not (tmp_path / "out").exists()
