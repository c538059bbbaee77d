"""The recipe's rows: what it gains over the base, what is missing, and what the words add."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from recipes.study.paper import MIXED
from recipes.study.rows import EIGHT, FIVE, Row

from clipgap.config import DIVERSIFY

SELECT = "evaluate.select=robust"
"""Every row is also scored on the source's corrupted validation images; with one validation that chooses nothing."""


def two_views(kinds: Iterable[str]) -> str:
    """The setting that shows every image as it is and changed by one of these levers."""
    return f"diversify={{kinds: [{', '.join(kinds)}], views: 2, probability: 1}}"


EVERY = two_views(DIVERSIFY)
LEARNED = "detector.background=learned"
"""With `EVERY` the recipe: the packaged `robust`. Rows that were run before it have a constant background."""
ALIGN = "align={classes: 1, boxes: 1}"
"""As published; for two views."""
FAST = (
    "detector.roi=atrous",
    "detector.rpn_post_nms_top_n_test=300",
    "detector.box_batch_size_per_image=128",
    "run.precision=bf16-mixed",
)
"""Fast heads: layer4 once on the whole map, in bfloat16. 300 proposals and 128 regions are less than full size has
and more than the miniature world's settings, whose layer4 sees every region."""
LEAN = ("run.precision=bf16-mixed", "evaluate.precision=bf16-mixed", "evaluate.proposals=30")
"""layer4 on every region, in bfloat16, of three tenths of the miniature world's 100 proposals: as 300 are of 1000."""
RECIPE = {
    "attention": ("+ attention pooling", ("augment.kind=none",)),
    "recipe_background": ("recipe: robust", ("augment.kind=none", EVERY, LEARNED)),
    "upper_bound": ("upper bound: a fifth in each domain", ("augment.kind=none", MIXED)),
    "background": ("+ attention pooling, learned background", ("augment.kind=none", LEARNED)),
    "upper_background": ("upper bound, learned background", ("augment.kind=none", MIXED, LEARNED)),
    "recipe": ("recipe with a constant background", ("augment.kind=none", EVERY)),
    "recipe_fitted": ("constant background, and the paper's offsets", ("augment.kind=fitted", EVERY)),
    "recipe_random": ("constant background, and random offsets of their size", ("augment.kind=random", EVERY)),
    "twice": ("+ attention pooling, 8 images a step", ("augment.kind=none", "train.batch_size=8")),
    "recipe_atrous": ("constant background, with `roi: atrous`", ("augment.kind=none", EVERY, FAST[0])),
    "recipe_fast": ("constant background, with fast heads", ("augment.kind=none", EVERY, *FAST)),
    "recipe_lean": ("recipe in bfloat16, 30 proposals, not 100", ("augment.kind=none", EVERY, LEARNED, *LEAN)),
    "recipe_leaner": (
        "recipe in bfloat16, 30 proposals, 8 regions, not 32",
        ("augment.kind=none", EVERY, LEARNED, *LEAN, "detector.box_batch_size_per_image=8"),
    ),
}
FAMILIES = {"convnext": "tiny-convnext"}
"""Towers of other families that know the drawn world: do base and recipe hold on them?"""
RECIPE |= {
    f"{role}{family}": (f"{title}, {name}", (*RECIPE[row][1], f"clip.name={name}"))
    for family, name in FAMILIES.items()
    for role, title, row in (("", "+ attention pooling", "attention"), ("recipe_", "recipe", "recipe_background"))
}
DETECTED = {
    "bf16": ("in bfloat16", ("evaluate.precision=bf16-mixed",)),
    "thirty": ("from 30 proposals, not 100", ("evaluate.proposals=30",)),
    "half": ("in bfloat16 from 50 proposals", ("evaluate.precision=bf16-mixed", "evaluate.proposals=50")),
    "forty": ("in bfloat16 from 40 proposals", ("evaluate.precision=bf16-mixed", "evaluate.proposals=40")),
    "lean": ("in bfloat16 from 30 proposals", LEAN[1:]),
    "leaner": ("in bfloat16 from 15 proposals", ("evaluate.precision=bf16-mixed", "evaluate.proposals=15")),
}
"""Ways to detect with the very same weights: what speed costs, without the noise of another training."""
RECIPE_ROWS = {name: Row(title, (*settings, SELECT), EIGHT) for name, (title, settings) in RECIPE.items()} | {
    f"detected_{way}": Row(f"recipe, detected {title}", settings, EIGHT, extra=True, of="recipe_background")
    for way, (title, settings) in DETECTED.items()
}
FASTER = {
    "recipe_atrous": "recipe",
    "recipe_fast": "recipe",
    "recipe_lean": "recipe_background",
    "recipe_leaner": "recipe_background",
}
"""What each is the faster form of."""
RECIPE_DIFFERENCES = (
    *(("recipe_background", other) for other in ("attention", "upper_bound", "recipe")),
    *(("recipe_background", other) for other in ("background", "upper_background")),
    *((name, "attention") for name in ("background", "upper_background")),
    *(("recipe", other) for other in ("attention", "twice")),
    *(("recipe_fitted", other) for other in ("recipe", "recipe_random")),
    *((name, "attention") for name in ("upper_bound", "twice", "recipe_fitted", "recipe_random")),
    ("recipe", "upper_bound"),
    *((fast, other) for fast, slow in FASTER.items() for other in (slow, "attention")),
    *((f"detected_{way}", "recipe_background") for way in DETECTED),
    *((f"recipe_{family}", family) for family in FAMILIES),
)
GAPS = ("recipe_background", "recipe", "recipe_fitted", "recipe_random")
RECIPE_GAPS = (
    *((name, "attention", "upper_bound") for name in GAPS),
    ("recipe_background", "background", "upper_background"),
)
TEST_WORLDS = (647968, 812216, 662235, 719609, 382760, 131155, 188702, 670639)
"""Drawn by `secrets.randbelow(1_000_000)` when the first rows above were fixed; none was used before."""
LONG = ("train.steps=2400", "train.lr_steps=[1800]", "run.precision=bf16-mixed")
"""A schedule that has fitted clear day (docs/log.md); in bfloat16, which takes half of the time."""
LONG_ROWS = {
    name: replace(row, extra=name not in ("attention", "recipe_background", "upper_bound"))
    for name, row in RECIPE_ROWS.items()
}
LONG_WORLDS = (935100, 71436, 806468, 824038, 998437, 582343, 786497, 890699)
"""Drawn once by `secrets.randbelow(1_000_000)` when schedule and first rows were fixed; none was used before."""
SECOND_ROWS = {
    name: replace(RECIPE_ROWS[name], seeds=FIVE) for name in ("attention", "recipe_background", "upper_bound", "recipe")
}
SECOND = ("run.precision=bf16-mixed",)
"""The brief schedule, in bfloat16 for the sake of time."""
SECOND_WORLDS = (974214, 995671, 148105, 441207, 212874)
"""Drawn once by `secrets.randbelow(1_000_000)` when the second world was there; nothing was trained on any before."""
