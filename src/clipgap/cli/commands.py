"""Whole command lines to print: the next one, and the one that goes on."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clipgap.engine.names import is_saved
from clipgap.errors import DiskError, Interrupted, LostError
from clipgap.parse import UnreadableError, parse_yaml

RESUMABLE = ("fit", "train", "evaluate", "predict", "world")
"""Verbs that have `--resume`; `demo` goes on when it is called again."""


def command(*words: object) -> str:
    """A command line of `clipgap` that a shell takes as it is."""
    return shlex.join(["clipgap", *map(str, words)])


def config_words(
    config: str, settings: Sequence[str], device: str | None = None, seed: int | None = None, *, but: str = ""
) -> list[str]:
    """The user's own config and settings again, without the setting `but`."""
    kept = [line for line in settings if line.partition("=")[0].strip() != but]
    words = ["--config", config, *(word for line in kept for word in ("--set", line))]
    short = {"--device": device, "--seed": seed}
    return [*words, *(str(word) for pair in short.items() if pair[1] is not None for word in pair)]


def setting(key: str, path: Path) -> list[str]:
    """`--set key=path`, in quotes where YAML would take the path for something else."""
    text = str(path)
    try:
        plain = parse_yaml(text) == text
    except UnreadableError:
        plain = False
    return ["--set", f"{key}={text if plain else json.dumps(text)}"]


def free(path: Path) -> Path:
    """The path, or with a number behind it where something is there already."""
    number, found = 1, path
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}_{number}")
    return found


def going_on(arguments: Sequence[str], error: Interrupted | DiskError | LostError) -> str:
    """What to say of a job that did not end: how far it got, and the command that goes on with it."""
    words = [word for word in arguments if error.resume or word != "--resume"]
    if error.resume and words[0] in RESUMABLE and "--resume" not in words:
        words.append("--resume")
    under = ", under the same torchrun" if "TORCHELASTIC_RUN_ID" in os.environ else ""
    return f"{error}; {'go on' if error.resume else 'start again'} with: {command(*words)}{under}"


@contextmanager
def stopped_at_once(saved: Path) -> Iterator[None]:
    """Around a job that can be gone on with if `saved` is there: Ctrl-C outside of its steps, a full disk,
    or another process that has ended."""
    try:
        yield
    except (DiskError, LostError) as error:
        error.resume = is_saved(saved)
        raise
    except KeyboardInterrupt as error:
        number = getattr(error, "signal", 0)
        if is_saved(saved):
            raise Interrupted(f"stopped at once; {saved} holds what was saved before", signal=number) from None
        raise Interrupted("stopped; nothing saved yet", resume=False, signal=number) from None
