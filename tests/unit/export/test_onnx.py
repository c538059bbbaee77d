"""An exported detector finds what the detector finds; what is missing or foreign is told in one line."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from supervision import Detections

from clipgap.config import EvaluateConfig, Graphs
from clipgap.data import load_domains
from clipgap.detector import Detector
from clipgap.engine.evaluate import evaluate
from clipgap.errors import ClipgapError, ConfigError, DataError, WeightsError
from clipgap.export import OnnxDetector, export_onnx, is_exported
from clipgap.export.one_graph import inputs_of
from clipgap.export.tracing import session_of
from tests.datasets import data_config, make_voc, voc_xml
from tests.unit.detector.test_model import make_detector

KINDS: dict[str, tuple[Graphs, dict[str, Any]]] = {
    "one": ("one", {}),
    "one, atrous": ("one", {"roi": "atrous"}),
    "two": ("two", {}),
    "two, dense": ("two", {"roi": "dense", "background": "learned"}),
}


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, marks=[pytest.mark.slow] if kind in ("one, atrous", "two") else []) for kind in KINDS],
)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Detector, Path]:
    graphs, settings = KINDS[request.param]
    detector, folder = make_detector(**settings), tmp_path_factory.mktemp("onnx") / "exported"
    for layer in (
        detector.rpn.head.cls_logits,
        detector.rpn.head.bbox_pred,
        detector.roi_heads.box_predictor.bbox_pred,
    ):
        torch.nn.init.normal_(layer.weight, std=0.3)  # as they begin, all scores tie
    told = export_onnx(detector, folder, graphs)
    assert told.difference < 1e-4
    assert sorted([*told.files, "detector.json"]) == sorted(file.name for file in folder.iterdir())
    return detector, folder


def assert_same(found: Detections, expected: Detections) -> None:
    """The same boxes of the same scores and classes; of two that score the same to rounding, either may stay."""
    assert len(found) == len(expected)
    assert found.confidence is not None
    assert expected.confidence is not None
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-3)
    there = []
    for box, score, label in zip(expected.xyxy, expected.confidence, expected.class_id, strict=True):
        near = (np.abs(found.xyxy - box).max(1) < 0.1) & (np.abs(found.confidence - score) < 1e-3)
        there.append((near & (found.class_id == label)).any())
    assert np.mean(there) > 0.95


@pytest.mark.parametrize("size", [(120, 160), (200, 130), (64, 300)])
def test_the_same_detections_as_pytorch(exported: tuple[Detector, Path], size: tuple[int, int]) -> None:
    detector, folder = exported
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    plain, ours = detector.predict(image), OnnxDetector.load(folder, threads=1).predict(image)
    assert len(ours) > 20
    assert_same(ours, plain)
    if (folder / "features.onnx").is_file():  # the same order of the same operations: not a place is changed
        np.testing.assert_allclose(ours.xyxy, plain.xyxy, atol=0.1)
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
    with pytest.raises(ConfigError, match="an exported detector computes as it was exported; set 32-true"):
        evaluate(ours, load_domains(config), EvaluateConfig(precision="bf16-mixed"), show=False)


@pytest.mark.parametrize("size", [(10, 100), (40, 5)])
def test_a_graph_by_itself_takes_images_of_any_size(exported: tuple[Detector, Path], size: tuple[int, int]) -> None:
    detector, folder = exported
    if OnnxDetector.load(folder, threads=1).spec.graphs == "two":
        pytest.skip("they are not used by themselves")
    image = np.random.default_rng(3).random((3, *size), dtype=np.float32)
    boxes, scores, _ = session_of(folder / "detector.onnx", 1).run(None, inputs_of([image]))
    (expected,) = detector.detect([torch.from_numpy(image)], [size])
    assert (scores > 0).sum() == len(expected["scores"])
    np.testing.assert_allclose(scores[0, : len(expected["scores"])], expected["scores"], atol=1e-3)
    assert boxes[0].max() <= max(size)


def test_images_of_several_sizes_together_as_in_pytorch(exported: tuple[Detector, Path]) -> None:
    detector, folder = exported
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 255, (*size, 3), dtype=np.uint8) for size in ((120, 160), (160, 120), (70, 300))]
    ours = OnnxDetector.load(folder, threads=1)
    together = 3 if ours.spec.graphs == "one" else 1  # two graphs look at one image after the other
    expected = detector.predict(list(images), batch_size=together)
    for found, plain in zip(ours.predict(list(images), batch_size=3), expected, strict=True):
        assert_same(found, plain)


def test_openvino_reads_one_graph_as_it_is(exported: tuple[Detector, Path]) -> None:
    openvino = pytest.importorskip("openvino")
    _, folder = exported
    ours = OnnxDetector.load(folder, threads=1)
    if ours.spec.graphs == "two":
        pytest.skip("there is one graph only")
    inputs = inputs_of(
        [np.random.default_rng(2).random((3, *size), dtype=np.float32) for size in ((96, 128), (90, 64))]
    )
    precise = {"INFERENCE_PRECISION_HINT": "f32"}
    found = openvino.Core().compile_model(str(folder / "detector.onnx"), "CPU", precise)(inputs)
    expected = session_of(folder / "detector.onnx", 1).run(["scores"], inputs)[0]
    np.testing.assert_allclose(found["scores"], expected, atol=1e-3)


def test_nothing_found_is_an_empty_result(exported: tuple[Detector, Path]) -> None:
    _, folder = exported
    spec = OnnxDetector.load(folder, threads=1).spec
    if spec.graphs == "one":
        pytest.skip("its threshold is in the graph")
    strict = spec.model_copy(update={"detector": spec.detector.model_copy(update={"box_score_thresh": 1.0})})
    assert len(OnnxDetector(folder, strict, threads=1).predict(Image.new("RGB", (80, 60)))) == 0


def test_where_nothing_can_be_seen_nothing_is_found(exported: tuple[Detector, Path]) -> None:
    """No number is a number: there are no proposals."""
    blind = torch.full((3, 64, 80), torch.nan)
    (found,) = OnnxDetector.load(exported[1], threads=1).detect([blind], [(64, 80)])
    assert {key: tuple(value.shape) for key, value in found.items()} == {
        "boxes": (0, 4),
        "scores": (0,),
        "labels": (0,),
    }


def test_what_is_missing_or_foreign_is_told(exported: tuple[Detector, Path], tmp_path: Path) -> None:
    detector, folder = exported
    assert is_exported(folder)
    assert not is_exported(tmp_path)
    with pytest.raises(DataError, match="is there already"):
        export_onnx(detector, folder)
    with pytest.raises(WeightsError, match=r"detector\.json is missing"):
        OnnxDetector.load(tmp_path)
    name, *_ = OnnxDetector.load(folder, threads=1).spec.hashes
    (tmp_path / "detector.json").write_text("[]")
    with pytest.raises(WeightsError, match="not of a detector exported by this version"):
        OnnxDetector.load(tmp_path)
    (tmp_path / "detector.json").write_bytes((folder / "detector.json").read_bytes())
    for key, value in (("classes", ["car"]), ("precision", "int8"), ("description", "another")):
        changed = json.loads((folder / "detector.json").read_text()) | {key: value}
        (tmp_path / "detector.json").write_text(json.dumps(changed))
        with pytest.raises(WeightsError, match=r"detector\.json: damaged, or changed: what is exported is fixed"):
            OnnxDetector.load(tmp_path)
    (tmp_path / "detector.json").write_bytes((folder / "detector.json").read_bytes())
    with pytest.raises(WeightsError, match=rf"{name} is missing"):
        OnnxDetector.load(tmp_path)
    (tmp_path / name).write_text("[]")
    with pytest.raises(WeightsError, match=rf"{name}: damaged, or not of this detector"):
        OnnxDetector.load(tmp_path)


def test_without_the_packages_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(name: str) -> None:
        raise ImportError(name=name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ClipgapError, match=r"pip install 'clipgap\[onnx\]'"):
        export_onnx(make_detector(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_where_nothing_is_detected_no_difference_is_told(tmp_path: Path) -> None:
    exported = export_onnx(make_detector(box_score_thresh=0.9999), tmp_path / "out")
    assert exported.difference is None
