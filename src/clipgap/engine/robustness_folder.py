"""The folder that `evaluate --corruptions --out` writes: what is done is on disk at once, so that it can go on.

robustness.json     what was asked: the detector, the split, the seed, the rules; `--resume` must ask for the same
corruptions.jsonl   a line a corruption and severity (and one of the clean images: `clean`, 0), as soon as it is done
NAME-SEVERITY.jsonl while that one is scored: a line an image, as soon as it is done
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clipgap.engine.predict.folder import LineFile
from clipgap.errors import DataError
from clipgap.files import alone_in, require_new, require_place, sweep, write_text
from clipgap.parse import parse_json

ASKED, LINES, CACHE = "robustness.json", "corruptions.jsonl", "cache.json"


def require_results(out: Path, resume: bool) -> None:
    """Make sure, as far as that can be seen without the detector, that results can be written into a folder.

    Raises:
        DataError: it holds something already, or there is nothing to go on with.
    """
    if not resume:
        begun = (out / LINES).is_file()
        require_new(out, "--out (--resume goes on with results)", besides=() if begun else (ASKED,))
    elif not (out / ASKED).is_file():
        raise DataError(f"{out}: no results to go on with ({ASKED} is not there); leave --resume out")
    require_place(out, "--out")


def require_cache(folder: Path) -> None:
    """Make sure, as far as that can be seen without the images, that a folder can keep them.

    Raises:
        DataError: it holds something else, or cannot be written to.
    """
    if not (folder / CACHE).is_file():
        require_new(folder, "--cache")
    require_place(folder, "--cache")


@contextmanager
def open_results(out: Path, resume: bool, asked: dict[str, Any]) -> Iterator[LineFile]:
    """The lines of a folder of results, new or to be gone on with.

    Args:
        out: the folder.
        resume: go on with it.
        asked: what the results depend on, beside corruption and severity, by words that a message can use.

    Raises:
        DataError: as `require_results`, or the folder was begun with something else.
    """
    require_results(out, resume)
    with alone_in(out):
        sweep(out)
        if resume:
            _require_same(out, asked)
        else:
            write_text(out / ASKED, json.dumps(asked, indent=1))
        lines = LineFile(out / LINES, "number", 1)
        done = {(line.get("corruption"), line.get("severity")) for line in lines.lines}
        for left in out.glob("*-*.jsonl"):  # it may have been killed before it could
            name, _, severity = left.stem.rpartition("-")
            if severity.isdecimal() and (name, int(severity)) in done:
                left.unlink()
        try:
            yield lines
        finally:
            lines.close()


def half_done_round(out: Path, name: str, severity: int) -> Path:
    """The lines of a corruption that is being scored."""
    return out / f"{name}-{severity}.jsonl"


def _require_same(out: Path, asked: dict[str, Any]) -> None:
    try:
        before = parse_json((out / ASKED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = None
    if not isinstance(before, dict):
        raise DataError(f"{out / ASKED}: damaged; choose another --out, or move the folder away")
    for key, now in asked.items():
        if before.get(key) != now:
            raise DataError(f"--resume: {key} is {now}, but {out} was begun with {before.get(key)}")
