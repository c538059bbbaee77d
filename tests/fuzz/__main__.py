"""Every target for its share of the time, and a table: `python -m tests.fuzz --seconds 300 [TARGET ...]`.

Exit code 1 where an input broke the law; inputs and what happened are in `--out`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.guided import DONE, HAS_ATHERIS
from tests.fuzz.targets import TARGETS

LEAST = 5
"""Seconds that are worth another start of a process that died."""
LATE = 180
"""Seconds after its time within which a process has to end: importing takes a while, too."""


@dataclass(frozen=True)
class Outcome:
    """Of a target."""

    name: str
    executions: int
    seconds: float
    faults: list[str]


def run(name: str, seconds: int, folder: Path) -> Outcome:
    """A target for some seconds. A process that an input killed is one fault more, and is started anew."""
    executions, begun, left = 0, time.monotonic(), seconds
    while left >= LEAST:
        command = [sys.executable, "-m", "tests.fuzz.guided", name, str(left), str(folder)]
        started = time.monotonic()
        try:
            ended = subprocess.run(command, stderr=subprocess.PIPE, timeout=left + LATE)
            code, said = ended.returncode, ended.stderr.decode(errors="replace")
        except subprocess.TimeoutExpired as error:
            code, said = -1, (error.stderr or b"").decode(errors="replace")
        found = re.findall(rf"{DONE} *(\d+)", said)
        executions += int(found[-1]) if found else 0
        if code == 0:
            break
        left -= int(time.monotonic() - started)
        kept = folder / f"{name}-died-{int(started)}.txt"
        kept.write_text(f"died ({code}): {said[-3000:]}", encoding="utf-8")
    faults = sorted(path.read_text(encoding="utf-8") for path in folder.glob(f"{name}-*.txt"))
    return Outcome(name, executions, time.monotonic() - begun, faults)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; none: all")
    parser.add_argument("--seconds", type=int, default=300, help="for all of them together")
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"), help="folder for inputs that break the law")
    chosen = parser.parse_args()
    unknown = set(chosen.targets) - TARGETS.keys()
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    for old in chosen.out.glob("*.txt"):
        old.unlink()
    if not HAS_ATHERIS:
        print("atheris cannot be imported (no wheel for this Python): plain seeded mutations of the corpus instead")
    names = chosen.targets or list(TARGETS)
    print("| target | executions | executions/s | faults |\n|---|---|---|---|", flush=True)
    outcomes = []
    for name in names:
        one = run(name, max(chosen.seconds // len(names), LEAST), chosen.out)
        outcomes.append(one)
        print(f"| {name} | {one.executions:,} | {one.executions / one.seconds:,.0f} | {len(one.faults)} |", flush=True)
    print(f"| all | {sum(one.executions for one in outcomes):,} | | {sum(len(one.faults) for one in outcomes)} |")
    for one in outcomes:
        for fault in one.faults:
            print(f"{one.name}: {fault[:500]}")
    sys.exit(any(one.faults for one in outcomes))


if __name__ == "__main__":
    main()
