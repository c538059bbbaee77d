"""How long work shows where it is: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from time import monotonic
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")
EVERY = 30.0
"""Seconds between two lines, at most, where there is no terminal."""
log = Console(stderr=True, markup=False, soft_wrap=True)
"""Where everything goes that is not the result: stdout stays machine-readable."""


class Report(Protocol):
    """Called after every step, or after several, with the figures to show."""

    def __call__(self, steps: int = 1, /, **figures: float) -> None: ...


@contextmanager
def progress_bar(title: str, total: int, done: int = 0, show: bool = True) -> Iterator[Report]:
    """A bar on stderr with the latest figures; where there is no terminal, a line every tenth and every 30 s."""
    if show and not log.is_terminal:
        with Lines(title, total, done) as lines:
            yield lines.report
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("elapsed"),
        TimeElapsedColumn(),
        TextColumn("remaining"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}", markup=False),
    )
    with Progress(*columns, console=log, disable=not show) as progress:
        task = progress.add_task(title, total=total, completed=done, figures="")

        def report(steps: int = 1, /, **figures: float) -> None:
            progress.update(task, advance=steps, figures=_shown(figures))

        yield report


def track(items: Iterable[T], title: str) -> Iterator[T]:
    """Pass items on, with a bar that counts them."""
    sized = list(items)
    with progress_bar(title, len(sized)) as report:
        for item in sized:
            yield item
            report()


class Lines:
    """Progress in lines: whenever a tenth is done, and when `EVERY` seconds have gone by, however long a step takes.

    Args:
        title: what is done.
        total: how many steps that takes.
        done: how many were done before.
        clock: seconds, as `monotonic` has them.
    """

    def __init__(self, title: str, total: int, done: int = 0, clock: Callable[[], float] = monotonic) -> None:
        self.title, self.total, self.first, self.done = title, total, done, done
        self._clock, self._begin = clock, clock()
        self._figures = ""
        self._said = threading.Event()
        self._over = False
        self._lock = threading.Lock()

    def __enter__(self) -> Lines:
        self._thread = threading.Thread(target=self._now_and_then, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._said.set()
        self._thread.join()

    def report(self, steps: int = 1, /, **figures: float) -> None:
        """More steps are done."""
        before, self.done = self.done, self.done + steps
        self._figures = _shown(figures)
        tenth = max(1, self.total // 10)
        if self.done == self.total or self.done // tenth > before // tenth:
            self._said.set()  # the thread waits anew
            self.say()

    def line(self) -> str:
        """Steps, time gone by, time that is left, and rate."""
        elapsed, here = self._clock() - self._begin, self.done - self.first
        rate = here / elapsed if elapsed > 0 else 0.0
        parts = [f"{self.title} {self.done}/{self.total}", f"elapsed {_time(elapsed)}"]
        if rate > 0:
            parts.append(f"remaining {_time((self.total - self.done) / rate)}")
            parts.append(f"{rate:.3g} a second" if rate >= 1 else f"{1 / rate:.3g} s each")
        return "  ".join([*parts, self._figures]).rstrip()

    def say(self) -> None:
        """Print the line."""
        with self._lock, suppress(OSError):  # where the disk is full of which stderr is a file, the work goes on
            log.print(self.line(), highlight=False)

    def _now_and_then(self) -> None:
        while not self._over:
            if not self._said.wait(EVERY):
                self.say()
            self._said.clear()


def _time(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _shown(figures: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
