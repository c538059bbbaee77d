"""The figure of a study: what every row gains on the targets over the base, and what it costs on the source (SVG)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from recipes.study.rows import Study
from recipes.study.statistics import gap_closed, score, side_by_side

from clipgap.errors import DataError
from clipgap.metrics.paired import Interval, interval

WIDTH, MARGIN, TOP, ROW, BETWEEN = 800, 20, 124, 46, 30
"""Pixels: of the figure, around it, above the first row, of a row, between the two panels."""
NUMBERS = {"targets": 104, "source": 54}
"""Pixels of the column of numbers at the right of a panel."""
NOTE = "Paired by seed (n); whiskers: 95 % intervals, pale where they contain 0; %: of the gap to the upper bound."
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; fill: #0b0b0b;
  paint-order: stroke; stroke: #fcfcfb; stroke-width: 4px; stroke-linejoin: round }
.head { font-size: 17px; font-weight: 600 } .panel { font-weight: 600 } .soft { fill: #5c5b57; font-size: 12px }
.page { fill: #fcfcfb } .grid { stroke: #e6e5e1 } .zero { stroke: #8a8984 }
.whisker, .upper { stroke: #0b0b0b; stroke-width: 1.5 } .upper { stroke-dasharray: 5 4 }
.band { fill: #0b0b0b; opacity: .07 } .targets { fill: #2a78d6 } .source { fill: #eb6834 } .unsure { opacity: .45 }
@media (prefers-color-scheme: dark) {
  text { fill: #ffffff; stroke: #1a1a19 } .soft { fill: #b9b8ae } .page { fill: #1a1a19 } .grid { stroke: #34332f }
  .whisker, .upper { stroke: #ffffff } .band { fill: #ffffff; opacity: .1 }
  .targets { fill: #3987e5 } .source { fill: #d95926 }
}
"""


@dataclass(frozen=True)
class Bar:
    """One row against the base: AP50, paired by seed."""

    title: str
    targets: Interval
    source: Interval
    share: float | None
    """Of the gap to the upper bound that it closes."""


@dataclass(frozen=True)
class Panel:
    """One axis: from AP50 to pixels."""

    kind: str
    """`targets` or `source`."""
    low: float
    high: float
    left: float
    """The pixel of `low`."""
    scale: float
    """Pixels of one AP50."""

    @property
    def right(self) -> float:
        """The pixel where its column of numbers ends."""
        return self.x(self.high) + NUMBERS[self.kind]

    def x(self, value: float) -> float:
        """The pixel of a value."""
        return self.left + (value - self.low) * self.scale

    def ticks(self) -> list[int]:
        """Round values, 40 pixels or more from each other."""
        step = next(step for step in (1, 2, 5, 10, 20, 50, 100) if step * self.scale >= 40 or step == 100)
        return [value * step for value in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def bars(results: list[dict[str, Any]], study: Study) -> tuple[list[Bar], Bar | None]:
    """Every row that has seeds in common with the base, in the table's order; and the upper bound.

    Raises:
        DataError: there is none.
    """
    found = {}
    for name, row in study.rows.items():
        if name != study.base and (both := side_by_side(results, name, study.base)):
            domains = (None, both[0][0]["source"])
            targets, source = (interval([score(a, d) - score(b, d) for a, b in both]) for d in domains)
            closed = gap_closed(results, name, study.base, study.upper)
            found[name] = Bar(row.title, targets, source, closed.of_gap.mean if closed else None)
    upper = found.pop(study.upper, None)
    if not found:
        raise DataError(f"no figure: there are no results of row {study.base} and another row of the same seed")
    return list(found.values()), upper


def draw(results: list[dict[str, Any]], study: Study) -> str:
    """The figure as SVG, 800 pixels wide, light or dark as the reader's page.

    Raises:
        DataError: no two rows can be compared.
    """
    rows, upper = bars(results, study)
    panels = _panels([*rows, upper] if upper else rows)
    bottom = TOP + ROW * len(rows)
    height = bottom + 40
    names = {"targets": "mean of the targets", "source": f"{results[0]['source'].replace('_', ' ')} (the source)"}
    base = study.rows[study.base].title
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{_quoted(f"What every row gains in AP50 over {base}")}">',
        f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="8"/>',
        _text(MARGIN, 34, f"AP50 gained over \u201c{base}\u201d", "head"),
        _text(MARGIN, 55, NOTE, "soft"),
        *(_text(panel.left, 84, names[panel.kind], "panel") for panel in panels),
        *(part for panel in panels for part in _axis(panel, bottom)),
    ]
    if upper:
        parts += [part for panel in panels for part in _upper(panel, getattr(upper, panel.kind), bottom)]
    for number, bar in enumerate(rows):
        parts += _row(bar, panels, TOP + ROW * number)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panels(all_bars: list[Bar]) -> list[Panel]:
    """Two axes of one scale, so that a gain and its price can be compared by eye."""
    spans = []
    for kind in NUMBERS:
        values = [getattr(bar, kind) for bar in all_bars]
        ends = [end for one in values for end in (one.mean, one.low, one.high) if end is not None]
        spans.append((kind, min(0, *ends), max(0, *ends)))
    free = WIDTH - 2 * MARGIN - BETWEEN - sum(NUMBERS.values())
    scale = free / max(1, sum(high - low for _, low, high in spans))
    panels, left = [], float(MARGIN)
    for kind, low, high in spans:
        panels.append(Panel(kind, low, high, left, scale))
        left = panels[-1].right + BETWEEN
    return panels


def _axis(panel: Panel, bottom: float) -> Iterable[str]:
    for value in panel.ticks():
        yield _line(panel.x(value), TOP - 8, panel.x(value), bottom + 4, "grid" if value else "zero")
        yield _text(panel.x(value), bottom + 22, _signed(value, 0) if value else "0", "soft", "middle")


def _upper(panel: Panel, found: Interval, bottom: float) -> Iterable[str]:
    """The upper bound as a line, its interval as a band, its number above it."""
    if found.low is not None and found.high is not None:
        left, width = panel.x(found.low), (found.high - found.low) * panel.scale
        yield f'<rect class="band" x="{left:.1f}" y="{TOP - 8}" width="{width:.1f}" height="{bottom - TOP + 12}"/>'
    x = panel.x(found.mean)
    yield _line(x, TOP - 8, x, bottom + 4, "upper")
    if panel.kind == "targets":
        text = f"upper bound {_signed(found.mean)} (n {found.count})"
        yield _text(max(x + 8, panel.left + 7 * len(text)), TOP - 16, text, "soft", "end")
    else:
        yield _text(x, TOP - 16, _signed(found.mean), "soft", "middle")


def _row(bar: Bar, panels: list[Panel], top: float) -> Iterable[str]:
    share = "" if bar.share is None else f", {_whole(bar.share)} of the gap to the upper bound"
    yield f"<g><title>{escape(f'{bar.title}: {_signed(bar.targets.mean)}{share}')}</title>"
    count = f'<tspan class="soft" dx="8">n {bar.targets.count}</tspan>'
    yield f'<text x="{MARGIN}" y="{top + 13}">{escape(bar.title)}{count}</text>'
    for panel in panels:
        found: Interval = getattr(bar, panel.kind)
        yield from _bar(panel, found, top + 20)
        share = "" if panel.kind == "source" or bar.share is None else f" \u00b7 {_whole(bar.share)}"
        yield _text(panel.right, top + 32, f"{_signed(found.mean)}{share}", anchor="end")
    yield "</g>"


def _bar(panel: Panel, found: Interval, top: float) -> Iterable[str]:
    zero, end, middle = panel.x(0), panel.x(found.mean), top + 8
    sure = "" if found.sure else " unsure"
    left, width = min(zero, end), max(abs(end - zero), 1)
    yield f'<rect class="{panel.kind}{sure}" x="{left:.1f}" y="{top}" width="{width:.1f}" height="16" rx="2"/>'
    if found.low is not None and found.high is not None:
        low, high = panel.x(found.low), panel.x(found.high)
        yield _line(low, middle, high, middle, "whisker")
        yield from (_line(x, middle - 4, x, middle + 4, "whisker") for x in (low, high))


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _signed(value: float, digits: int = 1) -> str:
    return f"{round(value, digits) + 0.0:+.{digits}f}".replace("-", "\u2212")


def _whole(share: float) -> str:
    return f"{round(share, 2) + 0.0:.0%}".replace("-", "\u2212")


def _quoted(text: str) -> str:
    return escape(text, {'"': "&quot;"})
