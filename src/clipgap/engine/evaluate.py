"""Score a detector on every domain (METHOD, section 5)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch

from clipgap.config import EvaluateConfig, RunConfig
from clipgap.data import Domains, load_domains
from clipgap.detector import Detector
from clipgap.engine.detections import Samples, Scorable, detections
from clipgap.engine.keeping import Keeping, kept_by_main, nothing_kept
from clipgap.engine.kept import Kept
from clipgap.engine.progress import Report, progress_bar
from clipgap.engine.run_folder import RunFolder
from clipgap.engine.runtime import Place, take_place, tell_warnings
from clipgap.errors import ConfigError, DataError
from clipgap.group import ALONE, Group
from clipgap.metrics import DomainScore, Result, Role, ScoreTable, make_metric


def evaluate(
    detector: Scorable,
    domains: Domains,
    config: EvaluateConfig | None = None,
    *,
    workers: int = 0,
    notes: list[str] | None = None,
    show: bool = True,
    group: Group = ALONE,
    kept: Kept | None = None,
) -> ScoreTable:
    """Score a detector on the source and on every target domain, each by its own metric where it names one; all
    processes of a group do it together. What is `kept` is not detected again.

    Raises:
        DataError: a domain names no split to score, or its data have faults; or as `Kept`.
        ConfigError: the domains' metrics do not go into one table.

    Examples:
        >>> from clipgap.detectors import shipped_detector
        >>> detector = clipgap.Detector.load(shipped_detector())
        >>> table = clipgap.evaluate(detector, clipgap.load_domains("mini_world"), show=False)
        >>> table.to_json()["mean_targets"] == table.mean_targets  # AP50, 0 to 100
        True
    """
    config, show = config or EvaluateConfig(), show and group.main
    try:
        config.require_one_table({domain.name: domain.metric for domain in domains.all})
    except ValueError as error:
        raise ConfigError(str(error)) from None
    require_same_classes(detector, domains)
    splits = [(domain, domain.scored) for domain in domains.all]  # all read before the first is scored
    scores = []
    for domain, scored in splits:
        if scored is None:
            raise DataError(f"domain {domain.name}: no split to score; give `test` (or `val`) in the data file")
    for domain, scored in splits:
        assert scored is not None
        if show:
            tell_warnings(domain.name, scored)
        role: Role = "source" if domain is domains.source else "target"
        own = config.by(domain.metric)
        opened = partial(kept.opened, domain.name, scored, own) if kept else nothing_kept
        with kept_by_main(group, opened) as keeping:
            result = score_split(detector, scored, own, domain.name, keeping, workers=workers, show=show, group=group)
        scores.append(DomainScore(domain.name, role, result, own.metric))
    table = ScoreTable(config.metric, config.iou, scores, detector.spec.description, notes or [], config.scoring)
    if kept:
        group.main_does(partial(kept.table, table))
    return table


def evaluate_run(
    run: Path | Scorable,
    config: RunConfig,
    *,
    show: bool = True,
    place: Place | None = None,
    kept: Kept | None = None,
) -> ScoreTable:
    """Score the detector of a run folder, of any Detector folder, or one that is loaded, on a config's domains.

    Args:
        run: the folder or the detector.
        config: its `data`, `evaluate` and `run` count.
        show: progress bars.
        place: `take_place` of its `run` gives it, for who asks which process is the main one.
        kept: where its detections are kept; by default they are not.

    Raises:
        DataError, ConfigError: as `evaluate`.
        LostError: another process has ended.
    """
    place = place or take_place(config.run)
    group, workers = place.group, config.run.workers
    with group.kept():
        detector, notes = load_scorable(run, place.device)
        if kept:
            kept.require_unchanged()
        domains = load_domains(config.data)
        rule = config.evaluate
        return evaluate(detector, domains, rule, workers=workers, notes=notes, show=show, group=group, kept=kept)


def load_scorable(run: Path | Scorable, device: torch.device) -> tuple[Scorable, list[str]]:
    """The detector of a folder, or the one that is loaded, and what a table of its scores must say of it."""
    if not isinstance(run, Path):
        return run, []
    notes = [selection_note(RunFolder(run).config())] if RunFolder(run).config_file.is_file() else []
    return Detector.load(run, device), notes


def require_same_classes(detector: Scorable, domains: Domains) -> None:
    """Make sure that a detector looks for what the data file's boxes are of.

    Raises:
        DataError: it does not.
    """
    if tuple(domains.classes) != tuple(detector.classes):
        raise DataError(
            f"the detector's classes are {', '.join(detector.classes)}; the data file's are "
            f"{', '.join(domains.classes)}: they must be the same, in the same order"
        )


def selection_note(config: RunConfig) -> str:
    """On what the weights were chosen; a score on the same images flatters."""
    source = config.data.source
    if source.selection_split is None:
        return "weights: of the last step"
    note = f"weights chosen on {source.name}/{source.selection_split}"
    rule = config.evaluate
    if rule.select == "robust":
        note += f" under corruption (severity {rule.select_severity}: {', '.join(rule.select_corruptions)})"
    return (
        f"{note}, which is also what {source.name} is scored on"
        if source.scored_split == source.selection_split
        else note
    )


def score_split(
    detector: Scorable,
    dataset: Samples,
    config: EvaluateConfig,
    title: str,
    keeping: Keeping | None = None,
    *,
    workers: int = 0,
    show: bool = True,
    group: Group = ALONE,
) -> Result:
    """Score a detector on one split, with a bar."""
    done = len(keeping.before) if keeping else 0
    with progress_bar(f"score {title}", len(dataset), done, show and done < len(dataset)) as report:
        return score_images(detector, dataset, config, workers, report, group, keeping)


def score_images(
    detector: Scorable,
    dataset: Samples,
    config: EvaluateConfig,
    workers: int,
    report: Report,
    group: Group = ALONE,
    keeping: Keeping | None = None,
) -> Result:
    """Score a detector on images, and report every one that is looked at; all processes of a group do it together.

    Args:
        keeping: what was found in the first images, which are not looked at again, and where the rest goes.
    """
    metric, keeping = make_metric(config, detector.classes), keeping or Keeping([])
    for number, found in enumerate(keeping.before):
        metric.update([found], [dataset.target(number)])
    done = len(keeping.before)
    if done < len(dataset):
        faster = detector.for_inference(config.precision, config.proposals)
        for found, target in detections(faster, dataset, config.batch_size, workers, group, done):
            keeping.add(found)
            metric.update([found], [target])
            report()
    return metric.compute()
