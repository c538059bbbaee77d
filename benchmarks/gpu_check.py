"""Everything that a GPU is needed for, tried on this one, as a table to paste: `make gpu-check`.

    python -m benchmarks.gpu_check [--quick]

Every check says what it found, or how it failed; the others go on. `--quick` leaves the bench out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from benchmarks.__main__ import machine, measure, table
from benchmarks.detectors import MINI, REAL, detector, street, training
from benchmarks.gpu import GPU_JOBS, card_peak
from clipgap.config import ClipConfig, load_config
from clipgap.engine.fit import fit
from clipgap.engine.train import train
from clipgap.errors import one_line
from clipgap.world import write_world

Check = Callable[[], str]
TOWERS = ("tiny", "tiny-convnext", "tiny-vit")
SHORT = ("train.steps=6", "train.lr_steps=[]", "train.validate_every=6", "fit.steps=4", "run.workers=2")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave the bench out")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print(f"no GPU here: torch {torch.__version__} sees none, so there is nothing to check", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="clipgap_gpu_check_") as folder:
        rows = list(tried(checks(Path(folder), "cuda")))
    print(f"{machine()}\n\n" + shown(rows))
    if not options.quick:
        print("\n" + table([row for name in GPU_JOBS for row in measure(name, None)]))
    return int(any(found.startswith("FAILED") for _, found, _ in rows))


def checks(folder: Path, device: str) -> Iterator[tuple[str, Check]]:
    """What is tried, each with its name; a small world is drawn into the folder."""
    world = folder / "world"
    write_world(world, 0, 24, 4, 1, lambda pictures: None)
    for name in TOWERS:
        yield f"{name}: detections as on the CPU", partial(same_detections, name, device)
        yield f"{name}: losses as on the CPU", partial(same_losses, name, device)
        job = partial(whole_job, world, device, f"clip={{name: {name}, pretrained: random}}")
        yield f"{name}: step one, step two, validation", job
        yield f"{name}: bf16-mixed", partial(job, "run.precision=bf16-mixed")
    job = partial(whole_job, world, device)
    yield "16-mixed", partial(job, "run.precision=16-mixed")
    yield "run.compile", partial(job, "run.compile=true")
    yield "recipe: robust, roi: atrous", partial(job, "recipe=robust", "detector.roi=atrous")
    yield "two processes, one a card", partial(two_cards, partial(job, "run.devices=2"))
    yield "memory of diverse_weather (batch_norm: train, batch 4)", partial(memory, device)


def tried(these: Iterable[tuple[str, Check]]) -> Iterator[tuple[str, str, float]]:
    """Name, what was found, and seconds of every check."""
    for name, check in these:
        start = time.perf_counter()
        try:
            found = check()
        except Exception as error:  # noqa: BLE001 (this is what a check is for)
            found = f"FAILED: {type(error).__name__}: {one_line(str(error))[:300]}"
        seconds = time.perf_counter() - start
        print(f"{name}: {found} ({seconds:.1f} s)", file=sys.stderr)
        yield name, found, seconds


def shown(rows: list[tuple[str, str, float]]) -> str:
    lines = ["| check | found | seconds |", "|---|---|---|"]
    return "\n".join(lines + [f"| {name} | {found} | {seconds:.1f} |" for name, found, seconds in rows])


def same_detections(name: str, device: str) -> str:
    """The largest difference of scores, best with best, on one image."""
    size = replace(MINI, clip=ClipConfig(name=name, pretrained="random"))
    model = detector(size=size, box_score_thresh=0.0).for_inference()
    images, shape = street(1, size)[0], [(size.height, size.width)]
    here, there = (model.to(where).detect(images, shape)[0]["scores"].cpu() for where in ("cpu", device))
    return f"{len(there)} of {len(here)} found, scores within {float((here - there).abs().max()):.1e}"


def same_losses(name: str, device: str) -> str:
    """The largest difference of the losses of one step; what is drawn differs by device, so all regions are taken."""
    size = replace(MINI, clip=ClipConfig(name=name, pretrained="random"))
    every = {"box_batch_size_per_image": 4000, "rpn_batch_size_per_image": 100_000}
    here, there = (training(size=size, device=where, **every)() for where in ("cpu", device))
    return f"losses within {max(abs(here[key] - there[key]) for key in here):.1e}"


def whole_job(world: Path, device: str, *settings: str) -> str:
    """Both steps, a few of each, in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="clipgap_gpu_check_") as folder:
        offsets = Path(folder) / "aug.safetensors"
        places = (f"data.root={world}", f"augment.file={offsets}", f"run.out={folder}/run", f"run.device={device}")
        config = load_config("mini_world", [*places, *SHORT, *settings])
        if config.augment.needs_text:
            fit(config, offsets, show=False)
        trained = train(config, show=False)
    return f"trained, {trained.figure} {trained.best:.1f}"


def two_cards(job: Check) -> str:
    count = torch.cuda.device_count()
    return job() if count > 1 else f"not tried: {count} card, and NCCL takes one process a card"


def memory(device: str) -> str:
    preset = load_config("diverse_weather", ["data.root=nowhere"])
    training(size=replace(REAL, detector=preset.detector, batch_norm="train"), batch=4, device=device)()
    return f"{card_peak():.1f} GB at most"


if __name__ == "__main__":
    sys.exit(main())
