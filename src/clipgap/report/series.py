"""Runs of one setting, a seed each, and their tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from clipgap.config import ImageConfig, RunConfig, flat
from clipgap.detector.spec import read_spec
from clipgap.engine.evaluate import evaluate_run
from clipgap.engine.kept import Kept
from clipgap.engine.progress import log
from clipgap.engine.run_folder import CADENCE, RunFolder
from clipgap.engine.runtime import on_cpu, take_place
from clipgap.errors import ConfigError
from clipgap.export import OnnxDetector, is_exported
from clipgap.metrics import ScoreTable

ASIDE = {"run.out", "run.device", "run.workers", "run.loggers", "run.seed", *CADENCE}
"""Where and how a run was made, which says nothing of what it learnt."""
OF_A_SEED = ("data.root", "augment.file")
"""What may be another for every seed: a world, and the offsets that were fitted on it."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Run:
    """One detector, and the config that it was trained with; None: it is not known."""

    path: Path
    made: RunConfig | None

    @property
    def seed(self) -> int | None:
        """Its run's seed, where that is known."""
        return self.made.run.seed if self.made else None


@dataclass(frozen=True)
class Scored(Run):
    """The same with its table."""

    table: ScoreTable
    config: RunConfig
    """What it was scored on."""
    seen: ImageConfig
    """How large it sees images."""
    kept: Kept
    """Its detections."""
    images: dict[str, str]
    """A hash of every domain's images and boxes."""


R = TypeVar("R", bound=Run)


@dataclass(frozen=True)
class Series(Generic[R]):
    """Runs of one setting, in the order of their seeds."""

    letter: str
    """By which tables call it: A, B, ..."""
    runs: list[R]

    @property
    def name(self) -> str:
        """Its folders, the first in full."""
        first, *others = self.runs
        return ", ".join([str(first.path), *(run.path.name for run in others)])

    @property
    def seeds(self) -> list[int | None]:
        """The seeds, one a run."""
        return [run.seed for run in self.runs]


def run_of(path: Path) -> Run:
    """What is known of a folder's detector without looking at an image."""
    folder = RunFolder(path)
    return Run(path, folder.config() if folder.config_file.is_file() else None)


def score(runs: Sequence[Run], config_of: Callable[[Path], RunConfig]) -> list[Scored]:
    """The table of every detector, of the detections that are kept where they are there.

    Args:
        runs: of run folders, Detector folders, or exported ones.
        config_of: what each is scored on.

    Raises:
        ConfigError: their tables are not of the same domains and classes by the same rule.
        DataError, WeightsError: as `evaluate_run`.
    """
    scored: list[Scored] = []
    for run in runs:
        config, exported = config_of(run.path), is_exported(run.path)
        place = take_place(on_cpu(config.run) if exported else config.run)
        log.print(str(run.path), style="bold", highlight=False)
        kept = Kept.beside(run.path, place.device)
        detector = OnnxDetector.load(run.path) if exported else run.path
        seen = detector.spec.image if isinstance(detector, OnnxDetector) else read_spec(run.path).image
        table = evaluate_run(detector, config, place=place, kept=kept)
        scored.append(Scored(run.path, run.made, table, config, seen, kept, kept.images()))
        _require_comparable(scored[0], scored[-1])
    return scored


def series_of(runs: Sequence[R]) -> list[Series[R]]:
    """Runs of one setting together, in the order in which their settings are given first.

    Two are of one setting if nothing but the seed differs; where every seed has data or offsets of its own, those too.
    A detector whose settings are not known is alone.

    Raises:
        ConfigError: two runs have the same settings and seed.
    """
    groups = _apart(runs, OF_A_SEED)
    groups.sort(key=lambda group: min(runs.index(run) for run in group))
    ordered = [sorted(group, key=lambda run: run.seed or 0) for group in groups]
    return [Series(letter(number), group) for number, group in enumerate(ordered)]


def differing_settings(series: Sequence[Series[Any]]) -> dict[str, list[object]]:
    """The settings in which series differ, with the value of each; None where one does not have it or it is unknown.

    What may differ between seeds is told where series do not have it alike, with the values of all of their runs.
    """
    known = [_settings(one.runs[0]) for one in series]
    keys = dict.fromkeys(key for settings in known for key in settings)
    found: dict[str, list[object]] = {}
    for key in keys:
        values = [settings.get(key) for settings in known]
        if key in OF_A_SEED:
            values = [", ".join(dict.fromkeys(str(_settings(run).get(key)) for run in one.runs)) for one in series]
        told = [value for value, settings in zip(values, known, strict=True) if settings]
        if any(value != told[0] for value in told):
            found[key] = [value if settings else None for value, settings in zip(values, known, strict=True)]
    return dict(sorted(found.items()))


def letter(number: int) -> str:
    """What the series of a number, from 0, is called."""
    return LETTERS[number] if number < len(LETTERS) else f"{LETTERS[number % 26]}{number // 26}"


def _apart(runs: Sequence[R], but: Sequence[str]) -> list[list[R]]:
    """Groups in which no seed is twice: what may be another for every seed is looked at where it must be."""
    found: list[list[R]] = []
    for group in _grouped(runs, but):
        twice = [run for place, run in enumerate(group) if run.seed in [one.seed for one in group[:place]]]
        if not twice:
            found.append(group)
        elif but:
            found += _apart(group, but[1:])
        else:
            twin = next(one for one in group if one.seed == twice[0].seed)
            raise ConfigError(f"{twice[0].path}: has the settings and the seed of {twin.path}: leave one of them out")
    return found


def _grouped(runs: Sequence[R], but: Sequence[str]) -> list[list[R]]:
    """Runs with the same settings, those in `but` left out."""
    groups: dict[str, list[R]] = {}
    for place, run in enumerate(runs):
        settings = {key: value for key, value in _settings(run).items() if key not in but}
        groups.setdefault(repr(sorted(settings.items())) if run.made else f"unknown {place}", []).append(run)
    return list(groups.values())


def _settings(run: Run) -> dict[str, Any]:
    """All that decides what a run learns but its seed; empty where that is not known."""
    return {key: value for key, value in flat(run.made).items() if key not in ASIDE} if run.made else {}


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
