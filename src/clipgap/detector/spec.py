"""What a detector is, without its weights: the `config.yaml` of a Detector folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from clipgap.clip import AnyTowerSpec
from clipgap.config import BatchNorm, DetectorConfig, ImageConfig, Section, validate
from clipgap.errors import WeightsError
from clipgap.parse import parse_yaml

WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.yaml"
"""The files of a Detector folder."""


class DetectorSpec(Section):
    """All it takes to build a detector without weights: what `config.yaml` in a Detector folder holds."""

    classes: list[str]
    tower: AnyTowerSpec
    description: str
    """Which CLIP and which weights the training began with; every table shows it."""
    batch_norm: BatchNorm = "frozen"
    image: ImageConfig = ImageConfig()
    detector: DetectorConfig = DetectorConfig()

    @model_validator(mode="after")
    def _has_the_text_it_needs(self) -> DetectorSpec:
        if not self.tower.has_text:
            self.detector.require_no_text(self.tower.family)
        return self


def read_spec(folder: Path) -> DetectorSpec:
    """Read the `config.yaml` of a Detector folder.

    Raises:
        WeightsError: it, or the weights, are missing, or it is the config of something else.
        ConfigError: it is wrong, key by key.
    """
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise WeightsError(f"{folder}: not a Detector folder: {name} is missing")
    file = folder / CONFIG_FILE
    try:
        tree = parse_yaml(file.read_text(encoding="utf-8"))
    except ValueError:
        tree = None
    if not isinstance(tree, dict):
        raise WeightsError(f"{file}: not the config.yaml of a Detector folder")
    return validate(DetectorSpec, tree, str(file))
