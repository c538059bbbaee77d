"""A detector that can be tried on the page, and what it was made from, where that is known."""

from __future__ import annotations

from pathlib import Path

from clipgap.clip import load_clip
from clipgap.config import ClipConfig, PromptsConfig
from clipgap.detector import Detector
from clipgap.detector.vocabulary import with_classes
from clipgap.detectors import MINI_WORLD
from clipgap.engine.predict.job import Predictor
from clipgap.engine.run_folder import RunFolder
from clipgap.errors import ConfigError
from clipgap.export import OnnxDetector, is_exported
from clipgap.prompts import class_prompts

MOST_CLASSES = 40
"""That may be typed."""
LONGEST = 60
"""Letters of a class's name."""


class Contender:
    """One detector of the page.

    Args:
        folder: of a run, an imported or exported detector, or the one that ships.

    Raises:
        WeightsError: it holds none.
    """

    def __init__(self, folder: Path) -> None:
        self.name = str(folder) if folder != MINI_WORLD else "the detector that ships"
        self.detector: Detector | OnnxDetector
        if is_exported(folder):
            self.detector = OnnxDetector.load(folder)
        else:
            self.detector = Detector.load(folder).for_inference()
        self.clip, self.prompts = _made_from(folder)
        """Which CLIP it was made from, None where that is not known; and how classes are put into words for it."""
        self._others: dict[tuple[str, ...], Detector] = {}

    @property
    def takes_words(self) -> bool:
        """Whether other classes can be looked for."""
        known = isinstance(self.detector, Detector) and self.detector.spec.detector.classifier == "text"
        return known and self.clip is not None

    def looking_for(self, words: str) -> Predictor:
        """The detector itself, or, where class names are typed (with commas), one for those.

        Raises:
            ConfigError: there are too many, one is too long, or it cannot be told words.
            ClipgapError: its CLIP cannot be loaded.
        """
        names = tuple(dict.fromkeys(filter(None, (word.strip() for word in words.split(",")))))
        if not names:
            return self.detector
        if len(names) > MOST_CLASSES or any(len(name) > LONGEST for name in names):
            raise ConfigError(f"at most {MOST_CLASSES} classes of {LONGEST} letters")
        if not self.takes_words:
            raise ConfigError(
                f"{self.name}: cannot be told other classes: no text classifier, or its CLIP is not known"
            )
        return self._with(names)

    def _with(self, names: tuple[str, ...]) -> Detector:
        """One for these classes; the last is kept."""
        assert isinstance(self.detector, Detector)
        assert self.clip is not None
        other = self._others.get(names)
        if other is None:
            words = load_clip(self.clip).embed_groups(class_prompts(names, self.prompts))
            other = with_classes(self.detector, names, words)
            self._others = {names: other}
        return other


def _made_from(folder: Path) -> tuple[ClipConfig | None, PromptsConfig]:
    if folder == MINI_WORLD:
        return ClipConfig(name="tiny"), PromptsConfig()
    run = RunFolder(folder)
    if not run.config_file.is_file():
        return None, PromptsConfig()
    config = run.config()
    return config.clip, config.data.prompts
