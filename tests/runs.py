"""Small runs of the whole job for tests: a tiny CLIP, drawn pictures, a few steps."""

from __future__ import annotations

from pathlib import Path

import torch

from clipgap.config import RunConfig, load_config
from clipgap.world import write_demo_set
from tests.clips import make_clip

SMALL_RUN = (
    "clip={name: tiny, file: %(clip)s, quick_gelu: true}",
    "data.root=%(data)s",
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
    write_demo_set(folder / "data", 0, images=images)
    torch.save(make_clip().model.state_dict(), folder / "clip.pt")
    (folder / "config.yaml").write_text(_yaml(run_config(folder)))
    return folder


def run_config(folder: Path, *overrides: str) -> RunConfig:
    """The run config of a folder that `make_run` made."""
    places = {"clip": "clip.pt", "data": "data", "offsets": "aug.safetensors", "out": "run"}
    paths = {name: folder / place for name, place in places.items()}
    return load_config("demo", [*(line % paths for line in SMALL_RUN), *overrides])


def _yaml(config: RunConfig) -> str:
    from clipgap.config import to_yaml

    return to_yaml(config)
