"""The results of a study as markdown: what docs/results.md shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from recipes.study.rows import SEEN, Study
from recipes.study.statistics import Interval, gap_closed, interval, pairs, rank_correlation, score, spread

Results = list[dict[str, Any]]


def report(results: Results, study: Study) -> str:
    """All that `--print` prints: the tables, what a user could have chosen by, and what it cost."""
    return "\n\n".join([render(results, study), *_markdown(*_chosen_by(results)), *_cost(results)])


def render(results: Results, study: Study) -> str:
    """Markdown tables, of the main rows and then of the others: means, paired differences, and gaps closed."""
    tables = [table for extra in (False, True) for table in _tables(results, study, extra)]
    return "\n\n".join(tables) or "no results"


def _tables(results: Results, study: Study, extra: bool) -> Iterable[str]:
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
            cells = [_written(interval([score(a, d) - score(b, d) for a, b in both])) for d in domains]
            lines.append([f"{titles[name]} - {titles[other]}", len(both), *cells])
    yield from _markdown(["paired difference", *columns], lines)
    lines = []
    for name, start, upper in study.gaps:
        if name in rows and (closed := gap_closed(results, name, start, upper)):
            gain, gap = closed
            share = f"{gain.mean:+.1f} of {gap.mean:.1f}: {gain.mean / gap.mean:.0%}"
            lines.append([titles[name], titles[start], f"{gain.count}, {gap.count}", share])
    yield from _markdown(
        ["gap to the upper bound closed by", "starting from", "seeds of gain, of gap", "mean of targets"], lines
    )


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


def _markdown(head: list[str], lines: list[list[Any]]) -> Iterable[str]:
    """One table, or none where it would have no lines."""
    if lines:
        cells = [head, ["---"] * len(head), *lines]
        yield "\n".join("| " + " | ".join(map(str, line)) + " |" for line in cells)
