"""One run of a study: its settings, and where its result goes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from recipes.study.results import read_result
from recipes.study.studies import STUDIES

from clipgap.config import RunConfig, load_config
from clipgap.errors import ConfigError


@dataclass(frozen=True)
class Task:
    """One run of a row: everything a worker process needs."""

    study: str
    row: str
    seed: int
    settings: tuple[str, ...]
    """Every row's: `--set`, and where the data are."""
    own: tuple[str, ...]
    """The row's."""
    out: Path
    of: str = ""
    """The row whose detector it scores, where it trains none."""
    keep: bool = False
    """Whether its run folder stays."""

    @property
    def result(self) -> Path:
        """Where its JSON goes."""
        return self.out / f"{self.row}_{self.seed}.json"

    @property
    def folder(self) -> Path:
        """The run folder of its detector; gone when the result is there, unless it is kept."""
        return self.out / f"{self.of or self.row}_{self.seed}"

    def config(self) -> RunConfig:
        """The resolved config. Offsets are shared by all runs that would fit the same."""
        source = STUDIES[self.study].config
        settings = [*self.settings, *self.own, f"run.seed={self.seed}", f"run.out={self.folder}"]
        settings.append("run.workers=0")
        config = load_config(source, settings)
        relevant = [config.data.root, config.data.prompts, config.clip, config.batch_norm, config.image, config.fit]
        digest = hashlib.sha256(f"{relevant} {self.seed}".encode()).hexdigest()[:10]
        return load_config(source, [*settings, f"augment.file={self.out}/offsets_{self.seed}_{digest}.safetensors"])

    def scored(self) -> RunConfig:
        """What its detector is scored on. A row may train on other data: of its own, only `evaluate` counts here."""
        own = [setting for setting in self.own if setting.startswith("evaluate.")]
        return load_config(STUDIES[self.study].config, [*self.settings, *own, "run.workers=0"])

    def done(self) -> bool:
        """Whether its result is there.

        Raises:
            ConfigError: it is, but of other settings or another world.
            DataError: it is damaged.
        """
        if not self.result.is_file():
            return False
        stored = read_result(self.result)["settings"]
        if _comparable(stored) != _comparable([*self.settings, *self.own]):
            raise ConfigError(
                f"{self.result}: there is a result of row {self.row} with other settings or of another world "
                f"({' '.join(stored)}): give the row another name, or the results another folder (--out)"
            )
        return True


def _comparable(settings: Iterable[str]) -> list[str]:
    """Settings with the world's name alone for where it is: results may have moved since."""
    root = "data.root="
    return [root + Path(one.removeprefix(root)).name if one.startswith(root) else one for one in settings]
