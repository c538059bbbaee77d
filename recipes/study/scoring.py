"""What a run of a study is scored on, beside its table: the source under corruption, and objects by size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from recipes.study.rows import Study
from recipes.study.sizes import as_large_as
from torch import Tensor

from clipgap.config import DetectionPrecision, ImageConfig, RunConfig
from clipgap.data import Domains, load_domains
from clipgap.detector import DetectorSpec
from clipgap.engine.detections import Found, Scorable
from clipgap.engine.evaluate import evaluate, load_scorable
from clipgap.engine.robustness import RobustnessSettings, evaluate_corruptions
from clipgap.engine.runtime import pick_device
from clipgap.metrics.sizes import by_size
from clipgap.report.evidence import sized

LIKE_SOURCE = "as in the source"
"""Key of AP on objects as large as the source's."""


@dataclass(frozen=True)
class Remembering:
    """A detector, and all that it found so far."""

    detector: Scorable
    found: list[Found] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """The detector's."""
        return self.detector.classes

    @property
    def spec(self) -> DetectorSpec:
        """The detector's."""
        return self.detector.spec

    def for_inference(self, precision: DetectionPrecision, proposals: int | None) -> Remembering:
        """The detector made ready; what it finds is remembered in the same place."""
        return Remembering(self.detector.for_inference(precision, proposals), self.found)

    def detect(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[Found]:
        """What the detector finds."""
        found = self.detector.detect(images, sizes)
        self.found.extend({key: value.cpu() for key, value in one.items()} for one in found)
        return found


def score_run(folder: Path, config: RunConfig, study: Study) -> dict[str, Any]:
    """The table of `clipgap evaluate` of a run folder, and what else the study asks for: `by_size`, `corrupted`."""
    detector, notes = load_scorable(folder, pick_device(config.run))
    remembering, domains = Remembering(detector), load_domains(config.data)
    scores = evaluate(remembering, domains, config.evaluate, notes=notes, show=False).to_json()
    if study.sizes:
        scores["by_size"] = sizes_of(remembering.found, domains, config.image)
    if study.corruptions:
        settings = RobustnessSettings(study.corruptions, study.severities)
        scores["corrupted"] = evaluate_corruptions(detector, config, settings, show=False).to_json()
    return scores


def sizes_of(found: Sequence[Found], domains: Domains, image: ImageConfig) -> dict[str, dict[str, float | None]]:
    """AP50 of every domain by size, and of targets on objects as large as the source's (`LIKE_SOURCE`).

    Args:
        found: what was found in the images of all domains, in their order.
        domains: what is scored.
        image: the size that images are seen in.
    """
    rest, splits = iter(found), {}
    for domain in domains.all:
        assert domain.scored is not None  # it has been scored
        splits[domain.name] = sized(list(islice(rest, len(domain.scored))), domain.scored, image)
    sizes = {name: by_size(images, domains.classes) for name, images in splits.items()}
    source = splits[domains.source.name]
    for target in domains.targets:
        sizes[target.name][LIKE_SOURCE] = as_large_as(splits[target.name], source, domains.classes)
    return sizes
