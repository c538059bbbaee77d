"""A reader that is given anything, and the law that it has to keep."""

from __future__ import annotations

import resource
import signal
import traceback
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from clipgap.errors import ClipgapError

SECONDS = 10
"""Of the processor, that one input may take; so a busy machine is no fault."""
KIBIBYTES = 1024 * 1024
"""Of memory, that one input may take beyond what was in use."""
LONGEST = 2000
"""Letters of a line of a message."""


@dataclass(frozen=True)
class Target:
    """Something that reads files of anybody's.

    Args:
        name: its name on the command line.
        seeds: good inputs, and some of the nasty ones that are known.
        read: reads an input; the folder is the target's own, as `prepare` left it.
        prepare: puts into the folder what does not change.
        words: pieces of its language that mutations put in.
        good: how many of the first seeds are read without a word: else nothing behind the first check is looked at.
        quick: mutations of the seeds in the fast suite.
    """

    name: str
    seeds: Callable[[], list[bytes]]
    read: Callable[[bytes, Path], object]
    prepare: Callable[[Path], object] = lambda folder: None
    words: tuple[bytes, ...] = ()
    good: int = 1
    quick: int = 300


class TooSlowError(BaseException):
    """An input took longer than it may; nothing that reads catches it."""


class UnclearError(Exception):
    """Something that is told of an input is no clear line."""


def judge(target: Target, data: bytes, folder: Path) -> str | None:
    """How an input breaks the law: what happened and where; None where it does not."""
    before = _peak()
    try:
        with _soon():
            target.read(data, folder)
    except ClipgapError as error:
        try:
            require_clear(str(error))
        except UnclearError as unclear:
            return str(unclear)
    except UnclearError as unclear:
        return str(unclear)
    except (Exception, TooSlowError) as error:  # noqa: BLE001 (each is a fault)
        return f"{type(error).__name__} in {_place(error)}: {str(error)[:200]}"
    grown = _peak() - before
    return f"memory: {grown // 1024} MiB" if grown > KIBIBYTES else None


def require_clear(message: str) -> None:
    """A message must be something that a terminal can show: lines of letters, none without end."""
    for line in message.split("\n") or [""]:
        odd = next((letter for letter in line if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")), None)
        if odd is not None:
            raise UnclearError(f"a message with {odd!a}: {line[:300]!a}")
        if not line.strip():
            raise UnclearError("a message with an empty line")
        if len(line) > LONGEST:
            raise UnclearError(f"a message of {len(line)} letters: {line[:100]!a}")


@contextmanager
def _soon() -> Iterator[None]:
    def ring(_: int, __: FrameType | None) -> None:
        raise TooSlowError(f"more than {SECONDS} s")

    old = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _place(error: BaseException) -> str:
    """The innermost line of ours that an error went through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/clipgap/" in frame.filename] or frames
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}"
