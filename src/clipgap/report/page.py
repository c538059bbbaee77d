"""The report: one HTML file that opens anywhere, with nothing beside it and no script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clipgap.engine.progress import progress_bar
from clipgap.errors import ConfigError
from clipgap.files import write_text
from clipgap.metrics.error_kinds import KINDS
from clipgap.metrics.sizes import BANDS
from clipgap.report import parts, plots
from clipgap.report.comparison import Comparison
from clipgap.report.evidence import evidence_of, runs_to_look_at
from clipgap.report.facts import facts_of
from clipgap.report.heat import Heat
from clipgap.report.series import Scored, Series
from clipgap.report.step_one import step_one_of

MOST_SERIES = 6
"""As many as have a colour and a dash of their own."""


def require_few(series: Sequence[Series[Any]]) -> None:
    """Make sure that a report can tell all series apart.

    Raises:
        ConfigError: there are too many.
    """
    if len(series) > MOST_SERIES:
        raise ConfigError(f"a report has at most {MOST_SERIES} series, not {len(series)}: name fewer runs")


def write_report(
    compared: Comparison,
    out: Path,
    heat: Sequence[Heat] = (),
    upper: Series[Scored] | None = None,
    *,
    show: bool = True,
) -> None:
    """Write the report of series of runs into one HTML file.

    Args:
        compared: the series; all parts but the table and its bars are of one run of each (`runs_to_look_at`).
        out: the file.
        heat: of these runs under corruption: `heat_of`.
        upper: runs that were trained on the targets too: how far one could get; they are in the bars alone.
        show: a progress bar.

    Raises:
        DataError: detections could not be kept.
    """
    series = compared.series
    evidence = [evidence_of(one, run) for one, run in zip(series, runs_to_look_at(series), strict=True)]
    made: dict[str, Callable[[], Any]] = {
        "table": lambda: parts.table_part(compared),
        "bars": lambda: plots.bars(compared, upper),
        "facts": lambda: [(one.letter, facts_of(one, own.run)) for one, own in zip(series, evidence, strict=True)],
        "step_one": lambda: [found for one in evidence if (found := step_one_of(one.letter, one.run))],
        "curves": lambda: plots.curves(evidence),
        "precision_recall": lambda: plots.precision_recall_plots(evidence),
        "errors": lambda: parts.errors_part(evidence),
        "sizes": lambda: parts.sizes_part(evidence),
        "calibration": lambda: parts.calibration_part(evidence),
        "scores": lambda: parts.scores_part(evidence),
        "confusion": lambda: parts.confusion_part(evidence),
        "pictures": lambda: parts.pictures_part(evidence),
    }
    context: dict[str, Any] = {
        "compared": compared,
        "upper": upper,
        "heat": heat,
        "kinds": KINDS,
        "iou": evidence[0].splits[0].outcomes.iou,
        "bands": BANDS,
    }
    with progress_bar("report", len(made), show=show) as report:
        for name, make in made.items():
            context[name] = make()
            report()
    write_text(out, _render(context))


def _render(context: dict[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("clipgap.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = lambda value, digits=1: "-" if value is None else f"{value:.{digits}f}"
    environment.filters["signed"] = lambda value: "-" if value is None else f"{value:+.1f}"
    style = resources.files("clipgap.report").joinpath("style.css").read_text(encoding="utf-8")
    return environment.get_template("report.html").render(style=Markup(style), **context)  # noqa: S704 (a file of ours)
