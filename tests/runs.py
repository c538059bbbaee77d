"""Small runs of the whole job for tests: a tiny CLIP, drawn pictures, a few steps."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from clipgap.config import RunConfig, load_config
from clipgap.engine.fit import fit
from clipgap.engine.train import train
from clipgap.world import write_domain
from tests.clips import make_clip

CLASSES = ["bus", "bike", "car", "motor", "person", "rider", "truck"]
ROOTS = {"day": "daytime_clear", "fog": "daytime_foggy", "night": "night_sunny"}
DATA = (
    "data={root: %(data)s, classes: [bus, bike, car, motor, person, rider, truck], source: {name: day, format: voc, "
    "root: daytime_clear/VOC2007, train: train, val: val}, targets: [{name: fog, format: voc, "
    "root: daytime_foggy/VOC2007, test: train}, {name: night, format: voc, root: night_sunny/VOC2007, test: train}], "
    "prompts: {source: an image taken during the day, "
    "targets: [an image taken on a fog day, an image taken on a clear night]}}"
)
SMALL_RUN = (
    DATA,
    "clip={name: tiny, file: %(clip)s, quick_gelu: true}",
    "augment.file=%(offsets)s",
    "run={out: %(out)s, workers: 0, device: cpu}",
    "image={short_side: 96, long_side: 160}",
    "fit={steps: 3, images_per_step: 2, crops_per_image: 2, crop_side: 64}",
    "train={steps: 4, batch_size: 2, lr: 0.001, lr_steps: [3], log_every: 1, checkpoint_every: 2, validate_every: 2}",
    "detector.rpn_post_nms_top_n_train=50",
    "detector.rpn_post_nms_top_n_test=20",
    "detector.box_batch_size_per_image=16",
    "detector.box_score_thresh=0.0",
    "batch_norm=frozen",
)


def make_run(folder: Path, images: int = 4) -> Path:
    """A folder with a data set, a file of CLIP weights and `config.yaml`; results go beside them."""
    splits = {"day": {"train": images - 1, "val": 1}, "fog": {"train": images}, "night": {"train": images}}
    for name, root in ROOTS.items():
        write_domain(folder / "data" / root, (root,), 0, splits[name], 1, lambda pictures: None)
    torch.save(make_clip().model.state_dict(), folder / "clip.pt")
    (folder / "config.yaml").write_text(_yaml(run_config(folder)))
    return folder


def make_trained(folder: Path) -> Path:
    """The same with everything fitted and trained once: `aug.safetensors` and `run`."""
    make_run(folder)
    fit(run_config(folder), folder / "aug.safetensors", show=False)
    train(run_config(folder), show=False)
    return folder


def copy_without_run(made: Path, to: Path) -> Path:
    """The inputs and offsets of a folder that `make_trained` made."""
    return Path(shutil.copytree(made, to, ignore=shutil.ignore_patterns("run")))


def run_config(folder: Path, *overrides: str) -> RunConfig:
    """The run config of a folder that `make_run` made."""
    places = {"clip": "clip.pt", "data": "data", "offsets": "aug.safetensors", "out": "run"}
    paths = {name: folder / place for name, place in places.items()}
    return load_config("mini_world", [*(line % paths for line in SMALL_RUN), *overrides])


def _yaml(config: RunConfig) -> str:
    from clipgap.config import to_yaml

    return to_yaml(config)
