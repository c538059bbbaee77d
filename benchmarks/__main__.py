"""Time every job the plain way and ours, alternately, and print one table.

    python -m benchmarks [--only JOB ...] [--rounds N] [--out FILE.json]

Where there is a GPU, its jobs are there too, and their memory is the card's.
Times are medians of alternating rounds (A B A B) in one process, ratios medians of the rounds' own, with their range.
Peak memory is of one run in a fresh process for each way, because within a process it never falls.
The floor is what the operations of a way would take at the rate of matrix products (2048 x 2048) on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from benchmarks.detectors import Work
from benchmarks.gpu import GPU_JOBS, card_peak, matrix_product, operations
from benchmarks.jobs import JOBS, Job
from benchmarks.memory import own_peak

PRECISION = "float32 where a way does not say bf16"


def main() -> None:
    options = _options()
    if options.peak:
        name, way = options.peak
        job = jobs_here()[name]
        job.shorter.get(way, job.ways[way])()()
        print(card_peak() if name in GPU_JOBS else own_peak())
        return
    rows = [row for name in options.only or jobs_here() for row in measure(name, options.rounds)]
    print(f"\n{machine()}, {PRECISION}\n\n{table(rows)}")
    if not torch.cuda.is_available():
        print("\nno GPU here: its section is left out")
    if options.out:
        command = f"python -m benchmarks {' '.join(sys.argv[1:])}".strip()
        content = {"machine": machine(), "precision": PRECISION, "command": command, "rows": rows}
        options.out.write_text(json.dumps(content, indent=1), encoding="utf-8")


def jobs_here() -> dict[str, Job]:
    """The jobs that this machine can do."""
    return JOBS | GPU_JOBS if torch.cuda.is_available() else JOBS


def machine() -> str:
    card = f"{torch.cuda.get_device_name()}, " if torch.cuda.is_available() else ""
    threads = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    return f"{platform.machine()}, {card}{threads}, torch {torch.__version__}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="JOB", help=f"all by default: {', '.join(jobs_here())}"
    )
    parser.add_argument("--rounds", type=int, help="each job's own by default")
    parser.add_argument("--out", type=Path, help="a JSON of everything measured")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = sorted(set(options.only) - set(jobs_here()))
    if unknown:
        parser.error(f"no job {unknown[0]!r}; there are {', '.join(jobs_here())}")
    return options


def measure(name: str, rounds: int | None) -> list[dict[str, Any]]:
    """One row for every way of a job."""
    job = jobs_here()[name]
    works = {way: make() for way, make in job.ways.items()}
    times: dict[str, list[float]] = {way: [] for way in works}
    results = {}
    for number in range(rounds or job.rounds):
        for way, work in works.items():
            start = time.perf_counter()
            result = work()
            times[way].append(time.perf_counter() - start)
            results.setdefault(way, result)
            print(f"{name}, round {number + 1}, {way}: {times[way][-1]:.2f} s", file=sys.stderr)
    floors = {way: floor(work, "bf16" in way) for way, work in works.items()} if job.floored else {}
    del works
    yardstick = next(iter(job.ways))
    rows = []
    for way, seconds in times.items():
        ratios = [a / b for a, b in zip(times[yardstick], seconds, strict=True)]
        row: dict[str, Any] = {
            "job": job.title,
            "way": way,
            "seconds": seconds,
            "ratios": ratios,
            "bar": job.bars.get(way, ""),
        }
        row["gigabytes"] = peak(name, way)
        row["floor"] = floors.get(way)
        row["same"] = job.compare(results[yardstick], results[way]) if way in job.compared and way != yardstick else ""
        rows.append(row)
    return rows


def floor(work: Work, bf16: bool) -> float:
    """Seconds that the operations of some work take at least.

    They are counted in float32, where there are as many: the counter cannot follow autocast.
    """
    with mock.patch.object(torch, "autocast", return_value=nullcontext()):
        count = operations(work)
    return count / product_rate(torch.bfloat16 if bf16 else torch.float32)


@cache
def product_rate(kind: torch.dtype) -> float:
    """Operations a second of matrix products on this processor."""
    return float(matrix_product("cpu", 2048, kind)())


def peak(name: str, way: str) -> float:
    """Peak memory of one run in a fresh process, in GB."""
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--peak", name, way], check=True, capture_output=True, text=True
    )
    return float(ran.stdout)


def shown(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.3f}"


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| work | way | seconds | floor | times faster | peak GB | bar | same numbers |", "|" + 8 * "---|"]
    for row in rows:
        ratios = row["ratios"]
        spread = f" ({min(ratios):.1f} - {max(ratios):.1f})" if len(ratios) > 1 else ""
        lines.append(
            f"| {row['job']} | {row['way']} | {shown(statistics.median(row['seconds']))} "
            f"| {shown(row['floor']) if row['floor'] else ''} "
            f"| {statistics.median(ratios):.1f}{spread} | {row['gigabytes']:.2f} | {row['bar']} | {row['same']} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
