"""Score a detector on the source's test split under corruption (Michaelis et al. 2019, arXiv 1907.07484).

What `--out` names is a folder that can be gone on with:

robustness.json     what was asked: the detector, the split, the seed, the rules; `--resume` must ask for the same
corruptions.jsonl   a line a corruption and severity (and one of the clean images: `clean`, 0), as soon as it is done
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipgap.config import EvaluateConfig, RunConfig
from clipgap.corruptions import STANDARD
from clipgap.data import DetectionDataset, load_domains
from clipgap.engine.corrupted import CorruptedSamples, digest, open_cache
from clipgap.engine.evaluate import Samples, Scorable, load_scorable, require_same_classes, score_images
from clipgap.engine.predict.folder import LineFile, writing
from clipgap.engine.progress import progress_bar
from clipgap.engine.runtime import tell_warnings
from clipgap.errors import DataError
from clipgap.files import require_new, write_text
from clipgap.metrics import Result, RobustnessTable
from clipgap.parse import parse_json

ASKED, LINES = "robustness.json", "corruptions.jsonl"
CLEAN = ("clean", 0)
Round = tuple[str, int]
"""A corruption and its severity."""


@dataclass(frozen=True)
class RobustnessSettings:
    """What is scored, and where it is kept."""

    corruptions: tuple[str, ...]
    severities: tuple[int, ...]
    out: Path | None = None
    """The folder above."""
    resume: bool = False
    """Go on with it: what is there is not done again."""
    cache: Path | None = None
    """A folder for the corrupted images."""
    detector: str = ""
    """Which detector it is, for example a hash of its weights."""

    @property
    def rounds(self) -> list[Round]:
        """All that is scored, the clean images first."""
        return [CLEAN, *((name, severity) for name in self.corruptions for severity in self.severities)]


def evaluate_corruptions(
    run: Path | Scorable, config: RunConfig, settings: RobustnessSettings, *, show: bool = True
) -> RobustnessTable:
    """Score a detector on the split of the source that `evaluate` scores, as it is and under corruptions.

    Args:
        run: a run folder, any Detector folder, or a loaded detector.
        config: its `data`, `evaluate`, `run.seed`, `run.workers` and `run.device` count.
        settings: which corruptions, and where results are kept.
        show: a progress bar.

    Raises:
        DataError: the source names no split to score, its data have faults, an image is too small to be corrupted, or a
            folder is of something else.
    """
    detector, notes = load_scorable(run, config)
    domains = load_domains(config.data)
    require_same_classes(detector, domains)
    source, dataset = domains.source, domains.source.scored
    if dataset is None:
        raise DataError(f"domain {source.name}: no split to score; give `test` (or `val`) in the data file")
    CorruptedSamples(dataset, [], config.run.seed)  # looks for images that are too small
    if show:
        tell_warnings(source.name, dataset)
    rule = config.evaluate.by(source.metric)
    if settings.cache:
        open_cache(settings.cache, dataset, config.run.seed)
    with _results(settings, _asked(config, dataset, rule, settings.detector)) as results:
        _score_all(detector.for_inference(rule.precision), dataset, config, rule, settings, results, show)
        done = results.known
    scores = {name: {one: done[name, one] for one in settings.severities} for name in settings.corruptions}
    if set(settings.corruptions) != set(STANDARD) or set(settings.severities) != {1, 2, 3, 4, 5}:
        notes = [
            *notes,
            "mPC and rPC of these alone: published ones are of the 15 standard corruptions, severities 1-5",
        ]
    return RobustnessTable(
        rule.metric,
        rule.iou,
        source.name,
        source.split_name("scored"),
        config.run.seed,
        done[CLEAN],
        scores,
        detector.spec.description,
        notes,
        rule.scoring,
    )


def _score_all(
    detector: Scorable,
    dataset: DetectionDataset,
    config: RunConfig,
    rule: EvaluateConfig,
    settings: RobustnessSettings,
    results: _Results,
    show: bool,
) -> None:
    rounds, seed = settings.rounds, config.run.seed
    done = sum(one in results.known for one in rounds)
    with progress_bar("score under corruption", len(rounds) * len(dataset), done * len(dataset), show) as report:
        for one in rounds:
            if one in results.known:
                continue
            clean = one == CLEAN
            images: Samples = dataset if clean else CorruptedSamples(dataset, [one], seed, settings.cache)
            results.add(one, score_images(detector, images, rule, config.run.workers, report))


class _Results:
    """What is scored already, in memory and in a file if there is one."""

    def __init__(self, lines: LineFile | None) -> None:
        self.known: dict[Round, Result] = {}
        self._lines = lines
        for line in lines.lines if lines else []:
            rest = {key: line[key] for key in ("figures", "per_class", "images", "boxes")}
            self.known[line["corruption"], line["severity"]] = Result(**rest)

    def add(self, one: Round, result: Result) -> None:
        self.known[one] = result
        if self._lines:
            name, severity = one
            number = self._lines.next
            self._lines.add({"number": number, "corruption": name, "severity": severity, **asdict(result)})


@contextmanager
def _results(settings: RobustnessSettings, asked: dict[str, Any]) -> Iterator[_Results]:
    """What the folder of results holds, if there is one.

    Raises:
        DataError: it holds something else, or there is nothing to go on with, or of another detector, split or seed.
    """
    if settings.out is None:
        yield _Results(None)
        return
    require_results(settings.out, settings.resume)
    file = settings.out / ASKED
    if settings.resume:
        _require_same(file, asked)
    else:
        with writing(file):
            write_text(file, json.dumps(asked, indent=1))
    lines = LineFile(settings.out / LINES, "number", 1)
    try:
        yield _Results(lines)
    finally:
        lines.close()


def require_results(out: Path, resume: bool) -> None:
    """Make sure, as far as that can be seen without the detector, that results can be written into a folder.

    Raises:
        DataError: it holds something already, or there is nothing to go on with.
    """
    if not resume:
        require_new(out, "--out (--resume goes on with results)")
    elif not (out / ASKED).is_file():
        raise DataError(f"{out}: no results to go on with ({ASKED} is not there); leave --resume out")


def _asked(config: RunConfig, dataset: DetectionDataset, rule: EvaluateConfig, detector: str) -> dict[str, Any]:
    """What results depend on, beside corruption and severity; the words are those of a message."""
    return {
        "the detector": detector,
        "run.seed": config.run.seed,
        "the split": digest(dataset, boxes=True),
        **{f"evaluate.{key}": getattr(rule, key) for key in ("metric", "iou", "scoring", "precision")},
    }


def _require_same(file: Path, asked: dict[str, Any]) -> None:
    try:
        before = parse_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = None
    if not isinstance(before, dict):
        raise DataError(f"{file}: damaged; choose another --out, or move the folder away")
    for key, now in asked.items():
        if before.get(key) != now:
            raise DataError(f"--resume: {key} is {now}, but {file.parent} was begun with {before.get(key)}")
