"""What an exported detector costs and loses: megabytes, milliseconds a detection and AP of every form and precision.

    clipgap world make --out mini_world
    python -m benchmarks.exported [--run RUN] [--config CONFIG] [--pictures N] [--threads N] [--out FILE.json]

Of the detector that ships, on the miniature world; of a run folder by itself on its own data.
Milliseconds are medians over pictures of the source's test split, each of which every way sees in turn; ratios are
medians of the pictures' own. 8 bits are calibrated on the source's training images.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.__main__ import machine
from clipgap.cli.export_verbs import CALIBRATED_ON
from clipgap.config import load_config
from clipgap.data import Domains, load_domains
from clipgap.detector import Detector, as_seen
from clipgap.detectors import MINI_WORLD
from clipgap.engine.evaluate import evaluate
from clipgap.engine.names import CONFIG
from clipgap.export import OnnxDetector, export_onnx

EXPORTS = {
    "ONNX, two graphs": ("two", "float32"),
    "ONNX, one graph": ("one", "float32"),
    "ONNX, one graph, float16": ("one", "float16"),
    "ONNX, one graph, int8": ("one", "int8"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a run or Detector folder")
    parser.add_argument("--config", help="whose data it is scored on")
    parser.add_argument("--pictures", type=int, default=40, help="that are timed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a JSON of everything measured")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory(prefix="clipgap_bench_") as folder:
        run = options.run or MINI_WORLD
        domains = load_domains(load_config(options.config or (str(run / CONFIG) if options.run else "mini_world")).data)
        rows = measure(run, domains, Path(folder), options.pictures, options.threads)
    print(f"{machine()}, {options.threads} of them used\n\n{table(rows)}")
    if options.out:
        options.out.write_text(json.dumps({"machine": machine(), "run": str(run), "rows": rows}, indent=1))


def measure(run: Path, domains: Domains, folder: Path, pictures: int, threads: int) -> list[dict[str, Any]]:
    """A row for every way."""
    detector = Detector.load(run)
    ways: dict[str, Any] = {"PyTorch": detector.for_inference(), "PyTorch, bf16": detector.for_inference("bf16-mixed")}
    sizes = dict.fromkeys(ways, (run / "model.safetensors").stat().st_size)
    seen = calibration(domains, detector)
    for name, (graphs, precision) in EXPORTS.items():
        out = folder / name.replace(", ", "_")
        export_onnx(detector, out, graphs, precision, seen if precision == "int8" else ())  # type: ignore[arg-type]
        ways[name], sizes[name] = OnnxDetector.load(out, threads), sum(f.stat().st_size for f in out.glob("*.onnx"))
    times = timed(list(ways.values()), test_pictures(domains, pictures))
    plain = times[0]
    return [
        {
            "way": name,
            "megabytes": sizes[name] / 1e6,
            "milliseconds": 1000 * statistics.median(own),
            "faster": statistics.median(np.divide(plain, own)),
            **scores(way, domains),
        }
        for (name, way), own in zip(ways.items(), times, strict=True)
    ]


def calibration(domains: Domains, detector: Detector) -> list[torch.Tensor]:
    trained = domains.source.train
    assert trained is not None
    every = max(1, len(trained) // CALIBRATED_ON)
    places = range(0, len(trained), every)[:CALIBRATED_ON]
    return [as_seen(trained[place].image, detector.spec.image)[0] for place in places]


def test_pictures(domains: Domains, count: int) -> list[Any]:
    scored = domains.source.scored
    assert scored is not None
    return [scored[place].image for place in range(min(count, len(scored)))]


def timed(ways: Sequence[Any], pictures: Sequence[Any]) -> list[list[float]]:
    """Seconds of every way on every picture, each picture by all in turn; one look before counts for nothing."""
    times: list[list[float]] = [[] for _ in ways]
    for way in ways:
        way.predict(pictures[0])
    for picture in pictures:
        for way, own in zip(ways, times, strict=True):
            start = time.perf_counter()
            way.predict(picture)
            own.append(time.perf_counter() - start)
    return times


def scores(way: Any, domains: Domains) -> dict[str, Any]:
    """AP50 on the source's test split, and the mean of targets."""
    found = evaluate(way, domains).to_json()
    return {"source": found["domains"][found["source"]]["ap50"], "targets": found["mean_targets"]}


def table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        "| way | MB | ms a detection | times faster | AP50, source | AP50, targets |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['way']} | {row['megabytes']:.1f} | {row['milliseconds']:.0f} | {row['faster']:.2f} | "
            f"{row['source']:.1f} | {row['targets']:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
