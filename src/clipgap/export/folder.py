"""The folder of an exported detector: graphs, and a JSON that says what they are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

from clipgap.config import GraphPrecision, Graphs
from clipgap.detector import DetectorSpec
from clipgap.errors import ClipgapError, WeightsError
from clipgap.export.form import Form
from clipgap.export.one_graph import OneGraph
from clipgap.export.two_graphs import TwoGraphs
from clipgap.files import hash_of_file, write_text
from clipgap.parse import parse_json

FORMS: dict[Graphs, type[Form]] = {"one": OneGraph, "two": TwoGraphs}
DETECTOR_FILE = "detector.json"


class ExportedSpec(DetectorSpec):
    """`detector.json`: the detector as in a Detector folder's config.yaml, and which graphs are beside it."""

    format: Literal["clipgap onnx 2"] = "clipgap onnx 2"
    graphs: Graphs
    precision: GraphPrecision
    hashes: dict[str, str]
    """SHA-256 of every file with a graph, and of all else that is in this one."""


def is_exported(folder: Path) -> bool:
    """Whether `export_onnx` wrote this folder."""
    return (folder / DETECTOR_FILE).is_file()


def write_exported(folder: Path, spec: DetectorSpec, graphs: Graphs, precision: GraphPrecision) -> None:
    """Write `detector.json` beside graphs that are there."""
    hashes = {name: hash_of_file(folder / name) for name in FORMS[graphs].files}
    of = ExportedSpec(**dict(spec), graphs=graphs, precision=precision, hashes=hashes)
    of.hashes[DETECTOR_FILE] = _hash_of(of)
    write_text(folder / DETECTOR_FILE, json.dumps(of.model_dump(mode="json"), indent=1))


def read_exported(folder: Path) -> ExportedSpec:
    """Read `detector.json`, and make sure that the graphs are those it was written for.

    Raises:
        WeightsError: a file is missing, not one of ours or not as it was exported.
    """
    file = folder / DETECTOR_FILE
    if not file.is_file():
        raise WeightsError(f"{folder}: not an exported detector: {DETECTOR_FILE} is missing")
    try:
        spec = ExportedSpec(**parse_json(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError, ClipgapError):
        raise WeightsError(f"{file}: not of a detector exported by this version; export again") from None
    if _hash_of(spec) != spec.hashes.get(DETECTOR_FILE):
        raise WeightsError(f"{file}: damaged, or changed: what is exported is fixed; export again")
    for name in FORMS[spec.graphs].files:
        if not (folder / name).is_file():
            raise WeightsError(f"{folder}: not an exported detector: {name} is missing")
        if hash_of_file(folder / name) != spec.hashes.get(name):
            raise WeightsError(f"{folder / name}: damaged, or not of this detector; export again")
    return spec


def _hash_of(spec: ExportedSpec) -> str:
    """Of all that it says, but for this hash itself."""
    hashes = {name: value for name, value in spec.hashes.items() if name != DETECTOR_FILE}
    content = spec.model_copy(update={"hashes": hashes}).model_dump(mode="json")
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
