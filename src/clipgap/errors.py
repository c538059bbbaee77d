"""Every mistake of the user's ends in one of these: one clear line, never a traceback (exit code 2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from signal import SIGUSR1

TRY_AGAIN = 75
"""Exit code of a job that SIGUSR1 ended, which batch systems send before a job's time is up: EX_TEMPFAIL of sysexits.h,
the one that asks to be put into the queue again."""
LONG = 300
"""Letters of a name or value from a file that a message repeats, at most."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What a terminal does not show as a letter: control characters, ends of lines, and halves of letters (names of files
that are not UTF-8, `\\ud800` in JSON), which cannot even be printed."""


def one_line(text: str) -> str:
    """Text from a file as a message can repeat it: control characters written out, the middle of long text left out."""
    text = CONTROL.sub(_written_out, text)
    return text if len(text) <= LONG else f"{text[: LONG // 2]} ... {text[-LONG // 2 :]}"


def nearest(name: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The known name that a wrong one was probably meant to be, whatever the case; None: none is so like it."""
    folded = {other.strip().casefold(): other for other in known}
    near = get_close_matches(name.strip().casefold(), folded, n=1, cutoff=likeness)
    return folded[near[0]] if near else None


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """`did you mean fog? ` where a known name comes near a wrong one, else nothing."""
    near = nearest(str(name), known)
    return f"did you mean {near}? " if near else ""


def there_are(name: object, known: Iterable[str]) -> str:
    """What a message says of a wrong name: `did you mean fog? there are: clear, fog`."""
    known = list(known)
    return f"{did_you_mean(name, known)}there are: {', '.join(known) or 'none'}"


def _written_out(match: re.Match[str]) -> str:
    return ascii(match[0])[1:-1]


class ClipgapError(Exception):
    """A mistake the user can put right. The message names the file, key or box, and the fix.

    Whatever a file had put into it can be shown: control characters are written out, all but the ends of lines.

    Examples:
        >>> try:
        ...     clipgap.load_config("nowhere.yaml")
        ... except clipgap.ClipgapError as error:
        ...     print(error)
        nowhere.yaml: no such file, and no preset of that name (presets: ...)
    """

    exit_code = 2

    def __init__(self, message: str = "") -> None:
        # torch raises a data worker's error anew with the worker's traceback for a message: keep the line itself.
        if "Original Traceback" in message:
            message = message.rpartition(f"{type(self).__module__}.{type(self).__name__}: ")[2].strip()
        super().__init__("\n".join(CONTROL.sub(_written_out, line) for line in message.split("\n")))


class ConfigError(ClipgapError):
    """A run config or data file is wrong: a line for every key."""


class DataError(ClipgapError):
    """A data set cannot be used as it is: names the file and the line or object."""


class DiskError(DataError):
    """A result cannot be stored: the disk is full, or the user's share of it. Nothing half-made is left."""

    resume = False
    """Whether something was saved before that `--resume` goes on from."""


class WeightsError(ClipgapError):
    """A file of weights is missing, is not what it should be, or does not fit the model."""


class TrainingError(ClipgapError):
    """Training cannot go on: for example a loss that is not finite."""

    exit_code = 1


class LostError(TrainingError):
    """Of several processes that do one job together another one has ended."""

    resume = False
    """Whether something was saved before that `--resume` goes on from."""


class Interrupted(ClipgapError):  # noqa: N818 (no error)
    """Ctrl-C, SIGTERM or SIGUSR1 ended a job. The message says how far it got.

    The command line adds the very command that goes on: the user's own, with `--resume` where something was saved.

    Args:
        message: what was done.
        resume: whether something was saved that `--resume` goes on from.
        signal: the signal's number, which makes the exit code; 0: not known, the command line knows it.
    """

    def __init__(self, message: str = "", *, resume: bool = True, signal: int = 0) -> None:
        super().__init__(message)
        self.resume, self.signal, self.exit_code = resume, signal, exit_code_of(signal)


def exit_code_of(signal: int) -> int:
    """Of a process that a signal ended: 128 more than its number, as shells have it, or `TRY_AGAIN`; 0 is Ctrl-C."""
    return TRY_AGAIN if signal == SIGUSR1 else 128 + (signal or 2)
