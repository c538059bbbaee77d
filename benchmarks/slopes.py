"""Does memory grow with the steps of a training, or the images that are predicted? Bytes each, with standard error.

    python -m benchmarks.slopes [--count 2000] [--out FILE.json]

Both in a fresh process, on tiny pictures. The memory (RSS) is read at every step or image; the first quarter warms up,
the rest is cut into pieces. The slope is the mean of what a piece's mean has more than that of the piece before, by the
piece's length, and its standard error that of this mean: an ordinary line through all points would take memory, which
stays where it was, for independent draws, and its error for far too small.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.memory import own_memory

JOBS = {"train": "step", "predict": "image"}
"""What is done, and what of it is counted."""
PIECES = 12
"""Into which what is measured is cut."""
WARM = 0.25
"""Share that is left out at the beginning."""
PICTURES = 20
"""Different ones; there are as many files as images are predicted."""
TINY = (
    "image={short_side: 96, long_side: 160}",
    "detector.rpn_post_nms_top_n_train=50",
    "detector.rpn_post_nms_top_n_test=20",
    "detector.box_batch_size_per_image=16",
    "detector.box_score_thresh=0.0",
    "augment.kind=none",
    "run={workers: 0, device: cpu}",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000, help="steps and images (2000)")
    parser.add_argument("--out", type=Path, help="a JSON of everything measured")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        job, folder = options.one
        print(json.dumps(WORK[job](Path(folder), options.count)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        rows = [fresh(job, options.count, folder) for job in JOBS]
    print(table(rows))
    if options.out:
        command = f"python -m benchmarks.slopes --count {options.count}"
        options.out.write_text(json.dumps({"command": command, "rows": rows}, indent=1), encoding="utf-8")


def prepare(folder: Path) -> None:
    """A small world, and a detector that has seen it for a moment."""
    from clipgap.world import write_world

    write_world(folder / "world", 5, PICTURES, 1, 1, lambda pictures: None)
    _train(folder, 2, folder / "run")


def fresh(job: str, count: int, folder: str) -> dict[str, Any]:
    """A row of the table, of a process of its own."""
    command = [sys.executable, "-m", "benchmarks.slopes", "--count", str(count), "--one", job, folder]
    sizes = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    slope, error = slope_of(sizes)
    row = {"job": job, "count": count, "slope": slope, "error": error, "first": sizes[0], "last": sizes[-1]}
    print(row, file=sys.stderr)
    return {**row, "sizes": sizes}


def train_sizes(folder: Path, count: int) -> list[int]:
    """Memory after every step."""
    from clipgap.engine.train.trainer import Trainer

    sizes: list[int] = []
    with patch.object(Trainer, "step", _measured(Trainer.step, sizes)):
        _train(folder, count, folder / "out")
    return sizes


def predict_sizes(folder: Path, count: int) -> list[int]:
    """Memory after every image."""
    from clipgap.detector import Detector
    from clipgap.engine.predict import predict

    pictures = sorted((folder / "world/daytime_clear/VOC2007/JPEGImages").glob("train_*.jpg"))
    (folder / "in").mkdir()
    for number in range(count):
        (folder / f"in/{number:06d}.jpg").hardlink_to(pictures[number % len(pictures)])
    detector, sizes = Detector.load(folder / "run").for_inference(), []
    with patch.object(Detector, "predict", _measured(Detector.predict, sizes)):
        predict(detector, [folder / "in"], folder / "predicted", show=False)
    return sizes


WORK: dict[str, Callable[[Path, int], list[int]]] = {"train": train_sizes, "predict": predict_sizes}


def slope_of(sizes: list[int]) -> tuple[float, float]:
    """Bytes that come with every step or image, and their standard error."""
    kept = sizes[int(WARM * len(sizes)) :]
    length = len(kept) // PIECES
    means = [statistics.fmean(kept[first : first + length]) for first in range(0, PIECES * length, length)]
    more = [(after - before) / length for before, after in pairwise(means)]
    return statistics.fmean(more), statistics.stdev(more) / len(more) ** 0.5


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| work | bytes each | standard error | MB after the first | MB after the last |", "|---|---|---|---|---|"]
    for row in rows:
        what, (first, last) = f"{row['count']:,} {JOBS[row['job']]}s", (row[key] / 2**20 for key in ("first", "last"))
        lines.append(
            f"| {row['job']}, {what} | {row['slope']:,.0f} | {row['error']:,.0f} | {first:,.0f} | {last:,.0f} |"
        )
    return "\n".join(lines)


def _train(folder: Path, steps: int, out: Path) -> None:
    from clipgap.config import load_config
    from clipgap.engine.train import train

    source = "data.source={name: clear, format: voc, root: daytime_clear/VOC2007, train: train}"
    own = [f"train.steps={steps}", "train.batch_size=1", f"data.root={folder}/world", source, f"run.out={out}"]
    train(load_config("mini_world", [*TINY, *own]), show=False)


def _measured(original: Callable[..., Any], sizes: list[int]) -> Callable[..., Any]:
    def measured(*arguments: Any) -> Any:
        result = original(*arguments)
        sizes.append(own_memory())
        return result

    return measured


if __name__ == "__main__":
    main()
