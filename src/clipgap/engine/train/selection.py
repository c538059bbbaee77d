"""Which weights of a training run are kept: those that do best on the source's validation split."""

from __future__ import annotations

from typing import Any

from clipgap.config import RunConfig
from clipgap.data import Domain
from clipgap.detector import Detector
from clipgap.engine.corrupted import CorruptedSamples
from clipgap.engine.evaluate import Samples, score_split
from clipgap.engine.progress import log
from clipgap.engine.run_folder import RunFolder
from clipgap.engine.stopping import Stopping
from clipgap.metrics import Result

CLEAN, ROBUST = "validation", "robust_validation"
"""Scores as metrics.jsonl names them."""


class Selection:
    """Keeps the weights that do best on the source's validation split; the last ones where there is none."""

    def __init__(
        self, folder: RunFolder, source: Domain, config: RunConfig, checkpoint: dict[str, Any] | None, show: bool
    ) -> None:
        self.folder, self.config, self.show = folder, config, show
        self.source = source
        self.best: float | None = checkpoint["best"] if checkpoint else None
        self.best_step: int | None = checkpoint["best_step"] if checkpoint else None
        self.best_clean: float | None = checkpoint.get("best_clean") if checkpoint else None
        self._rule = config.evaluate.by(source.metric)
        self._sets = validation_sets(source, config)
        name = "AP" if self._rule.metric == "coco" else f"AP{round(self._rule.iou * 100)}"
        self.figure = f"{name} ({self._rule.metric})"
        if config.evaluate.select == "robust":
            self.figure = f"robust {name} ({self._rule.metric}, severity {config.evaluate.select_severity})"
        """What `best` is, and of which metric."""
        self.split = f"{source.name}/{source.split_name('selection')}" if source.selection is not None else None
        if self.split is None and show:
            log.print(f"domain {source.name} has no validation split: the last weights are kept", style="yellow")

    def judge(self, detector: Detector, step: int, stopping: Stopping) -> bool:
        """Score the weights of a step; keep them if they are the best so far. False: stopped before that was done."""
        if self.source.selection is None:
            self.best_step = step
            self.folder.save_detector(detector)
            return True
        try:
            with stopping.at_once():
                results = {kind: self._score(detector, images, kind) for kind, images in self._sets.items()}
        except KeyboardInterrupt:
            if not stopping.signal:
                raise
            return False
        scores = {kind: result.headline or 0.0 for kind, result in results.items()}
        line = {"step": step, CLEAN: scores[CLEAN], "per_class": results[CLEAN].per_class}
        self.folder.log(line | scores)
        headline = scores[ROBUST if ROBUST in scores else CLEAN]
        equals = headline == self.best and self.config.train.best_of_equals == "last"
        if self.best is None or headline > self.best or equals:
            self.best, self.best_clean, self.best_step = headline, scores[CLEAN], step
            self.folder.save_detector(detector)
        return True

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        clean = {"best_clean": self.best_clean} if ROBUST in self._sets else {}
        return {"best": self.best, "best_step": self.best_step, **clean}

    def _score(self, detector: Detector, images: Samples, kind: str) -> Result:
        title = f"{self.source.name} ({kind.replace('_', ' ')})"
        return score_split(detector, images, self._rule, title, workers=self.config.run.workers, show=self.show)


def validation_sets(source: Domain, config: RunConfig) -> dict[str, Samples]:
    """What the weights of a step are scored on, by the name in metrics.jsonl: nothing without a validation split.

    `validation` is the source's validation split. With `evaluate.select: robust` there is `robust_validation` beside
    it, on which they are chosen: the same images, image i corrupted by number i mod n of `evaluate.select_corruptions`.
    So one AP stands for all n corruptions, at the price of one more pass; the random numbers are the same at every
    step, so that steps compare.

    Raises:
        DataError: with `robust`, an image is too small to be corrupted.
    """
    if source.selection is None:
        return {}
    rule = config.evaluate
    if rule.select == "clean":
        return {CLEAN: source.selection}
    corruptions = [(name, rule.select_severity) for name in rule.select_corruptions]
    return {CLEAN: source.selection, ROBUST: CorruptedSamples(source.selection, corruptions, config.run.seed)}
