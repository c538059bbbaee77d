"""Other places that a run's figures go to, beside metrics.jsonl: Fabric's loggers, or any of that kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from lightning_fabric.loggers.csv_logs import CSVLogger
from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from clipgap.config import RunSection
from clipgap.data import DetectionDataset
from clipgap.detector import Detector
from clipgap.engine.names import LOGS
from clipgap.engine.predict.drawing import draw, marks_of
from clipgap.engine.predict.job import coco_results
from clipgap.engine.progress import log
from clipgap.errors import ConfigError

SHOWN = 4
"""Pictures of the validation split."""
LEAST_SCORE = 0.3
"""Of a detection that is drawn in them."""


class Loggers:
    """The loggers of one run. One that fails is left out from there on, with a warning: the training goes on.

    Args:
        loggers: each is told every line of the metrics; those whose `experiment` can `add_image`, pictures too.
        validation: the split that pictures are of; None: there are none.
    """

    def __init__(self, loggers: Sequence[Logger], validation: DetectionDataset | None) -> None:
        self.loggers, self.validation = list(loggers), validation

    def log(self, line: dict[str, Any]) -> None:
        """Pass on the numbers of a line of the metrics."""
        numbers = {name: value for name, value in _flat(line) if isinstance(value, (int, float)) and name != "step"}
        self._each(lambda logger: logger.log_metrics(numbers, line["step"]))

    def show(self, detector: Detector, step: int) -> None:
        """Draw what is found in the first pictures of the validation split."""
        if self.validation is None or not any(map(_takes_pictures, self.loggers)):
            return
        looking = detector.for_inference()
        for place in range(min(SHOWN, len(self.validation))):
            picture = self.validation[place].image
            found = coco_results(looking.predict(picture))
            drawn = np.asarray(draw(picture, marks_of(found, detector.classes, LEAST_SCORE)))
            self._each(partial(_show, f"validation/{place}", drawn, step))

    def end(self, status: str) -> None:
        """Nothing more comes."""
        self._each(lambda logger: logger.finalize(status))

    def _each(self, tell: Callable[[Logger], object]) -> None:
        for logger in list(self.loggers):
            try:
                tell(logger)
            except Exception as error:  # noqa: BLE001 (a service that is away, a full disk: whatever others' code meets)
                self.loggers.remove(logger)
                said = " ".join(str(error).split())[:200]
                log.print(f"warning: {type(logger).__name__} fails and is left out ({said})", style="yellow")


def require_loggers(run: RunSection) -> None:
    """Make sure that what the settings' loggers need is installed.

    Raises:
        ConfigError: it is not.
    """
    if "tensorboard" in run.loggers and not any(map(find_spec, ("tensorboard", "tensorboardX"))):
        raise ConfigError("run.loggers: tensorboard is not installed here: pip install tensorboard")


@contextmanager
def opened_loggers(
    run: RunSection, folder: Path, more: Sequence[Logger], validation: DetectionDataset | None
) -> Iterator[Loggers]:
    """The loggers that the settings name, and those of the caller's own; at the end all is written.

    A resumed run begins a new version beside the old one.
    """
    made = {"csv": CSVLogger, "tensorboard": TensorBoardLogger}
    loggers = Loggers([*(made[name](folder / LOGS, name) for name in run.loggers), *more], validation)
    status = "failed"
    try:
        yield loggers
        status = "success"
    finally:
        loggers.end(status)


def _takes_pictures(logger: Logger) -> bool:
    return hasattr(getattr(logger, "experiment", None), "add_image")


def _show(name: str, picture: Any, step: int, logger: Any) -> None:
    if _takes_pictures(logger):
        logger.experiment.add_image(name, picture, step, dataformats="HWC")


def _flat(line: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in line.items():
        if isinstance(value, dict):
            yield from ((f"{name}/{key}", inner) for key, inner in value.items())
        else:
            yield name, value
