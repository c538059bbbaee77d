"""What a detector is, without its weights: the `config.yaml` of a Detector folder."""

from __future__ import annotations

from pathlib import Path

from pydantic import model_validator

from clipgap.clip import AnyTowerSpec
from clipgap.config import BatchNorm, DetectorConfig, ImageConfig, Section, to_yaml, validate
from clipgap.errors import WeightsError
from clipgap.files import hash_of_file, write_text
from clipgap.parse import UnreadableError, parse_yaml, sealed

WEIGHTS_FILE, CONFIG_FILE = "model.safetensors", "config.yaml"
"""The files of a Detector folder."""


class DetectorSpec(Section):
    """All it takes to build a detector without weights: what `config.yaml` in a Detector folder holds."""

    classes: list[str]
    tower: AnyTowerSpec
    description: str
    """Which CLIP and which weights the training began with; every table shows it."""
    weights: str | None = None
    """SHA-256 of `model.safetensors`; None in folders that older versions wrote, which are read unchecked."""
    batch_norm: BatchNorm = "frozen"
    image: ImageConfig = ImageConfig()
    detector: DetectorConfig = DetectorConfig()

    @model_validator(mode="after")
    def _has_the_text_it_needs(self) -> DetectorSpec:
        if not self.tower.has_text:
            self.detector.require_no_text(self.tower.family)
        if self.tower.layer4_stride == 1:
            self.detector.require_no_stride(self.tower.family)
        return self


def with_proposals(spec: DetectorSpec, proposals: int) -> DetectorSpec:
    """The spec of a detector that looks at so many proposals of a picture."""
    fewer = spec.detector.model_copy(update={"rpn_post_nms_top_n_test": proposals})
    return spec.model_copy(update={"detector": fewer})


def write_spec(folder: Path, spec: DetectorSpec) -> None:
    """Write the `config.yaml` of a Detector folder."""
    write_text(folder / CONFIG_FILE, sealed(to_yaml(spec)))


def read_spec(folder: Path, check: bool = True) -> DetectorSpec:
    """Read the `config.yaml` of a Detector folder, and compare its weights' hash if asked to.

    Raises:
        WeightsError: it, or the weights, are missing or not as they were written, or it is of something else.
        ConfigError: it is wrong, key by key.
    """
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise WeightsError(f"{folder}: not a Detector folder: {name} is missing")
    file = folder / CONFIG_FILE
    try:
        tree = parse_yaml(file.read_text(encoding="utf-8"))
    except UnreadableError as error:
        raise WeightsError(f"{file}{error.place}: not the config.yaml of a Detector folder ({error.problem})") from None
    except UnicodeDecodeError:
        tree = None
    if not isinstance(tree, dict):
        raise WeightsError(f"{file}: not the config.yaml of a Detector folder")
    spec = validate(DetectorSpec, tree, str(file))
    if check and spec.weights and hash_of_file(folder / WEIGHTS_FILE) != spec.weights:
        raise WeightsError(
            f"{folder / WEIGHTS_FILE}: not the weights that {CONFIG_FILE} beside it names: damaged, or of another "
            "detector (`train --resume` puts a run right that was interrupted as it saved them)"
        )
    return spec
