"""A comparison on a terminal and as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clipgap.config import MEAN
from clipgap.metrics.paired import Interval, spread
from clipgap.metrics.telling import write_rows
from clipgap.report.comparison import Cell, Comparison
from clipgap.report.series import Series


def render(compared: Comparison) -> RenderableType:
    """Which letter is what, a row a domain, a table a series of differences by class, settings that differ."""
    first, *others = compared.series
    parts: list[RenderableType] = [Text(compared.table.rule, style="italic")]
    parts += [Text(f"{one.letter}  {one.name}{_seeds(one)}") for one in compared.series]
    parts.append(_domains(compared))
    for one in others:
        parts += [Text(f"{one.letter} - {first.letter} by class{_stars(compared, one)}"), _by_class(compared, one)]
    parts += [Text(line) for line in _settings(compared)]
    parts += [Text(line, style="yellow") for line in compared.caveats()]
    return Group(*parts)


def write_csv(compared: Comparison, path: str | Path) -> None:
    """A row a series, domain and class (empty: all classes); differences are to the first series, paired by seed."""
    head = ["series", "domain", "class", "runs", "mean", "deviation", "difference", "low", "high", "pairs"]
    rows: list[list[Any]] = [head]
    told = compared.to_json()["series"]
    for one, series in zip(told, compared.series, strict=True):
        for domain, figures in one["domains"].items():
            for name, cell in {"": figures, **figures["per_class"]}.items():
                found = cell.get("difference") or {}
                ends = [found.get(key) for key in ("mean", "low", "high", "pairs")]
                rows.append([one["name"], domain, name, len(series.runs), cell["mean"], cell["deviation"], *ends])
    write_rows(path, rows)


def _seeds(series: Series[Any]) -> str:
    known = [str(seed) for seed in series.seeds if seed is not None]
    return f"  (seed{'s' if len(known) > 1 else ''} {', '.join(known)})" if known else ""


def _domains(compared: Comparison) -> Table:
    first, *others = compared.series
    heads = ["domain", *(one.letter for one in compared.series), *(f"{one.letter} - {first.letter}" for one in others)]
    table = _table(heads)
    for place, domain in enumerate(compared.domains):
        cell = (domain, None)
        cells = [_spread(compared.values(one, cell)) for one in compared.series]
        cells += [written(compared.difference(one, cell)) for one in others]
        name = compared.table.mean_name if domain == MEAN else domain
        last = domain == MEAN or place == 0 or compared.domains[place + 1 :] == [MEAN]
        table.add_row(Text(name), *cells, end_section=last, style="bold" if domain == MEAN else None)
    return table


def _by_class(compared: Comparison, series: Series[Any]) -> Table:
    domains = [domain for domain in compared.domains if domain != MEAN]
    table = _table(["class", *domains])
    for name in compared.classes:
        cells: list[Cell] = [(domain, name) for domain in domains]
        table.add_row(Text(name), *(_short(compared.difference(series, cell)) for cell in cells))
    return table


def _stars(compared: Comparison, series: Series[Any]) -> str:
    several = (compared.difference(series, (compared.domains[0], None)) or Interval(0, None, None, 0)).count > 1
    return " (* where 0 is outside of the 95 % interval)" if several else ""


def _settings(compared: Comparison) -> Iterator[str]:
    settings = compared.settings
    if settings:
        yield "settings that differ:"
    for key, values in settings.items():
        told = (f"{one.letter} {_value(value)}" for one, value in zip(compared.series, values, strict=True))
        yield f"  {key}: {' | '.join(told)}"
    unknown = [one.letter for one in compared.series if one.runs[0].made is None]
    if unknown:
        yield f"how {', '.join(unknown)} was trained is not known (no run.yaml)"


def _table(heads: list[str]) -> Table:
    table = Table(box=SIMPLE, pad_edge=False, padding=(0, 1))
    for place, head in enumerate(heads):
        table.add_column(Text(head), justify="right" if place else "left", overflow="fold")
    return table


def _spread(values: list[float]) -> str:
    return spread(values) if values else "-"


def written(found: Interval | None) -> str:
    """A difference and its 95 % interval, where it has one."""
    if found is None:
        return "-"
    ends = f" [{found.low:+.1f}, {found.high:+.1f}]" if found.low is not None and found.high is not None else ""
    return f"{found.mean:+.1f}{ends}"


def _short(found: Interval | None) -> str:
    """A difference alone; a star where 0 is outside of its interval."""
    return "-" if found is None else f"{found.mean:+.1f}{'*' if found.sure else ''}"


def _value(value: object) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
