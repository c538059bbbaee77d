"""The results of a study as markdown: what docs/results*.md show."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from recipes.study.rows import SEEN, Study
from recipes.study.statistics import gap_closed, rank_correlation, score, side_by_side

from clipgap.metrics.paired import Interval, interval, spread

Results = list[dict[str, Any]]


def report(results: Results, study: Study) -> str:
    """All that `--print` prints: the tables, what a user could have chosen by, and what it cost."""
    return "\n\n".join([render(results, study), *_markdown(*_chosen_by(results)), *_cost(results)])


def render(results: Results, study: Study) -> str:
    """Markdown tables, of the main rows and then of the others: means, paired differences, and gaps closed."""
    tables = [table for extra in (False, True) for table in _tables(results, study, extra)]
    return "\n\n".join(tables) or "no results"


def _tables(results: Results, study: Study, extra: bool) -> Iterable[str]:
    rows = {name: row.title for name, row in study.rows.items() if row.extra is extra}
    for columns in filter(None, (_domains(results), _sizes(results), _corruptions(results))):
        yield from _means(results, rows, columns)
        yield from _differences(results, study, rows, columns)
    lines = []
    for name, start, upper in study.gaps:
        if name in rows and (closed := gap_closed(results, name, start, upper)):
            share = f"{closed.gain:+.1f} of {closed.gap:.1f}: {_percent(closed.of_gap)}"
            lines.append([rows[name], study.rows[start].title, closed.of_gap.count, share])
    yield from _markdown(["gap to the upper bound closed by", "starting from", "seeds", "mean of targets"], lines)


Columns = dict[str, Callable[[dict[str, Any]], float]]
"""Heads of a table, and what of a run stands there."""


def _domains(results: Results) -> Columns:
    """AP50 of every domain, the mean of the targets, and where it was measured the mean over corruptions."""
    columns: Columns = {name: partial(score, domain=name) for name in (results[0]["domains"] if results else ())}
    columns["mean of targets"] = partial(score, domain=None)
    if _all_have(results, "corrupted"):
        columns["mPC"] = lambda one: float(one["corrupted"]["mpc"])
    return columns


def _sizes(results: Results) -> Columns:
    """AP50 by the size of objects, for those domains and sizes that every run has; none: it was not measured."""

    def value(one: dict[str, Any], domain: str, size: str) -> float:
        return float(one["by_size"][domain][size])

    if not _all_have(results, "by_size"):
        return {}
    return {
        f"{domain}, {size}": partial(value, domain=domain, size=size)
        for domain, sizes in results[0]["by_size"].items()
        for size in sizes
        if all(one["by_size"][domain][size] is not None for one in results)
    }


def _corruptions(results: Results) -> Columns:
    """AP50 of the source as it is and under every corruption, and what is left of it in percent; none: not measured."""

    def value(one: dict[str, Any], name: str) -> float:
        return float(one["corrupted"]["corruptions"][name]["mean"])

    if not _all_have(results, "corrupted"):
        return {}
    columns: Columns = {"as it is": lambda one: float(one["corrupted"]["clean"]["ap50"])}
    columns |= {name: partial(value, name=name) for name in results[0]["corrupted"]["corruptions"]}
    return columns | {"rPC": lambda one: float(one["corrupted"]["rpc"])}


def _all_have(results: Results, key: str) -> bool:
    return bool(results) and all(key in one for one in results)


def _means(results: Results, rows: dict[str, str], columns: Columns) -> Iterable[str]:
    """Every row's mean and deviation between seeds."""
    lines = []
    for name, title in rows.items():
        if mine := [one for one in results if one["row"] == name]:
            lines.append([title, len(mine), *(spread([of(one) for one in mine]) for of in columns.values())])
    yield from _markdown(["row", "seeds", *columns], lines)


def _differences(results: Results, study: Study, rows: dict[str, str], columns: Columns) -> Iterable[str]:
    """Of these rows to others, paired by seed."""
    lines = []
    for name, other in study.differences:
        both = side_by_side(results, name, other)
        if name in rows and len(both) > 1:
            cells = [_written(interval([of(a) - of(b) for a, b in both])) for of in columns.values()]
            lines.append([f"{rows[name]} - {study.rows[other].title}", len(both), *cells])
    yield from _markdown(["paired difference", "seeds", *columns], lines)


def _chosen_by(results: Results) -> tuple[list[str], list[list[Any]]]:
    """Head and lines: can rows be chosen by what a user can see?"""
    lines = []
    for key, title in SEEN.items():
        if found := rank_correlation(results, key):
            lines.append([title, _written(found, 2), found.count])
    return ["what a user can see", "rank correlation with the mean of targets", "runs"], lines


def _cost(results: Results) -> Iterable[str]:
    """One line: how many runs, for how long, on what."""
    if results:
        minutes = sum(sum(one["seconds"].values()) for one in results) / 60
        machines = "; ".join(sorted({one.get("machine", "a machine that was not written down") for one in results}))
        runs = "1 run" if len(results) == 1 else f"{len(results)} runs"
        yield f"{runs}, {minutes:.0f} minutes of training and scoring in all; {machines}."


def _written(found: Interval, digits: int = 1) -> str:
    if found.low is None or found.high is None:
        return f"{found.mean:+.{digits}f}"
    return f"{found.mean:+.{digits}f} [{found.low:+.{digits}f}, {found.high:+.{digits}f}]"


def _percent(share: Interval) -> str:
    ends = f" [{share.low:.0%}, {share.high:.0%}]" if share.low is not None and share.high is not None else ""
    return f"{share.mean:.0%}{ends}"


def _markdown(head: list[str], lines: list[list[Any]]) -> Iterable[str]:
    """One table, or none where it would have no lines."""
    if lines:
        cells = [head, ["---"] * len(head), *lines]
        yield "\n".join("| " + " | ".join(map(str, line)) + " |" for line in cells)
