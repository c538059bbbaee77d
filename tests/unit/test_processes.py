"""Processes that work for another: which signals end them, and that none is left."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from clipgap.files import alone_in
from clipgap.processes import leave_signals, pool

FORK = multiprocessing.get_context("fork")


def read_for_ever(begun: Event) -> None:
    leave_signals(0)
    begun.set()
    time.sleep(60)


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="nobody tells whom a signal is of")
def test_a_reader_ends_when_its_own_process_asks_and_for_nobody_else() -> None:
    begun = FORK.Event()
    reader = FORK.Process(target=read_for_ever, args=(begun,))
    reader.start()
    assert begun.wait(30)
    for number in ("INT", "TERM", "USR1"):
        subprocess.run(["kill", f"-{number}", str(reader.pid)], check=True)
    time.sleep(0.3)
    assert reader.is_alive()
    reader.terminate()
    reader.join(30)
    assert reader.exitcode == 0


def test_an_error_breaks_off_what_a_pool_is_at() -> None:
    before = set(multiprocessing.active_children())

    def work() -> None:
        with pool(2) as workers:
            futures = [workers.submit(time.sleep, seconds) for seconds in (0, 60, 60, 60)]
            futures[0].result()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    until = time.monotonic() + 10
    while not set(multiprocessing.active_children()) <= before:  # the pool's own thread may be about to note their end
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_pool_that_is_done_gives_its_results() -> None:
    with pool(2) as workers:
        assert list(workers.map(abs, [-1, 2, -3])) == [1, 2, 3]


def test_a_forked_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from clipgap.files import alone_in\n"
        "with alone_in(Path(sys.argv[1])):\n"
        "    child = os.fork()\n"
        "    if not child: print(os.getpid(), flush=True)  # so it has given the lock up\n"
        "    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, tmp_path / "run"], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    holder.kill()
    holder.wait()
    try:
        with alone_in(tmp_path / "run"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        holder.stdout.close()
