"""Detectors of a backbone without text: every way of running, trained, saved and loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.runs import make_run, run_config
from tests.unit.detector.test_model import images, make_detector, targets
from torchvision.ops import roi_align

from clipgap.clip import load_backbone
from clipgap.clip.towers.efficientnet_lite import EfficientNetLiteSpec
from clipgap.config import ClipConfig, DetectorConfig, RunConfig, load_config
from clipgap.detector import Detector, DetectorSpec
from clipgap.engine.fit import fit
from clipgap.engine.train import train
from clipgap.errors import ConfigError
from clipgap.export import OnnxDetector, export_onnx

LITE = "clip={name: efficientnet_lite0, pretrained: random}"
LINEAR = ("detector.classifier=linear", "detector.pooling=mean")
PARTS = ["stem", "layer1", "layer2", "layer3", "layer4"]


def lite_detector(batch_norm: str = "frozen", **settings: Any) -> Detector:
    chosen: dict[str, Any] = {"box_score_thresh": 0.0, "rpn_post_nms_top_n_test": 50, "box_batch_size_per_image": 8}
    spec = DetectorSpec(
        classes=["car", "bus"],
        tower=EfficientNetLiteSpec(),
        description="a test",
        batch_norm=batch_norm,  # type: ignore[arg-type]
        image={"short_side": 96, "long_side": 160},  # type: ignore[arg-type]
        detector=DetectorConfig(classifier="linear", pooling="mean", **(chosen | settings)),
    )
    torch.manual_seed(0)
    return Detector.from_clip(load_backbone(ClipConfig(name="efficientnet_lite0", pretrained="random")), spec)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("lite"))


def lite_config(folder: Path, *overrides: str) -> RunConfig:
    return run_config(folder, LITE, *LINEAR, "augment.kind=none", *overrides)


@pytest.mark.parametrize("roi", ["per_region", "dense", "atrous"])
def test_it_is_trained_saved_loaded_and_predicts(folder: Path, tmp_path: Path, roi: str) -> None:
    config = lite_config(folder, f"detector.roi={roi}", "train.steps=3", f"run.out={tmp_path / 'run'}")
    trained = train(config, show=False)
    assert "family: efficientnet_lite0\n" in (trained.path / "config.yaml").read_text()
    detector = Detector.load(trained.path)
    assert detector.spec.description == "efficientnet_lite0, weights: random (seed 0); no augmentation"
    picture = np.random.default_rng(0).integers(0, 255, (96, 128, 3), dtype=np.uint8)
    found = detector.predict(picture)
    assert len(found) > 0
    faster = detector.for_inference().predict(picture)
    assert found.confidence is not None
    assert faster.confidence is not None
    np.testing.assert_allclose(np.sort(faster.confidence), np.sort(found.confidence), atol=1e-3)


@pytest.mark.parametrize(("roi", "stride"), [("dense", 32), ("atrous", 16)])
def test_regions_are_pooled_from_one_map(roi: str, stride: int) -> None:
    detector = lite_detector(roi=roi)
    heads, part = detector.roi_heads, detector.roi_heads.box_head
    boxes = [torch.tensor([[8.0, 8, 90, 70], [40, 20, 120, 90]])]
    with torch.no_grad():
        features = detector.backbone(torch.rand(1, 3, 96, 128))
        whole = part.layer4(features) if roi == "dense" else part.atrous(features)
        means = roi_align(whole, boxes, 7, 1 / stride, 0, aligned=True).mean((2, 3))
        torch.testing.assert_close(
            heads.predict(heads.maps(features), boxes), heads.box_predictor((means, means)), rtol=1e-4, atol=1e-4
        )


def test_per_region_is_the_blocks_on_every_region() -> None:
    detector = lite_detector()
    heads, boxes = detector.roi_heads, [torch.tensor([[8.0, 8, 90, 70], [40, 20, 120, 90]])]
    with torch.no_grad():
        features = detector.backbone(torch.rand(1, 3, 96, 128))
        regions = roi_align(features, boxes, 14, 1 / 16, 0, aligned=True)
        expected = heads.box_predictor(heads.box_head(regions))
        torch.testing.assert_close(heads.predict(heads.maps(features), boxes), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frozen", [PARTS[:count] for count in range(6)])
def test_every_part_can_be_frozen(frozen: list[str]) -> None:
    detector = lite_detector(frozen=frozen, roi="dense").train()
    sum(detector(images(1), targets(1)).values()).backward()
    trained = {name for name, p in detector.named_parameters() if p.requires_grad}
    assert {name for name, p in detector.named_parameters() if p.grad is not None} == trained
    prefixes = {part: f"backbone.{part}." for part in PARTS[:4]} | {"layer4": "roi_heads.box_head.layer4."}
    for part, prefix in prefixes.items():
        assert any(name.startswith(prefix) for name in trained) is (part not in frozen), part


@pytest.mark.parametrize("mode", ["frozen", "train"])
def test_batch_norm_frozen_keeps_and_train_moves_every_statistic(mode: str) -> None:
    detector = lite_detector(mode).train()
    before = {name: b.clone() for name, b in detector.named_buffers() if "running" in name}
    detector(images(), targets())
    moved = {name: not torch.equal(before[name], b) for name, b in detector.named_buffers() if "running" in name}
    assert set(moved.values()) == {mode == "train"}


def test_images_are_normalised_as_the_tower_was_trained() -> None:
    batch = lite_detector().transform([torch.full((3, 96, 128), 127 / 255)], None)[0].tensors
    torch.testing.assert_close(batch, torch.zeros_like(batch), atol=1e-6, rtol=0)
    assert make_detector().transform.image_mean == [0.48145466, 0.4578275, 0.40821073]


@pytest.mark.slow
def test_the_exported_detector_finds_the_same(tmp_path: Path) -> None:
    detector = lite_detector(roi="dense")
    torch.nn.init.normal_(detector.rpn.head.cls_logits.weight, std=0.3)  # as they begin, all scores tie
    assert export_onnx(detector, tmp_path / "onnx").difference < 1e-4
    image = np.random.default_rng(0).integers(0, 255, (101, 147, 3), dtype=np.uint8)
    plain, ours = detector.predict(image), OnnxDetector.load(tmp_path / "onnx", threads=1).predict(image)
    assert len(plain) == len(ours) > 20
    np.testing.assert_allclose(ours.xyxy, plain.xyxy, atol=0.1)


def test_what_needs_text_is_refused_in_one_line(folder: Path) -> None:
    needed = "set detector.classifier=linear, detector.pooling=mean, augment.kind=none"
    with pytest.raises(ConfigError, match=f"clip.name=efficientnet_lite0 has no text: {needed}$"):
        run_config(folder, LITE)
    with pytest.raises(ConfigError, match=r"has no text: set augment\.kind=none$"):
        run_config(folder, LITE, *LINEAR)
    with pytest.raises(ConfigError, match=r"clip\.name=efficientnet_lite0 has no text, which is needed here"):
        fit(lite_config(folder), show=False)


def test_the_recipe_of_photographs_is_one_of_them() -> None:
    config = load_config(Path(__file__).parents[3] / "recipes" / "photos_imagenet.yaml")
    assert (config.clip.name, config.augment.kind, config.detector.roi) == ("efficientnet_lite0", "none", "per_region")


def test_folders_from_before_there_were_families_load(tmp_path: Path) -> None:
    make_detector().save(tmp_path)
    file = tmp_path / "config.yaml"
    text = "".join(file.read_text().splitlines(keepends=True)[1:])  # one's own to change
    assert text.count("  family: modified_resnet\n") == 1
    file.write_text(text.replace("  family: modified_resnet\n", ""))
    spec = Detector.load(tmp_path).spec
    assert spec.model_copy(update={"weights": None}) == make_detector().spec
    file.write_text(text.replace("family: modified_resnet", "family: vgg"))
    known = "modified_resnet, convnext, vit, siglip, efficientnet_lite0"
    with pytest.raises(ConfigError, match=rf"config\.yaml: tower: .*there are: {known}"):
        Detector.load(tmp_path)
    file.write_text(text.replace("  width: 8\n", "  width: none\n"))
    with pytest.raises(ConfigError, match=r"config\.yaml: tower\.width: expected a whole number"):
        Detector.load(tmp_path)
