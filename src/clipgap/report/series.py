"""Runs of one setting, a seed each, and their tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipgap.config import RunConfig, differing
from clipgap.engine.evaluate import evaluate_run
from clipgap.engine.kept import Kept
from clipgap.engine.progress import log
from clipgap.engine.run_folder import CADENCE, RunFolder
from clipgap.engine.runtime import take_place
from clipgap.errors import ConfigError
from clipgap.export import OnnxDetector, is_exported
from clipgap.metrics import ScoreTable

PLACES = {"run.out", "run.device", "run.devices", "run.workers", "run.loggers", "augment.file", *CADENCE}
"""Where and how a run was made, which says nothing of what it learnt."""
SEED, ROOT = "run.seed", "data.root"


@dataclass(frozen=True)
class Scored:
    """One detector and its table."""

    path: Path
    made: RunConfig | None
    """The config that it was trained with; None: it is not known."""
    table: ScoreTable
    config: RunConfig
    """What it was scored on."""
    kept: Kept
    """Its detections."""

    @property
    def seed(self) -> int | None:
        """Its run's seed, where that is known."""
        return self.made.run.seed if self.made else None


@dataclass(frozen=True)
class Series:
    """Runs of one setting, in the order of their seeds."""

    letter: str
    """By which tables call it: A, B, ..."""
    runs: list[Scored]

    @property
    def name(self) -> str:
        """Its folders, the first in full."""
        first, *others = self.runs
        return ", ".join([str(first.path), *(run.path.name for run in others)])

    @property
    def seeds(self) -> list[int | None]:
        """The seeds, one a run."""
        return [run.seed for run in self.runs]


def score(paths: Sequence[Path], config_of: Callable[[Path], RunConfig]) -> list[Scored]:
    """The table of every detector, of the detections that are kept where they are there.

    Args:
        paths: run folders, Detector folders, or exported ones.
        config_of: what each is scored on.

    Raises:
        ConfigError: their tables are not of the same domains and classes by the same rule.
        DataError, WeightsError: as `evaluate_run`.
    """
    scored: list[Scored] = []
    for path in paths:
        config = config_of(path)
        exported = is_exported(path)
        run = config.run.model_copy(update={"device": "cpu"}) if exported else config.run
        place = take_place(run)
        log.print(str(path), style="bold", highlight=False)
        kept = Kept.beside(path, place.device)
        table = evaluate_run(OnnxDetector.load(path) if exported else path, config, place=place, kept=kept)
        folder = RunFolder(path)
        made = folder.config() if folder.config_file.is_file() else None
        scored.append(Scored(path, made, table, config, kept))
        _require_comparable(scored[0], scored[-1])
    return scored


def series_of(scored: Sequence[Scored]) -> list[Series]:
    """Runs of one setting together, in the order in which their settings are given first.

    Two are of one setting if nothing but the seed differs. Of one seed on data in other folders they are not: there a
    folder is a setting. A detector whose settings are not known is alone.

    Raises:
        ConfigError: two runs have the same settings and seed.
    """
    groups: list[list[Scored]] = []
    for run in scored:
        home = next((group for group in groups if _same(group[0], run, {ROOT}) and run.seed not in _seeds(group)), None)
        if home is None and (twin := next((one for group in groups for one in group if _twins(one, run)), None)):
            raise ConfigError(f"{run.path}: has the settings and the seed of {twin.path}: leave one of them out")
        if home is None:
            groups.append([run])
        else:
            home.append(run)
    ordered = [sorted(group, key=lambda run: run.seed or 0) for group in groups]
    return [Series(_letter(number), group) for number, group in enumerate(ordered)]


def differing_settings(series: Sequence[Series]) -> dict[str, list[object]]:
    """The settings in which series differ, with the value of each; None where one does not have it or it is unknown."""
    first = next((one.runs[0].made for one in series if one.runs[0].made), None)
    if first is None:
        return {}
    found: dict[str, list[object]] = {}
    for place, one in enumerate(series):
        made = one.runs[0].made
        for key, value, own in differing(first, made, PLACES | {SEED}) if made else []:
            told = [value if other.runs[0].made else None for other in series]
            found.setdefault(key, told)[place] = own
    return {key: told for key, told in sorted(found.items()) if key != ROOT or _alike(series)}


def _alike(series: Sequence[Series]) -> bool:
    """Whether every one has a single run: then a folder of data is worth telling."""
    return all(len(one.runs) == 1 for one in series)


def _same(one: Scored, other: Scored, but: set[str]) -> bool:
    return bool(one.made and other.made) and not differing(one.made, other.made, PLACES | {SEED} | but)  # type: ignore[arg-type]


def _twins(one: Scored, other: Scored) -> bool:
    return one.seed == other.seed and _same(one, other, set())


def _seeds(group: Sequence[Scored]) -> list[int | None]:
    return [run.seed for run in group]


def _letter(number: int) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return letters[number] if number < len(letters) else f"{letters[number % 26]}{number // 26}"


def _require_comparable(first: Scored, other: Scored) -> None:
    """Make sure that two tables have the same rows and columns."""

    def said(one: Scored) -> dict[str, str]:
        table = one.table
        return {
            "rule is": table.rule,
            "list of domains is": ", ".join(domain.name for domain in table.domains),
            "list of classes is": ", ".join(table.domains[0].result.per_class),
        }

    for what, mine in said(first).items():
        theirs = said(other)[what]
        if mine != theirs:
            raise ConfigError(
                f"{other.path}: its {what} {theirs}, that of {first.path} is {mine}: "
                "give --config, or --set, to score all on the same"
            )
