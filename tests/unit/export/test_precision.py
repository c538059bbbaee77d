"""Fewer bits for the networks, and for nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from clipgap.detector import Detector, as_seen
from clipgap.detectors import MINI_WORLD
from clipgap.engine.names import hash_of_detector
from clipgap.errors import ConfigError
from clipgap.export import OnnxDetector, export_onnx
from clipgap.export.folder import write_exported
from clipgap.export.one_graph import OneGraph, inputs_of
from clipgap.export.precision import to_half, to_int8
from clipgap.web.session import draw_streets


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load(MINI_WORLD)


@pytest.fixture(scope="module")
def exported(detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "float32"
    export_onnx(detector, folder)
    return folder


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    for file in exported.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def same(detector: Detector, folder: Path, scores: float, corners: float) -> Iterator[bool]:
    """For what is found for sure in drawn streets: whether the other finds it, too."""
    ours = OnnxDetector.load(folder, threads=1)
    for _, picture in draw_streets(3, 3):
        expected, found = detector.predict(picture, score=0.5), ours.predict(picture)
        for box, score, label in zip(expected.xyxy, expected.confidence, expected.class_id, strict=True):
            away = np.abs(found.xyxy - box).max(1)
            yield bool(((found.class_id == label) & (away < corners) & (abs(found.confidence - score) < scores)).any())


def test_float16_finds_the_same_in_two_thirds_of_the_bytes(detector: Detector, exported: Path, copied: Path) -> None:
    file = copied / "detector.onnx"
    to_half(file)
    write_exported(copied, detector.spec, "one", "float16")
    assert file.stat().st_size < 0.7 * (exported / "detector.onnx").stat().st_size
    found = list(same(detector, copied, scores=0.01, corners=0.1))
    assert len(found) > 5
    assert all(found)
    assert OnnxDetector.load(copied).spec.description.endswith("exported to ONNX in float16")


def test_what_chooses_boxes_stays_float32(copied: Path) -> None:
    file = copied / "detector.onnx"
    before = onnx.load(file)
    to_half(file)
    model = onnx.load(file)
    onnx.checker.check_model(model)
    types = {one.name: one.type.tensor_type.elem_type for one in (*model.graph.value_info, *model.graph.output)}
    for kind in ("NonMaxSuppression", "RoiAlign", "TopK", "Exp"):
        found = [node for node in model.graph.node if node.op_type == kind]
        assert found
        assert all(
            types.get(name) != onnx.TensorProto.FLOAT16 for node in found for name in (*node.input, *node.output)
        )
    inside = [node for node in model.graph.node if node.op_type == "Conv" and "'backbone" in str(node.metadata_props)]
    assert {types[node.output[0]] for node in inside} == {onnx.TensorProto.FLOAT16}
    assert len(model.graph.initializer) == len(before.graph.initializer)


def test_int8_finds_nearly_the_same_in_fewer_bytes(detector: Detector, exported: Path, copied: Path) -> None:
    file = copied / "detector.onnx"
    seen = [as_seen(picture, detector.spec.image)[0].numpy() for _, picture in draw_streets(8, 4)]
    to_int8(file, (inputs_of([image]) for image in seen))
    write_exported(copied, detector.spec, "one", "int8")
    assert file.stat().st_size < 0.85 * (exported / "detector.onnx").stat().st_size
    found = list(same(detector, copied, scores=0.2, corners=5))
    assert sum(found) >= 0.8 * len(found)
    folded = detector.for_inference().to(memory_format=torch.contiguous_format)
    assert 1e-4 < OneGraph.differs(folded, copied) < 0.5


def test_what_does_not_go_together_is_told(detector: Detector, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="precision float16: for one graph only; two graphs are written in float32"):
        export_onnx(detector, tmp_path / "out", "two", "float16")
    with pytest.raises(ConfigError, match="precision int8: images are needed to find the range of its numbers"):
        export_onnx(detector, tmp_path / "out", precision="int8")
    assert not (tmp_path / "out").exists()


def test_another_graph_is_another_detector(copied: Path) -> None:
    """What is kept of an exported detector is known by all of its bytes."""
    before = hash_of_detector(copied)
    file = copied / "detector.onnx"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert hash_of_detector(copied) != before
