"""An exported detector finds what the detector finds; what is missing or foreign is told in one line."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clipgap.config import EvaluateConfig
from clipgap.data import load_domains
from clipgap.detector import Detector
from clipgap.engine.evaluate import evaluate
from clipgap.errors import ClipgapError, ConfigError, DataError, WeightsError
from clipgap.export import OnnxDetector, export_onnx, is_exported
from tests.datasets import data_config, make_voc, voc_xml
from tests.unit.detector.test_model import make_detector


@pytest.fixture(scope="module", params=[{}, {"roi": "dense", "background": "learned"}, {"roi": "atrous"}])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Detector, Path]:
    detector, folder = make_detector(**request.param), tmp_path_factory.mktemp("onnx") / "exported"
    for layer in (
        detector.rpn.head.cls_logits,
        detector.rpn.head.bbox_pred,
        detector.roi_heads.box_predictor.bbox_pred,
    ):
        torch.nn.init.normal_(layer.weight, std=0.3)  # as they begin, all scores tie
    assert export_onnx(detector, folder) < 1e-4
    return detector, folder


@pytest.mark.parametrize("size", [(120, 160), (200, 130), (64, 300)])
def test_the_same_detections_as_pytorch(exported: tuple[Detector, Path], size: tuple[int, int]) -> None:
    detector, folder = exported
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    plain, ours = detector.predict(image), OnnxDetector.load(folder, threads=1).predict(image)
    assert plain.confidence is not None
    assert ours.confidence is not None
    assert len(plain) == len(ours) > 20
    np.testing.assert_allclose(ours.xyxy, plain.xyxy, atol=0.1)
    np.testing.assert_allclose(ours.confidence, plain.confidence, atol=1e-3)
    np.testing.assert_array_equal(ours.class_id, plain.class_id)
    assert set(ours.data["class_name"]) <= set(detector.classes)


def test_it_is_scored_as_pytorch_is(exported: tuple[Detector, Path], tmp_path: Path) -> None:
    """The same figures to rounding, from images of several sizes; what was found is called true."""
    detector, folder = exported
    ours = OnnxDetector.load(folder, threads=1)
    objects, sizes = {}, {"a": (160, 120), "b": (130, 200)}
    root = make_voc(tmp_path / "day", dict.fromkeys(sizes, ()), "test")
    for seed, (stem, size) in enumerate(sizes.items()):
        noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(noise).save(root / "JPEGImages" / f"{stem}.png")
        found = detector.predict(noise)[:12:3]
        objects[stem] = [
            (str(name), tuple(box)) for name, box in zip(found.data["class_name"], found.xyxy, strict=True)
        ]
        (root / "Annotations" / f"{stem}.xml").write_text(voc_xml(objects[stem], size))
    config = data_config(root, "voc", test="test").model_copy(update={"classes": detector.classes})
    tables = [evaluate(one, load_domains(config), show=False) for one in (detector, ours)]
    expected, score = (table.domains[0].result.headline for table in tables)
    assert expected is not None
    assert 0 < expected < 100
    assert score == pytest.approx(expected, abs=0.05)
    assert tables[1].detector == f"{tables[0].detector}; exported to ONNX"
    with pytest.raises(ConfigError, match="an exported detector computes in float32; set 32-true"):
        evaluate(ours, load_domains(config), EvaluateConfig(precision="bf16-mixed"), show=False)


def test_nothing_found_is_an_empty_result(exported: tuple[Detector, Path], tmp_path: Path) -> None:
    _, folder = exported
    (tmp_path / "strict").mkdir()
    for file in folder.iterdir():
        (tmp_path / "strict" / file.name).write_bytes(file.read_bytes())
    content = json.loads((folder / "detector.json").read_text())
    content["detector"]["box_score_thresh"] = 1.0
    (tmp_path / "strict" / "detector.json").write_text(json.dumps(content))
    found = OnnxDetector.load(tmp_path / "strict", threads=1).predict(Image.new("RGB", (80, 60)))
    assert len(found) == 0


def test_no_proposal_is_an_empty_result_too(exported: tuple[Detector, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnnxDetector, "_proposals", lambda *_: np.zeros((0, 4), np.float32))
    assert len(OnnxDetector.load(exported[1], threads=1).predict(Image.new("RGB", (80, 60)))) == 0


def test_what_is_missing_or_foreign_is_told(exported: tuple[Detector, Path], tmp_path: Path) -> None:
    detector, folder = exported
    assert is_exported(folder)
    assert not is_exported(tmp_path)
    with pytest.raises(DataError, match="is there already"):
        export_onnx(detector, folder)
    with pytest.raises(WeightsError, match=r"detector\.json is missing"):
        OnnxDetector.load(tmp_path)
    for name in ("detector.json", "features.onnx", "regions.onnx"):
        (tmp_path / name).write_text("[]")
    with pytest.raises(WeightsError, match="not of a detector exported by this version"):
        OnnxDetector.load(tmp_path)
    (tmp_path / "detector.json").write_bytes((folder / "detector.json").read_bytes())
    with pytest.raises(WeightsError, match=r"features\.onnx: damaged, or not of this detector"):
        OnnxDetector.load(tmp_path)


def test_without_the_packages_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(name: str) -> None:
        raise ImportError(name=name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ClipgapError, match=r"pip install 'clipgap\[onnx\]'"):
        export_onnx(make_detector(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
