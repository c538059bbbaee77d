"""The report's plots: scores by domain, curves of a training, precision and recall, calibration."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from markupsafe import Markup

from clipgap.metrics.calibration import Calibration
from clipgap.metrics.curves import precision_recall
from clipgap.report.comparison import Comparison, figure
from clipgap.report.evidence import Evidence
from clipgap.report.history import history_of
from clipgap.report.series import Scored, Series
from clipgap.report.svg import Plot, envelope, thinned

PAGE = 900
"""Pixels of a plot across the page."""


def bars(compared: Comparison, upper: Series[Scored] | None = None) -> Markup:
    """A bar a series in every domain (its mean), a dot a seed, and a line where the upper bound is."""
    domains, count = compared.domains, len(compared.series)
    drawn = [*compared.series, *([upper] if upper else [])]
    known = [value for one in drawn for name in domains for value in compared.values(one, (name, None))]
    ticks = [(place + 0.5, name) for place, name in enumerate(domains)]
    top = max([*known, 1.0]) * 1.08
    plot = Plot("", (0, len(domains), ""), (0, top, "AP, 0 to 100"), (PAGE, 260), ticks)
    for place, name in enumerate(domains):
        if upper and (values := compared.values(upper, (name, None))):
            mean = statistics.mean(values)
            plot.line([(place + 0.06, mean), (place + 0.94, mean)], "upper", f"upper bound, {name}: {mean:.1f}")
        for number, series in enumerate(compared.series):
            values = compared.values(series, (name, None))
            if not values:
                continue
            width = 0.8 / count
            left = place + 0.1 + number * width
            mean = statistics.mean(values)
            plot.bar(left, width * 0.92, mean, f"s{number}", f"{series.letter}, {name}: {mean:.1f}")
            if len(values) > 1:
                for run in series.runs:
                    if (value := figure(run.table, (name, None))) is not None:
                        plot.dot((left + width * 0.46, value), "seed", f"seed {run.seed}: {value:.1f}")
    return plot.svg()


def curves(evidence: Sequence[Evidence]) -> list[Markup]:
    """Loss and validation over the steps of every run; none where no run has metrics."""
    told = {number: history_of(one.run.path) for number, one in enumerate(evidence)}
    losses = {number: one.losses for number, one in told.items()}
    scores = {number: one.validation for number, one in told.items()}
    found = []
    for title, unit, points, bottom in (
        ("loss, smoothed", "sum of the losses", losses, True),
        ("validation on the source", "AP, 0 to 100", scores, False),
    ):
        drawn = {number: line for number, line in points.items() if line}
        if not drawn:
            continue
        steps = max(point[0] for line in drawn.values() for point in line)
        values = [point[1] for line in drawn.values() for point in line]
        low = min(values) * 0.95 if bottom else 0.0
        plot = Plot(title, (0, steps, "step"), (low, max([*values, low + 1e-6]) * 1.05, unit), (440, 240))
        for number, line in drawn.items():
            plot.line(thinned(line), f"s{number}", evidence[number].letter)
            for point in line if len(line) < 12 else []:
                plot.dot(point, f"s{number}", f"step {point[0]:.0f}: {point[1]:.1f}")
        found.append(plot.svg())
    return found


def precision_recall_plots(evidence: Sequence[Evidence]) -> list[Markup]:
    """A plot a domain, all classes as one, a line a series."""
    found = []
    for place, split in enumerate(evidence[0].splits):
        plot = Plot(split.name, (0, 1, "recall"), (0, 1, "precision"))
        for number, one in enumerate(evidence):
            recall, precision, _ = precision_recall(one.splits[place].outcomes)
            points = envelope(list(zip(recall.tolist(), precision.tolist(), strict=True)))
            plot.line(thinned(points), f"s{number}", one.letter)
        found.append(plot.svg())
    return found


def reliability_plots(names: Sequence[str], found: Sequence[Sequence[Calibration]]) -> list[Markup]:
    """A plot a domain: precision by score; on the diagonal scores mean what they say.

    Args:
        names: of the domains.
        found: for every series, by domain.
    """
    plots = []
    for place, name in enumerate(names):
        plot = Plot(name, (0, 1, "score"), (0, 1, "precision"))
        plot.line([(0, 0), (1, 1)], "ideal", "score = precision")
        for number, one in enumerate(found):
            points = [(bin.score, bin.precision) for bin in one[place].bins]
            plot.line(points, f"s{number}")
            for bin in one[place].bins:
                hint = f"{bin.count} detections, mean score {bin.score:.2f}, {bin.precision:.0%} right"
                plot.dot((bin.score, bin.precision), f"s{number}", hint)
        plots.append(plot.svg())
    return plots
