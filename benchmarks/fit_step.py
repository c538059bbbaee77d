"""Step one: our step against the plain loop, alternating in one process, on RN101 (random weights), BatchNorm frozen.

`python -m benchmarks.fit_step [--crops 8] [--prompts 15] [--steps 2]` prints times, their ratio and the largest
difference of the losses. The target is a ratio of at most 0.60 and losses equal to 1e-5.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time

import torch

from benchmarks.plain_fit import PlainFit
from clipgap.clip import Clip, load_clip
from clipgap.config import ClipConfig, FitConfig
from clipgap.engine.fit import Fitter
from clipgap.prompts import BUILT_IN, PromptSet


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--name", default="RN101")
    arguments.add_argument("--crops", type=int, default=8)
    arguments.add_argument("--prompts", type=int, default=15)
    arguments.add_argument("--steps", type=int, default=2)
    options = arguments.parse_args()
    clip = load_clip(ClipConfig(name=options.name, pretrained="random"))
    prompts = PromptSet(BUILT_IN["weather"].source, BUILT_IN["weather"].targets[: options.prompts])
    size = clip.spec.tower.image_size
    batches = torch.randn(options.steps, options.crops, 3, size, size, generator=torch.Generator().manual_seed(0))
    plain = PlainFit(Clip(copy.deepcopy(clip.model), clip.spec, clip.name, clip.weights), prompts, lr=0.01)
    ours = Fitter(clip, prompts, "frozen", FitConfig(), torch.device("cpu"))
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    worst = 0.0
    for batch in batches:
        start = time.perf_counter()
        expected = plain.step(batch)
        middle = time.perf_counter()
        losses = ours.step(batch)
        times["plain"].append(middle - start)
        times["ours"].append(time.perf_counter() - middle)
        worst = max(worst, *(abs(a - float(b)) for a, b in zip(expected, losses, strict=True)))
    plain_time, our_time = statistics.median(times["plain"]), statistics.median(times["ours"])
    print(f"{clip}, {options.crops} crops, {len(prompts.targets)} prompts, {torch.get_num_threads()} threads")
    print(f"plain loop {plain_time:.2f} s a step, ours {our_time:.2f} s (medians of {options.steps} steps)")
    print(f"ratio ours / plain: {our_time / plain_time:.2f} (target: at most 0.60)")
    print(f"largest difference of a loss: {worst:.1e} (target: at most 1e-5)")


if __name__ == "__main__":
    main()
