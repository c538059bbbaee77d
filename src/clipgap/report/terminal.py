"""Curves where there is no browser: in a terminal, or as a PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from clipgap.files import write_bytes
from clipgap.report.history import History, Points

WIDTH, HEIGHT = 64, 12
"""Letters of a plot in a terminal."""
MARKS = "*o+x#@"
TITLES = {"losses": "loss, smoothed", "validation": "AP on the source's validation split"}


def in_letters(title: str, curves: Mapping[str, Points], width: int = WIDTH, height: int = HEIGHT) -> str:
    """A plot of curves, each in a letter of its own, with the ends of both axes; empty where there are no points."""
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return ""
    (left, right), (low, high) = ((min(axis), max(axis)) for axis in zip(*points, strict=True))
    rows = [[" "] * width for _ in range(height)]
    for mark, curve in zip(MARKS, curves.values(), strict=False):
        for x, y in curve:
            column = round((x - left) / ((right - left) or 1) * (width - 1))
            row = round((high - y) / ((high - low) or 1) * (height - 1))
            rows[row][column] = mark
    ends = {0: f"{high:.4g}", height - 1: f"{low:.4g}"}
    lines = [f"{ends.get(place, ''):>8} |{''.join(row).rstrip()}" for place, row in enumerate(rows)]
    steps = f"{left:.0f}".ljust(width - len(f"{right:.0f}")) + f"{right:.0f}"
    key = "   ".join(f"{mark} {name}" for mark, name in zip(MARKS, curves, strict=False))
    return "\n".join([title, *lines, f"{'':9}+{'-' * width}", f"{'step':>8}  {steps}", f"{'':10}{key}"])


def all_in_letters(histories: Mapping[str, History]) -> str:
    """Losses and validation scores of runs by their names."""
    return "\n\n".join(filter(None, (in_letters(TITLES[of], curves) for of, curves in _by_kind(histories).items())))


def write_png(histories: Mapping[str, History], file: Path) -> None:
    """The same as a picture.

    Raises:
        DataError: it cannot be written.
    """
    from matplotlib.figure import Figure  # a second, which nobody else waits for

    kinds = _by_kind(histories)
    figure = Figure(figsize=(6 * len(kinds), 4), layout="constrained")
    for axes, (of, curves) in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds.items(), strict=True):
        for style, (name, points) in zip(_styles(len(curves)), curves.items(), strict=True):
            label = " " + name.encode(errors="replace").decode().replace("$", r"\$")  # no mathematics, nothing hidden
            axes.plot(*zip(*points, strict=True), style, marker="." if len(points) < 20 else None, label=label)
        axes.set(title=TITLES[of], xlabel="step", ylabel="sum of the losses" if of == "losses" else "AP, 0 to 100")
        axes.grid(alpha=0.3)
        axes.legend()
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    write_bytes(file, content.getvalue())


def _by_kind(histories: Mapping[str, History]) -> dict[str, dict[str, Points]]:
    """Curves by kind and run; what no run has is left out."""
    found: dict[str, dict[str, Points]] = {}
    for kind in TITLES:
        curves = {name: points for name, history in histories.items() if (points := getattr(history, kind))}
        if curves:
            found[kind] = curves
    return found


def _styles(count: int) -> Sequence[str]:
    """Lines that differ without colours."""
    return [("-", "--", ":", "-.")[place % 4] for place in range(count)]
