"""Lines of progress where there is no terminal, labels where there is one."""

from __future__ import annotations

import io
from threading import Event

import pytest
from rich.console import Console

from clipgap.engine import progress
from clipgap.engine.progress import Lines, progress_bar


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(progress, "log", Console(file=stream, markup=False, soft_wrap=True, width=80))
    return stream


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_has_steps_elapsed_remaining_rate_and_figures() -> None:
    clock = Clock()
    lines = Lines("train", 1000, 200, clock)
    assert lines.line() == "train 200/1000  elapsed 0:00:00"
    clock.now += 3600
    lines.done, lines._figures = 600, "loss 1.2345"
    assert lines.line() == "train 600/1000  elapsed 1:00:00  remaining 1:00:00  9 s each  loss 1.2345"
    clock.now -= 3500
    assert "remaining 0:01:40  4 a second" in lines.line()


def test_a_line_every_tenth_and_never_wrapped(printed: io.StringIO) -> None:
    with progress_bar("train", 100) as report:
        for _ in range(100):
            report(loss=1.0, **dict.fromkeys("abcdefghijkl", 2.0))
    lines = printed.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == [f"{done}/100" for done in range(10, 101, 10)]
    assert min(map(len, lines)) > 150


def test_a_step_that_takes_long_is_told_of_too(printed: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Event()
    monkeypatch.setattr(progress, "EVERY", 0.01)
    say = Lines.say
    monkeypatch.setattr(Lines, "say", lambda self: (say(self), told.set()))
    with progress_bar("fit", 1000, 3):
        assert told.wait(60)  # no step is done
    assert printed.getvalue().splitlines()[0].startswith("fit 3/1000  elapsed 0:00:00")


def test_nothing_is_shown_where_nothing_shall_be(printed: io.StringIO) -> None:
    with progress_bar("train", 10, show=False) as report:
        report(10)
    assert printed.getvalue() == ""


def test_a_terminal_has_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(progress, "log", Console(file=stream, force_terminal=True, width=120, color_system=None))
    with progress_bar("train", 10) as report:
        report(3, loss=0.5)
    assert "3/10 elapsed 0:00:0" in stream.getvalue()
    assert "remaining" in stream.getvalue()
    assert "loss 0.5000" in stream.getvalue()
