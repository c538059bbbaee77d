"""One target for a while in a process of its own: led by what the inputs reach (atheris), or plainly drawn.

`python -m tests.fuzz.guided NAME SECONDS FOLDER`: faults go into the folder, with the inputs; at the end libFuzzer's
`stat::number_of_executed_units: N` is printed, or a line like it.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.mutate import mutations
from tests.fuzz.target import KIBIBYTES, Target, judge

HAS_ATHERIS = find_spec("atheris") is not None
DONE = "stat::number_of_executed_units:"
WALL = 60
"""Seconds on the clock after which an input hangs where no signal gets through: within a library's own code."""


class Finder:
    """Judges inputs, and keeps the first one of every kind of fault.

    Args:
        target: what reads them.
        folder: where faults go.
    """

    def __init__(self, target: Target, folder: Path) -> None:
        self.target, self.folder = target, folder
        self.seen: set[str] = set()
        self.place = Path(tempfile.mkdtemp(prefix=f"clipgap-fuzz-{target.name}-"))
        target.prepare(self.place)

    def __call__(self, data: bytes) -> None:
        fault = judge(self.target, data, self.place)
        kind = ":".join(fault.split(":")[:2]) if fault else ""
        if fault and kind not in self.seen:
            self.seen.add(kind)
            name = f"{self.target.name}-{hashlib.sha256(data).hexdigest()[:8]}"
            (self.folder / f"{name}.input").write_bytes(data)
            (self.folder / f"{name}.txt").write_text(fault.encode("utf-8", "replace").decode(), encoding="utf-8")


def plainly(finder: Finder, seconds: float, seed: int) -> int:
    """Changes of the seeds until the time is over; how many."""
    end, count = time.monotonic() + seconds, 0
    for data in mutations(finder.target.seeds(), finder.target.words, sys.maxsize, seed):
        if time.monotonic() > end:
            break
        finder(data)
        count += 1
    return count


def guided(finder: Finder, seconds: int, seed: int) -> None:
    """The same with atheris; it ends the process."""
    import atheris

    corpus = finder.folder / f"corpus-{finder.target.name}"
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(finder.target.seeds()):
        (corpus / f"seed-{number}").write_bytes(data)
    words = finder.folder / f"{finder.target.name}.words"
    lines = ['"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in finder.target.words]
    words.write_text("".join(lines), encoding="ascii")
    options = {
        "max_total_time": seconds,
        "timeout": WALL,
        "rss_limit_mb": _megabytes() + 2 * KIBIBYTES // 1024,
        "print_final_stats": 1,
        "seed": seed,
        "max_len": max(4096, *(len(path.read_bytes()) for path in corpus.iterdir())),
        "artifact_prefix": f"{finder.folder}/{finder.target.name}-",
        "dict": words,
    }
    atheris.Setup([sys.argv[0], *(f"-{key}={value}" for key, value in options.items()), str(corpus)], finder)
    atheris.Fuzz()


def _megabytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main(name: str, seconds: str, folder: str) -> None:
    if HAS_ATHERIS:
        import atheris

        with atheris.instrument_imports(include=["clipgap"]):
            from tests.fuzz.targets import TARGETS
    else:
        from tests.fuzz.targets import TARGETS
    finder = Finder(TARGETS[name], Path(folder))
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:3])
    if HAS_ATHERIS:
        guided(finder, int(seconds), seed)
    else:
        print(f"{DONE} {plainly(finder, float(seconds), seed)}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
