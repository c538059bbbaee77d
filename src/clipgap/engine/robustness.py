"""Score a detector on the source's test split under corruption (Michaelis et al. 2019, arXiv 1907.07484)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from clipgap.config import EvaluateConfig, RunConfig
from clipgap.corruptions import STANDARD
from clipgap.data import DetectionDataset, load_domains
from clipgap.engine.corrupted import CorruptedSamples, open_cache
from clipgap.engine.detections import Samples, Scorable
from clipgap.engine.evaluate import load_scorable, require_same_classes, score_images
from clipgap.engine.keeping import Keeping, keeping_in, kept_by_main, nothing_kept
from clipgap.engine.predict.folder import LineFile
from clipgap.engine.progress import progress_bar
from clipgap.engine.robustness_folder import half_done_round, open_results
from clipgap.engine.runtime import Place, take_place, tell_warnings
from clipgap.errors import DataError
from clipgap.group import Group
from clipgap.metrics import Result, RobustnessTable

CLEAN = ("clean", 0)
ALONE = "mPC and rPC of these alone; published ones are of the 15 standard corruptions at severities 1 to 5"
COUNTING = ("metric", "iou", "scoring", "precision", "proposals", "batch_size")
"""Settings of `evaluate` that results depend on."""
Round = tuple[str, int]
"""A corruption and its severity."""


@dataclass(frozen=True)
class RobustnessSettings:
    """What is scored, and where it is kept."""

    corruptions: Sequence[str] = STANDARD
    severities: Sequence[int] = (1, 2, 3, 4, 5)
    out: Path | None = None
    """A folder for the results: see `robustness_folder`."""
    resume: bool = False
    """Go on with it: what is there is not done again."""
    cache: Path | None = None
    """A folder for the corrupted images."""
    detector: str = ""
    """Which detector it is, for example a hash of its weights: `resume` goes on with this one only."""

    @property
    def rounds(self) -> list[Round]:
        """All that is scored, the clean images first."""
        return [CLEAN, *((name, severity) for name in self.corruptions for severity in self.severities)]


def evaluate_corruptions(
    run: Path | Scorable,
    config: RunConfig,
    settings: RobustnessSettings,
    *,
    show: bool = True,
    place: Place | None = None,
) -> RobustnessTable:
    """Score a detector on the split of the source that `evaluate` scores, as it is and under corruptions.

    Args:
        run: a run folder, any Detector folder, or a loaded detector.
        config: its `data`, `evaluate` and `run` count.
        settings: which corruptions, and where results are kept.
        show: a progress bar.
        place: `take_place` of its `run` gives it, for who asks which process is the main one.

    Raises:
        DataError: no split to score, faults in it, an image too small to be corrupted, or a folder of something else.
        LostError: another process has ended.
    """
    place = place or take_place(config.run)
    with place.group.kept():
        return _evaluated(run, config, settings, show and place.group.main, place)


def _evaluated(
    run: Path | Scorable, config: RunConfig, settings: RobustnessSettings, show: bool, place: Place
) -> RobustnessTable:
    detector, notes = load_scorable(run, place.device)
    domains = load_domains(config.data)
    require_same_classes(detector, domains)
    source, dataset = domains.source, domains.source.scored
    if dataset is None:
        raise DataError(f"domain {source.name}: no split to score; give `test` (or `val`) in the data file")
    if show:
        tell_warnings(source.name, dataset)
    rule = config.evaluate.by(source.metric)
    faster = detector.for_inference(rule.precision, rule.proposals)
    scored = _score_all(faster, dataset, config, rule, settings, show, place.group)
    standard = set(settings.corruptions) == set(STANDARD) and len(settings.severities) == 5
    return RobustnessTable(
        metric=rule.metric,
        iou=rule.iou,
        source=source.name,
        split=source.split_name("scored"),
        seed=config.run.seed,
        clean=scored[CLEAN],
        scores={name: {one: scored[name, one] for one in settings.severities} for name in settings.corruptions},
        detector=detector.spec.description,
        notes=notes if standard else [*notes, ALONE],
        scoring=rule.scoring,
    )


def _score_all(
    detector: Scorable,
    dataset: DetectionDataset,
    config: RunConfig,
    rule: EvaluateConfig,
    settings: RobustnessSettings,
    show: bool,
    group: Group,
) -> dict[Round, Result]:
    """The results of all rounds, those in the folder of results among them."""
    seed, rounds = config.run.seed, settings.rounds
    images: dict[Round, Samples] = {one: CorruptedSamples(dataset, [one], seed, settings.cache) for one in rounds[1:]}
    images[CLEAN] = dataset
    if settings.cache:
        group.main_does(partial(open_cache, settings.cache, dataset, seed))
    asked = _asked(config, dataset, rule, settings.detector)
    opened = partial(open_results, settings.out, settings.resume, asked) if settings.out else nullcontext
    with group.by_main(opened) as lines:
        scored = group.exchange(_read(lines) if lines else {})[0]
        done = len(dataset) * sum(one in scored for one in rounds)
        with progress_bar("score under corruption", len(dataset) * len(rounds), done, show) as report:
            for name, severity in (one for one in rounds if one not in scored):
                out = settings.out
                begun = partial(_half_done, half_done_round(out, name, severity)) if out else nothing_kept
                with kept_by_main(group, begun) as keeping:
                    report(len(keeping.before))
                    result = score_images(
                        detector, images[name, severity], rule, config.run.workers, report, group, keeping
                    )
                    if lines:
                        lines.add({"number": lines.next, "corruption": name, "severity": severity, **asdict(result)})
                scored[name, severity] = result
    return scored


@contextmanager
def _half_done(file: Path) -> Iterator[Keeping]:
    """Lines that go when all images are scored."""
    with keeping_in(file) as keeping:
        yield keeping
    file.unlink()


def _read(lines: LineFile) -> dict[Round, Result]:
    keys = ("figures", "per_class", "images", "boxes")
    return {(line["corruption"], line["severity"]): Result(**{key: line[key] for key in keys}) for line in lines.lines}


def _asked(config: RunConfig, dataset: DetectionDataset, rule: EvaluateConfig, detector: str) -> dict[str, Any]:
    """What results depend on, beside corruption and severity."""
    return {
        "the detector": detector,
        "run.seed": config.run.seed,
        "the split": dataset.digest(boxes=True),
        **{f"evaluate.{key}": getattr(rule, key) for key in COUNTING},
    }
