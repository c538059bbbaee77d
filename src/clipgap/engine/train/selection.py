"""Which weights of a training run are kept: those that do best on the source's validation split."""

from __future__ import annotations

from typing import Any

from clipgap.config import RunConfig
from clipgap.corruptions import CORRUPTIONS
from clipgap.data import Domain
from clipgap.detector import Detector
from clipgap.diversify.corrupt import NAMED
from clipgap.engine.corrupted import CorruptedSamples
from clipgap.engine.detections import Samples
from clipgap.engine.evaluate import score_images
from clipgap.engine.progress import log, progress_bar
from clipgap.engine.run_folder import RunFolder
from clipgap.engine.stopping import Stopping
from clipgap.errors import ConfigError
from clipgap.group import ALONE, Group
from clipgap.metrics import Result

CLEAN, ROBUST = "validation", "robust_validation"
"""Scores as metrics.jsonl names them."""


class _StoppedError(Exception):
    """Somebody has asked the job to stop."""


class Selection:
    """Keeps the weights that do best on the source's validation split; the last ones where there is none.

    Args:
        sets: what they are scored on: `validation_sets`.
        group: the processes that score them together.
    """

    def __init__(
        self,
        folder: RunFolder,
        source: Domain,
        config: RunConfig,
        sets: dict[str, Samples],
        show: bool,
        group: Group = ALONE,
    ) -> None:
        self.folder, self.config, self.show, self.group = folder, config, show, group
        self.source, self.sets = source, sets
        self.best: float | None = None
        self.best_step: int | None = None
        self.best_hash: str | None = None
        """SHA-256 of the kept weights, in their file."""
        self.best_clean: float | None = None
        """The clean score of the weights that were chosen under corruption."""
        self._rule = config.evaluate.by(source.metric)
        name = "AP" if self._rule.metric == "coco" else f"AP{round(self._rule.iou * 100)}"
        robust = config.evaluate.select == "robust"
        metric = f"{self._rule.metric}, severity {config.evaluate.select_severity}" if robust else self._rule.metric
        self.figure = f"{'robust ' if robust else ''}{name} ({metric})"
        """What `best` is, and of which metric."""
        self.split = f"{source.name}/{source.split_name('selection')}" if source.selection is not None else None
        if self.split is None:
            self._tell_last("no validation split")

    def judge(self, detector: Detector, step: int, stopping: Stopping) -> bool:
        """Score the weights of a step; keep them if they are the best so far. False: stopped before that was done."""
        if self.source.selection is None:
            self._keep(detector, step)
            return True
        try:
            results = {kind: self._score(detector, images, kind, stopping) for kind, images in self.sets.items()}
        except _StoppedError:
            return False
        scores = {kind: result.headline for kind, result in results.items()}
        self.folder.log({"step": step, **scores, "per_class": results[CLEAN].per_class})
        headline = scores[ROBUST if ROBUST in scores else CLEAN]
        if headline is None:
            if self.split:
                self._tell_last("no box to find in its validation split")
            self.split = None
            self._keep(detector, step)
            return True
        equals = headline == self.best and self.config.train.best_of_equals == "last"
        if self.best is None or headline > self.best or equals:
            self.best, self.best_clean = headline, scores[CLEAN]
            self._keep(detector, step)
        return True

    def _tell_last(self, why: str) -> None:
        if self.show:
            log.print(f"domain {self.source.name} has {why}: the last weights are kept", style="yellow")

    def _keep(self, detector: Detector, step: int) -> None:
        self.best_step, self.best_hash = step, self.folder.save_detector(detector)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        clean = {"best_clean": self.best_clean} if ROBUST in self.sets else {}
        return {"best": self.best, "best_step": self.best_step, "best_hash": self.best_hash, **clean}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was taken."""
        self.best, self.best_step, self.best_clean = state["best"], state["best_step"], state.get("best_clean")
        self.best_hash = state["best_hash"]

    def _score(self, detector: Detector, images: Samples, kind: str, stopping: Stopping) -> Result:
        title = f"score {self.source.name} ({kind.replace('_', ' ')})"
        with progress_bar(title, len(images), show=self.show) as report:

            def done(more: int = 1, /, **figures: float) -> None:
                report(more, **figures)
                if stopping.agreed(self.group):
                    raise _StoppedError

            return score_images(detector, images, self._rule, self.config.run.workers, done, self.group)


def validation_sets(source: Domain, config: RunConfig) -> dict[str, Samples]:
    """What the weights of a step are scored on, by the name in metrics.jsonl: nothing without a validation split.

    `validation` is the source's validation split. With `evaluate.select: robust` there is `robust_validation` beside
    it, on which they are chosen: the same images, image i corrupted by number i mod n of `evaluate.select_corruptions`.
    So one AP stands for all n corruptions, at the price of one more pass; the random numbers are the same at every
    step, so that steps compare.

    Raises:
        ConfigError: with `robust`, one of the corruptions is among those that training draws.
        DataError: with `robust`, an image is too small to be corrupted.
    """
    if source.selection is None:
        return {}
    rule = config.evaluate
    if rule.select == "clean":
        return {CLEAN: source.selection}
    drawn = NAMED if "corruptions" in config.diversify.kinds else ()
    if seen := [name for name in rule.select_corruptions if name in drawn]:
        raise ConfigError(
            f"evaluate.select_corruptions: {', '.join(seen)}: drawn in training too (`diversify: corruptions`); "
            f"what chooses must be new; new are {', '.join(name for name in CORRUPTIONS if name not in drawn)}"
        )
    corruptions = [(name, rule.select_severity) for name in rule.select_corruptions]
    return {CLEAN: source.selection, ROBUST: CorruptedSamples(source.selection, corruptions, config.run.seed)}
