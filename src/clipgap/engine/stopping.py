"""Ctrl-C, SIGTERM and SIGUSR1 (SLURM's warning): a job that takes steps ends the step, saves where it is, and says how
to go on; any other ends at once. Without torch: the command line listens before it is loaded."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

from clipgap.group import Group
from clipgap.processes import ENDING

AGAIN = 0.3
"""Seconds within which a signal again is the same request: torchrun passes on what the terminal has sent to all."""
SAID = b"\nstopping after this step; once more stops at once\n"


class StopAtOnce(KeyboardInterrupt):
    """A signal ends the job where it is.

    Args:
        signal: its number.
    """

    def __init__(self, signal: int) -> None:
        super().__init__()
        self.signal = signal


class Stopping:
    """Whether somebody has asked the job to stop."""

    def __init__(self) -> None:
        self.signal = 0
        """The signal's number; 0: nobody has."""
        self._at_once = False
        self._heard = 0.0

    def agreed(self, group: Group) -> bool:
        """Whether any of the processes was asked. All must call it, and all are told the same."""
        told = max(group.exchange(self.signal))
        self.signal = self.signal or told  # one may have been heard meanwhile: that is for the next time
        return told != 0

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """In here nothing need be ended first: a signal raises KeyboardInterrupt."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def _hear(self, number: int, _: FrameType | None) -> None:
        again = self.signal == number and monotonic() - self._heard < AGAIN
        heard_before, self.signal, self._heard = self.signal != 0, number, monotonic()
        if again:
            return
        if heard_before or self._at_once:
            raise StopAtOnce(number)
        os.write(2, SAID)  # a print might be in the middle of another one


@contextmanager
def stop_signals() -> Iterator[Stopping]:
    """Hear the signals for as long as this lasts. A signal that was ignored before (`nohup`) still is.

    Outside of a program's main thread Python lets nobody hear signals: there they do what they always did.
    """
    stopping = Stopping()
    heard = {}
    if threading.current_thread() is threading.main_thread():
        heard = {number: signal.getsignal(number) for number in ENDING}
        for number, before in heard.items():
            if before is not signal.SIG_IGN:
                signal.signal(number, stopping._hear)
    try:
        yield stopping
    finally:
        for number, before in heard.items():
            signal.signal(number, before or signal.SIG_DFL)
