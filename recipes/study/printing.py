"""The results of a study as markdown tables."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any

from recipes.study.rows import Study
from recipes.study.statistics import gains, interval, pairs, score, spread


def render(results: list[dict[str, Any]], study: Study) -> str:
    """Markdown tables, of the main rows and then of the others: means, paired differences, and gaps closed."""
    tables = [table for extra in (False, True) for table in _tables(results, study, extra)]
    return "\n\n".join(tables) or "no results"


def _tables(results: list[dict[str, Any]], study: Study, extra: bool) -> Iterable[str]:
    titles = {name: row.title for name, row in study.rows.items()}
    rows = [name for name, row in study.rows.items() if row.extra is extra]
    domains = [*results[0]["domains"], None] if results else []
    columns = ["seeds", *(domain or "mean of targets" for domain in domains)]
    lines = []
    for name in rows:
        if mine := [result for result in results if result["row"] == name]:
            lines.append([titles[name], len(mine), *(spread([score(one, d) for one in mine]) for d in domains)])
    yield from _markdown(["row", *columns], lines)
    lines = []
    for name, other in study.differences:
        both = pairs(results, name, other)
        if name in rows and len(both) > 1:
            cells = [interval([score(a, d) - score(b, d) for a, b in both]) for d in domains]
            lines.append([f"{titles[name]} - {titles[other]}", len(both), *cells])
    yield from _markdown(["paired difference", *columns], lines)
    lines = []
    for name, start, upper in study.gaps:
        gained, whole = (gains(results, one, start) for one in (name, upper))
        if name in rows and gained and whole:
            gain, gap = statistics.mean(gained), statistics.mean(whole)
            seeds = f"{len(gained)}, {len(whole)}"
            lines.append([titles[name], titles[start], seeds, f"{gain:+.1f} of {gap:.1f}: {gain / gap:.0%}"])
    yield from _markdown(
        ["gap to the upper bound closed by", "starting from", "seeds of gain, of gap", "mean of targets"], lines
    )


def _markdown(head: list[str], lines: list[list[Any]]) -> Iterable[str]:
    """One table, or none where it would have no lines."""
    if lines:
        cells = [head, ["---"] * len(head), *lines]
        yield "\n".join("| " + " | ".join(map(str, line)) + " |" for line in cells)
