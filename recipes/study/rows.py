"""The rows of every study as data: what each sets, on which worlds it is run, and what is compared with what."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

THREE, FIVE, EIGHT = tuple(range(3)), tuple(range(5)), tuple(range(8))
SEEN = {"validation": "validation on the source", "robust_validation": "validation on the source, corrupted"}
"""What a user can see of a run without a target: keys of metrics.jsonl (the second with `evaluate.select: robust`)."""


@dataclass(frozen=True)
class Row:
    """One kind of training: its name in the table, what it sets, and for how many seeds."""

    title: str
    settings: tuple[str, ...]
    seeds: tuple[int, ...]
    extra: bool = False
    """Not in the main table; done after it."""


@dataclass(frozen=True)
class Study:
    """Rows on one kind of data, and what is compared with what."""

    config: str
    rows: dict[str, Row]
    differences: tuple[tuple[str, str], ...]
    """Rows that are compared, seed by seed."""
    gaps: tuple[tuple[str, str, str], ...]
    """Rows, where they start from, and how far one can get: how much of the way do they go?"""
    worlds: tuple[int, ...] = ()
    """A world for every seed, or none where the data are given."""
    scenes: int = 0
    held_out: int = 0
    world: str = "first"
    """The kind of its worlds (`clipgap world make --kind`)."""
    base: str = "attention"
    """The row that new ones and the bars of the figure are compared with."""
    upper: str = "upper_bound"
    """The row that saw the targets."""

    def with_rows(self, added: dict[str, Row]) -> Study:
        """This study with rows that are not in its table, each compared with its base."""
        differences, gaps = compared_with(added, self.base, self.upper)
        return replace(
            self,
            rows=self.rows | added,
            differences=(*self.differences, *differences),
            gaps=(*self.gaps, *gaps),
        )


def compared_with(
    rows: dict[str, Row], base: str, upper: str
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str, str], ...]]:
    """The differences of every row to a base, and how much of the way from there to the upper bound each goes."""
    differences = tuple((name, base) for name in rows if name != base)
    return differences, tuple((name, base, upper) for name, base in differences if name != upper)


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
SELECT = "evaluate.select=robust"
"""Every row is also scored on the source's corrupted validation images; with one validation that chooses nothing."""
EVERY = "diversify={kinds: [photometric, corruptions, random_conv, fourier, oa_mix], views: 2, probability: 1}"
"""The recipe: the packaged `robust`."""
RECIPE = {
    "attention": ("+ attention pooling", ("augment.kind=none",)),
    "recipe": ("recipe: robust", ("augment.kind=none", EVERY)),
    "upper_bound": ("upper bound: a fifth in each domain", ("augment.kind=none", MIXED)),
    "recipe_fitted": ("recipe and the paper's offsets", ("augment.kind=fitted", EVERY)),
    "recipe_random": ("recipe and random offsets of their size", ("augment.kind=random", EVERY)),
    "twice": ("+ attention pooling, 8 images a step", ("augment.kind=none", "train.batch_size=8")),
}
RECIPE_ROWS = {name: Row(title, (*settings, SELECT), EIGHT) for name, (title, settings) in RECIPE.items()}
RECIPE_DIFFERENCES = (
    *(("recipe", other) for other in ("attention", "twice")),
    *(("recipe_fitted", other) for other in ("recipe", "recipe_random")),
    *((name, "attention") for name in ("upper_bound", "twice", "recipe_fitted", "recipe_random")),
    ("recipe", "upper_bound"),
)
RECIPE_GAPS = tuple((name, "attention", "upper_bound") for name in ("recipe", "recipe_fitted", "recipe_random"))
TEST_WORLDS = (647968, 812216, 662235, 719609, 382760, 131155, 188702, 670639)
"""Drawn by `secrets.randbelow(1_000_000)` when the rows above were fixed; none was used before."""
SECOND_ROWS = {name: replace(RECIPE_ROWS[name], seeds=FIVE) for name in ("attention", "recipe", "upper_bound")}
SECOND_WORLDS = (974214, 995671, 148105, 441207, 212874)
"""Drawn once by `secrets.randbelow(1_000_000)` when the second world was there; nothing was trained on any before."""
STUDIES = {
    # The test worlds: seeds drawn at random (secrets.randbelow) after world and schedule were frozen (docs/log.md).
    "mini_world": Study(
        "mini_world",
        ROWS,
        DIFFERENCES,
        GAPS,
        worlds=(609551, 968249, 516515, 951553, 225236),
        scenes=1000,
        held_out=200,
    ),
    "photos": Study(
        "recipes/photos.yaml",
        {name: row for name, row in ROWS.items() if name != "upper_bound" and not row.extra},
        DIFFERENCES,
        GAPS,
    ),
    "recipe": Study(
        "mini_world",
        RECIPE_ROWS,
        RECIPE_DIFFERENCES,
        RECIPE_GAPS,
        worlds=TEST_WORLDS,
        scenes=1000,
        held_out=200,
    ),
    "second": Study(
        "recipes/second_world.yaml",
        SECOND_ROWS,
        *compared_with(SECOND_ROWS, "attention", "upper_bound"),
        worlds=SECOND_WORLDS,
        scenes=1000,
        held_out=200,
        world="second",
    ),
}
