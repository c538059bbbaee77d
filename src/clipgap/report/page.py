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
from clipgap.report.evidence import evidence_of
from clipgap.report.facts import facts_of
from clipgap.report.heat import heat_of
from clipgap.report.series import Series
from clipgap.report.step_one import step_one_of

MOST_SERIES = 6
"""As many as have a colour and a dash of their own."""


def write_report(
    compared: Comparison,
    out: Path,
    corruptions: Sequence[Path] = (),
    upper: Series | None = None,
    *,
    show: bool = True,
) -> None:
    """Write the report of series of runs into one HTML file.

    Args:
        compared: the series; all parts but the table and its bars are of the first run of each.
        out: the file.
        corruptions: folders that `clipgap evaluate --corruptions --out` wrote, of these runs.
        upper: runs that were trained on the targets too: how far one could get; they are in the bars alone.
        show: a progress bar.

    Raises:
        ConfigError: there are too many series.
        DataError: detections could not be kept, or a folder holds something else.
    """
    if len(compared.series) > MOST_SERIES:
        raise ConfigError(f"a report has at most {MOST_SERIES} series, not {len(compared.series)}: name fewer runs")
    heat = [heat_of(folder, compared.series) for folder in corruptions]
    evidence = [evidence_of(one) for one in compared.series]
    made: dict[str, Callable[[], Any]] = {
        "table": lambda: parts.table_part(compared),
        "bars": lambda: plots.bars(compared, upper),
        "facts": lambda: [(one.letter, facts_of(one)) for one in compared.series],
        "step_one": lambda: [found for one in compared.series if (found := step_one_of(one))],
        "curves": lambda: plots.curves(compared),
        "precision_recall": lambda: plots.precision_recall_plots(evidence),
        "errors": lambda: parts.errors_part(evidence),
        "sizes": lambda: parts.sizes_part(evidence),
        "calibration": lambda: parts.calibration_part(evidence),
        "scores": lambda: parts.scores_part(evidence),
        "confusion": lambda: parts.confusion_part(evidence),
        "pictures": lambda: parts.pictures_part(evidence),
    }
    context: dict[str, Any] = {"compared": compared, "upper": upper, "heat": heat, "kinds": KINDS, "bands": BANDS}
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
