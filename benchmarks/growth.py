"""Time per image and peak memory as a data set grows: train, evaluate and predict on 1, 4 and 16 times the images.

    python -m benchmarks.growth [--out FILE.json]

Every figure comes from a fresh process, after a few images that warm it up; sizes are the miniature world's.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.memory import own_peak

IMAGES, TIMES = 12, (1, 4, 16)
VERBS = ("train", "evaluate", "predict")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a JSON of everything measured")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        verb, count, folder = options.one
        print(json.dumps(measure(verb, int(count), Path(folder))))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        for verb in VERBS:
            rows += [{"verb": verb, "images": IMAGES * n, **fresh(verb, IMAGES * n, folder)} for n in TIMES]
    print(table(rows))
    if options.out:
        options.out.write_text(json.dumps({"command": "python -m benchmarks.growth", "rows": rows}, indent=1))


def prepare(folder: Path) -> None:
    """Worlds of every size, and a detector that has seen the smallest for a moment."""
    from clipgap.config import load_config
    from clipgap.engine.train import train
    from clipgap.world import write_world

    for times in TIMES:
        write_world(folder / f"world_{IMAGES * times}", 5, IMAGES * times, 1, 1, lambda pictures: None)
    settings = ["train.steps=2", "train.batch_size=2", "augment.kind=none", "run.workers=0"]
    data = f"data.root={folder}/world_{IMAGES}"
    train(load_config("mini_world", [*settings, data, f"run.out={folder}/run"]), show=False)


def fresh(verb: str, count: int, folder: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.growth", "--one", verb, str(count), folder]
    row: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"{verb}, {count} images: {row}", file=sys.stderr)
    return row


def measure(verb: str, count: int, folder: Path) -> dict[str, float]:
    """Seconds per image and the peak of this process in GB."""
    work(verb, IMAGES, folder)
    start = time.perf_counter()
    work(verb, count, folder)
    return {"seconds_per_image": (time.perf_counter() - start) / count, "gigabytes": own_peak()}


def work(verb: str, count: int, folder: Path) -> None:
    """One pass over `count` images."""
    from clipgap.config import load_config
    from clipgap.data import load_domains
    from clipgap.detector import Detector
    from clipgap.engine.evaluate import score_split
    from clipgap.engine.predict import predict
    from clipgap.engine.train import train

    world, out = folder / f"world_{count}", folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    if verb == "train":
        source = "data.source={name: clear, format: voc, root: daytime_clear/VOC2007, train: train}"
        settings = [f"train.steps={count // 2}", "train.batch_size=2", "augment.kind=none", "run.workers=0", source]
        train(load_config("mini_world", [*settings, f"data.root={world}", f"run.out={out}"]), show=False)
        return
    detector = Detector.load(folder / "run")
    if verb == "predict":
        predict(detector.for_inference(), [world / "daytime_clear/VOC2007/JPEGImages"], out, show=False)
        return
    config = load_config("mini_world", [f"data.root={world}"])
    split = load_domains(config.data).source.train
    assert split is not None
    score_split(detector, split, config.evaluate, "growth", show=False)


def table(rows: list[dict[str, float]]) -> str:
    lines = [
        "| work | images | ms per image | against the fewest | peak GB | against the fewest |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        first = next(one for one in rows if one["verb"] == row["verb"])
        time_ratio, memory_ratio = (row[key] / first[key] for key in ("seconds_per_image", "gigabytes"))
        lines.append(
            f"| {row['verb']} | {row['images']} | {1000 * row['seconds_per_image']:.0f} | {time_ratio:.2f} "
            f"| {row['gigabytes']:.2f} | {memory_ratio:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
