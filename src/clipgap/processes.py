"""Processes that work for this one: signals are not for them, and they end with it, however it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from threading import Thread

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Signals that end a job: Ctrl-C, of a system that stops, and the one that batch systems send before time is up."""


@contextmanager
def pool(workers: int, begin: Callable[[], object] | None = None) -> Iterator[ProcessPoolExecutor]:
    """So many fresh processes; each calls `begin` first. What they are at is broken off where the block is."""
    others = set(active_children())
    executor = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (begin,))
    try:
        yield executor
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        ours = set(active_children()) - others
        for process in ours:
            process.terminate()
        for process in ours:
            process.join()
        raise
    executor.shutdown()


def leave_signals(_: int) -> None:
    """For a reader of torch's: signals that end a job, which terminals and batch systems send to all of its processes,
    are for the one that it works for; that one may still need its images. SIGTERM of that one itself ends it."""
    parent = parent_process()
    if parent and parent.pid != os.getppid():  # killed already: torch would take who has inherited this one for it
        os._exit(1)
    _leave_interruptions()
    if hasattr(signal, "sigwaitinfo"):  # macOS tells nobody whom a signal is of
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        Thread(target=_end_when_parent_asks, args=(os.getppid(),), daemon=True).start()


def _end_when_parent_asks(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)


def _leave_interruptions() -> None:
    for number in (signal.SIGINT, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)


def _begin(begin: Callable[[], object] | None) -> None:
    _leave_interruptions()
    Thread(target=_end_with_parent, daemon=True).start()
    if begin:
        begin()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None  # a pool's worker has one
    parent.join()
    os._exit(1)
