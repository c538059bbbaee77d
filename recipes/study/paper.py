"""The paper's rows: each part of the method for itself, and variants of the augmentation."""

from __future__ import annotations

import json

from recipes.study.rows import FIVE, THREE, Row

LINEAR = ("detector.classifier=linear", "detector.pooling=mean", "augment.kind=none")
RANDOM_INIT = ("clip.pretrained=random", "detector.frozen=[]", "batch_norm=train")
MIXED = "data.source={name: mixed, format: voc, root: mixed/VOC2007, train: train}"
ROWS = {
    "random_init": Row("random init", (*LINEAR, *RANDOM_INIT), THREE),
    "clip_init": Row("CLIP init", LINEAR, THREE),
    "text": Row("+ text classifier", ("detector.pooling=mean", "augment.kind=none"), THREE),
    "attention": Row("+ attention pooling", ("augment.kind=none",), FIVE),
    "random": Row("random offsets, same pooled norm", ("augment.kind=random",), FIVE),
    "permuted": Row("fitted offsets, channels permuted", ("augment.kind=permuted",), FIVE),
    "paper": Row("semantic augmentation (paper)", ("augment.kind=fitted",), FIVE),
    "upper_bound": Row("upper bound: a fifth in each domain", ("augment.kind=none", MIXED), FIVE),
}
DAY = "an image taken during the day"


def _prompts(*targets: str) -> str:
    """The setting that makes the target prompts these."""
    return "data.prompts=" + json.dumps({"source": DAY, "targets": list(targets)})


OTHER_WEATHER = tuple(
    f"an image taken on a {w} {t}" for w in ("snow", "cloudy", "stormy") for t in ("day", "evening", "night")
)
THE_FOUR = ("fog day", "clear night", "rain evening", "rain night")
WRONG = ("an image of a kitchen", "a painting of flowers", "a photo of a cat on a sofa", "a page of a book")
LAYER3 = "detector.frozen=[stem, layer1, layer2, layer3]"
FROZEN = {
    "layer3_none": ("layer3 frozen, no augmentation", ("augment.kind=none", LAYER3)),
    "layer3_random": ("layer3 frozen, random offsets", ("augment.kind=random", LAYER3)),
    "layer3": ("layer3 frozen, semantic augmentation", (LAYER3,)),
    "layer3_p_100": ("layer3 frozen, semantic augmentation, probability 1", (LAYER3, "augment.probability=1.0")),
    "layer3_random_p_100": (
        "layer3 frozen, random offsets, probability 1",
        ("augment.kind=random", LAYER3, "augment.probability=1.0"),
    ),
    "layer3_upper": ("layer3 frozen, upper bound", ("augment.kind=none", MIXED, LAYER3)),
}
"""The rows that ask what the augmentation is worth on the features that it was fitted to."""
SHORT_FIT = ("fit.offsets=channel", "fit.lr=0.1", "fit.steps=20")
"""Step one in seconds (docs/performance.md)."""
EXTRAS = {
    "bn_train_none": ("BatchNorm train, no augmentation", (LAYER3, "augment.kind=none", "batch_norm=train")),
    "bn_train": ("BatchNorm train, semantic augmentation", (LAYER3, "batch_norm=train")),
    "channel": ("offsets as one number a channel", (LAYER3, "fit.offsets=channel")),
    "refit": ("layer3 trained, one number a channel, again every 100 steps", (*SHORT_FIT, "augment.refit_every=100")),
    "other_weather": ("prompts that name no target (snow, cloudy, stormy)", (LAYER3, _prompts(*OTHER_WEATHER))),
    "only_fog": ("one prompt: fog day", (LAYER3, _prompts("an image taken on a fog day"))),
    "only_night": ("one prompt: clear night", (LAYER3, _prompts("an image taken on a clear night"))),
    "wrong": ("wrong prompts (a kitchen, ...)", (LAYER3, _prompts(*WRONG))),
    "deviation": ("mean and deviation", (LAYER3, "fit.offsets=deviation")),
    "the_four": ("four prompts: the targets", (LAYER3, _prompts(*(f"an image taken on a {n}" for n in THE_FOUR)))),
    "p_25": ("probability 0.25", (LAYER3, "augment.probability=0.25")),
}
"""Variants, layer3 frozen where nothing else is said: with layer3 trained there is no effect that could change."""
ROWS |= {name: Row(title, settings, FIVE, extra=True) for name, (title, settings) in FROZEN.items()}
ROWS |= {name: Row(title, settings, THREE, extra=True) for name, (title, settings) in EXTRAS.items()}
ROWS["dense"] = Row("roi: dense, semantic augmentation", ("detector.roi=dense",), FIVE, extra=True)
"""The price of the fastest setting (docs/performance.md)."""
OWN_BASE = ("bn_train_none", "bn_train", "refit")
"""Variants that are not compared with the rows of layer3 frozen."""
DIFFERENCES = (
    *(("paper", other) for other in ("attention", "random", "permuted", "clip_init")),
    *(("attention", "text"), ("text", "clip_init"), ("clip_init", "random_init")),
    *(("upper_bound", other) for other in ("attention", "clip_init")),
    *(("layer3", other) for other in ("layer3_none", "layer3_random")),
    *(("layer3_p_100", other) for other in ("layer3_none", "layer3_random_p_100")),
    ("layer3_upper", "layer3_none"),
    ("bn_train", "bn_train_none"),
    ("dense", "paper"),
    *(("refit", other) for other in ("attention", "paper")),
    *((name, other) for name in EXTRAS if name not in OWN_BASE for other in ("layer3_none", "layer3")),
)
GAPS = (
    *(("paper", start, "upper_bound") for start in ("attention", "clip_init")),
    *((name, "layer3_none", "layer3_upper") for name in ("layer3", "layer3_p_100", "deviation")),
)
