"""Where the time of one detection goes: RN101, 600 x 1067, 1000 proposals, the plain way and ours.

python -m benchmarks.parts [--out docs/performance.png]
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import plain_detector
from benchmarks.detectors import REAL, detector, street
from clipgap.detector import Detector
from clipgap.detector import roi_heads as ours

PARTS = ("trunk", "proposals", "RoIAlign", "layer4", "attention pooling", "the rest")


class Clock:
    """Seconds inside of functions, without what other clocked functions called from there need."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.inner = [0.0]

    def of(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, clocked."""

        def clocked(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            self.inner.append(0.0)
            result = function(*arguments, **options)
            spent = time.perf_counter() - start
            self.seconds[part] += spent - self.inner.pop()
            self.inner[-1] += spent
            return result

        return clocked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a picture")
    options = parser.parse_args()
    shares = {
        "plain": spent(detector(plain=True, box_score_thresh=0.0).eval()),
        "exact": spent(detector(box_score_thresh=0.0).for_inference()),
        "roi: dense": spent(detector(box_score_thresh=0.0, roi="dense").for_inference()),
    }
    print("| way | " + " | ".join(PARTS) + " | all |\n" + "|---" * (len(PARTS) + 2) + "|")
    for way, seconds in shares.items():
        cells = [f"{seconds[part]:.2f}" for part in PARTS]
        print(f"| {way} | {' | '.join(cells)} | {sum(seconds.values()):.2f} |")
    if options.out:
        draw(shares, options.out)


def spent(model: Detector) -> dict[str, float]:
    """Seconds of every part, of the second of two detections."""
    images, _ = street(1)
    model.detect(images, [(REAL.height, REAL.width)])
    clock, heads = Clock(), model.roi_heads
    places: list[tuple[str, Any, str]] = [
        ("trunk", model.backbone, "forward"),
        ("proposals", model.rpn, "forward"),
        ("RoIAlign", plain_detector, "roi_align"),
        ("RoIAlign", ours, "roi_align"),
        ("attention pooling", plain_detector, "openai_attention_pool"),
        ("layer4", heads.box_head.layer4, "forward"),
        ("layer4", heads.box_head, "begin"),
        ("layer4", heads, "finish"),
        ("attention pooling", heads.box_head.pool, "forward"),
    ]
    before = [(place, name, getattr(place, name)) for _, place, name in places]
    for part, place, name in places:
        setattr(place, name, clock.of(part, getattr(place, name)))
    clock.of("the rest", model.detect)(images, [(REAL.height, REAL.width)])
    for place, name, function in before:
        setattr(place, name, function)
    return dict(clock.seconds)


def draw(shares: dict[str, dict[str, float]], out: Path) -> None:
    """One bar a way, one colour a part."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.8), layout="constrained")
    axes = figure.subplots()
    left = dict.fromkeys(shares, 0.0)
    for part in PARTS:
        widths = [seconds.get(part, 0.0) for seconds in shares.values()]
        axes.barh(list(shares), widths, left=list(left.values()), label=part)
        left = {way: left[way] + width for way, width in zip(shares, widths, strict=True)}
    axes.invert_yaxis()
    axes.set_xlabel(f"seconds of one detection, RN101, {REAL.height} x {REAL.width}, {torch.get_num_threads()} threads")
    axes.legend(ncols=3, fontsize="small")
    figure.savefig(out, dpi=120)


if __name__ == "__main__":
    main()
