"""What every lever of training costs: a step of the miniature world's detector, with the making of its images."""

from __future__ import annotations

import numpy as np
import torch
from lightning_fabric import Fabric
from PIL import Image

from benchmarks.detectors import CLASSES, MINI, Size, Work
from clipgap.augment import FeatureAugmentation, OffsetFeatures, StyleBank
from clipgap.augment.levers import Placed
from clipgap.classes import make_lever
from clipgap.clip import load_clip
from clipgap.config import DIVERSIFY, FEATURES, ImageConfig, RunConfig, load_config
from clipgap.data import Sample
from clipgap.data.dataset import Target
from clipgap.data.stream import generator_for
from clipgap.detector import Detector, DetectorSpec
from clipgap.diversify import make_diversifier
from clipgap.engine.train.batches import MakeExample, collate
from clipgap.engine.train.trainer import Trainer

TWO_VIEWS = "diversify={kinds: [photometric], views: 2, probability: 1}"
FEATURE_LEVERS = ("fitted", "norm", "mixstyle", "pin")
WAYS: dict[str, tuple[str, ...]] = {
    "plain": (),
    **{f"diversify: {kind}, half of the images": (f"diversify.kinds=[{kind}]",) for kind in DIVERSIFY},
    "diversify: photometric, two views": (TWO_VIEWS,),
    "recipe: robust": ("recipe=robust",),
    "two views and align": (TWO_VIEWS, "align={classes: 1, boxes: 1}"),
    "two views, bf16": (TWO_VIEWS, "run.precision=bf16-mixed"),
    "two views, roi: atrous": (TWO_VIEWS, "detector.roi=atrous"),
    "two views, 128 regions an image": (TWO_VIEWS, "detector.box_batch_size_per_image=128"),
    **{f"augment: {kind}": (f"augment.kind={kind}", "augment.probability=1") for kind in FEATURE_LEVERS},
    "tune: warm_heads, while it lasts": ("tune.warm_heads=599",),
    "tune: pull_back": ("tune.pull_back=0.01",),
    "tune: low_rank": ("tune.low_rank=16",),
    "tune: layer3 frozen": ("detector.frozen=[stem, layer1, layer2, layer3]",),
    "average: ema": ("average.over=ema",),
    "average: window": ("average={over: window, window_start: 1}",),
    "average: tuned 0.75": ("average.tuned=0.75",),
    "background: text": ("detector.background=text",),
    "background: learned": ("detector.background=learned",),
    "run.precision: bf16-mixed": ("run.precision=bf16-mixed",),
}
"""Settings by the lever's name."""


def picture(size: Size, number: int) -> Sample:
    """A smooth picture of the detector's size with 8 boxes."""
    random = np.random.default_rng(number)
    coarse = Image.fromarray(random.integers(0, 256, (size.height // 16, size.width // 16, 3), dtype=np.uint8))
    side = size.height / 4
    corners = torch.from_numpy(random.random((8, 2), np.float32)) * torch.tensor(
        [size.width - side, size.height - side]
    )
    target = Target(
        boxes=torch.cat([corners, corners + side], dim=1),
        labels=torch.from_numpy(random.integers(1, 8, 8)),
        difficult=torch.zeros(8, dtype=torch.bool),
        iscrowd=torch.zeros(8, dtype=torch.bool),
        image_id=str(number),
    )
    return Sample(coarse.resize((size.width, size.height), Image.Resampling.BICUBIC), target)


def lever_step(*settings: str, size: Size = MINI, batch: int = 4) -> Work:
    """Four examples made and one step trained on them; gives the losses."""
    config = load_config("mini_world", ["augment.kind=none", *settings, "train.lr=1e-5", "run.device=cpu"])
    clip = load_clip(size.clip)
    spec = DetectorSpec(
        classes=CLASSES,
        tower=clip.tower_spec,
        description="benchmark",
        image=ImageConfig(short_side=size.height, long_side=size.width),
        detector=config.detector,
    )
    torch.manual_seed(0)
    detector = Detector.from_clip(clip, spec).to(memory_format=torch.channels_last)
    fabric = Fabric(accelerator="cpu", devices=1, precision=config.run.precision)
    trainer = Trainer(detector, config, _augmentation(config, clip.tower_spec.c4_channels), fabric)
    make = MakeExample(spec.image, 0.5, make_diversifier(config.diversify), config.diversify.views)
    samples, steps = [picture(size, number) for number in range(batch)], iter(range(10**6))

    def step() -> dict[str, float]:
        number = next(steps)
        examples = [make(one, generator_for(number, place)) for place, one in enumerate(samples)]
        return trainer.step(collate(examples), number, number)

    return step


def _augmentation(config: RunConfig, channels: int) -> FeatureAugmentation | None:
    placed = []
    for kind in config.augment.kinds:
        probability = config.augment.probability
        if kind in FEATURES:
            placed.append(Placed(make_lever(FEATURES[kind], "augment.kind", probability), config.augment.layer))
        elif kind == "pin":
            # layer1 has a quarter of the C4 channels; 15 styles, as the built-in set of prompts has.
            styles = torch.zeros(15, channels // 4), torch.ones(15, channels // 4)
            placed.append(Placed(StyleBank(*styles, probability), "layer1"))
        else:
            placed.append(Placed(OffsetFeatures(torch.zeros(15, channels), probability), None))
    return FeatureAugmentation(placed) if placed else None
