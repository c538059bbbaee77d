"""Processes that work for this one: signals are not for them, and they end with it, however it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Signals that end a job: Ctrl-C, of a system that stops, and the one that batch systems send before time is up."""


def pool(workers: int, begin: Callable[[], object] | None = None) -> ProcessPoolExecutor:
    """So many fresh processes; each calls `begin` first."""
    return ProcessPoolExecutor(workers, get_context("spawn"), _begin, (begin,))


def leave_signals(_: int = 0) -> None:
    """Leave signals that end a job, which terminals and batch systems send to all of its processes, to the one that
    the calling process works for."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def _begin(begin: Callable[[], object] | None) -> None:
    leave_signals()
    Thread(target=_end_with_parent, daemon=True).start()
    if begin:
        begin()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None  # a pool's worker has one
    parent.join()
    os._exit(1)
