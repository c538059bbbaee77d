"""RN101 at its real sizes: time and peak memory of one fit step, one training step and one inference run.

`python -m benchmarks.rn101` runs each in a process of its own, so that each peak is its own. Target: under 8 GB each.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from clipgap.clip import Clip, load_clip
from clipgap.config import ClipConfig, FitConfig
from clipgap.detector import Detector, DetectorSpec
from clipgap.engine.fit import Fitter
from clipgap.prompts import BUILT_IN

CLASSES = ["bus", "bike", "car", "motor", "person", "rider", "truck"]
HEIGHT, WIDTH = 600, 1067


def fit_step(clip: Clip) -> Callable[[], object]:
    fitter = Fitter(clip, BUILT_IN["weather"], "frozen", FitConfig(), torch.device("cpu"))
    crops = torch.randn(60, 3, 224, 224)
    return lambda: fitter.step(crops)


def training_step(clip: Clip) -> Callable[[], object]:
    detector = make_detector(clip).train()
    trained = [p for p in detector.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, 1e-3, momentum=0.9)
    corners = torch.rand(8, 2) * torch.tensor([WIDTH - 200.0, HEIGHT - 200.0])
    target = {"boxes": torch.cat([corners, corners + 150], dim=1), "labels": torch.randint(1, 8, (8,))}
    image = torch.rand(3, HEIGHT, WIDTH)

    def step() -> None:
        sum(detector([image], [target]).values()).backward()
        optimizer.step()

    return step


def inference(clip: Clip) -> Callable[[], object]:
    detector = make_detector(clip)
    image = torch.rand(3, HEIGHT, WIDTH)
    return lambda: detector.detect([image], [(720, 1280)])


def make_detector(clip: Clip) -> Detector:
    spec = DetectorSpec(classes=CLASSES, tower=clip.spec.tower, description="benchmark")
    return Detector.from_clip(clip, spec)


JOBS = {
    "fit step (60 crops, 15 prompts)": fit_step,
    "training step (600 x 1067, batch 1, 512 regions)": training_step,
    "inference (600 x 1067, 1000 proposals)": inference,
}


def main() -> None:
    if len(sys.argv) == 1:
        for name in JOBS:
            subprocess.run([sys.executable, "-m", "benchmarks.rn101", name], check=True)
        return
    name = sys.argv[1]
    torch.manual_seed(0)
    work = JOBS[name](load_clip(ClipConfig(name="RN101", pretrained="random")))
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"RN101 {name}: {seconds:.1f} s, peak memory {peak:.2f} GB (target: under 8), {torch.get_num_threads()} threads"
    )


if __name__ == "__main__":
    main()
