"""Real photographs: levers of images one by one, and the recipe, on a backbone that knows photographs but no words."""

from __future__ import annotations

from recipes.study.recipe import ALIGN, EVERY
from recipes.study.rows import FIVE, Row

from clipgap.config import DIVERSIFY
from clipgap.corruptions import STANDARD
from clipgap.diversify.corrupt import NAMED

PHOTOGRAPHS = {
    "attention": ("as it is", ()),
    **{kind: (f"diversify: {kind}", (f"diversify.kinds=[{kind}]",)) for kind in DIVERSIFY},
    "ema": ("average: ema", ("average.over=ema",)),
    "twice": ("8 images a step", ("train.batch_size=8",)),
    "recipe": ("recipe: robust", (EVERY,)),
    "align": ("recipe: robust, aligned", (EVERY, ALIGN)),
}
PHOTOGRAPH_ROWS = {name: Row(title, settings, FIVE) for name, (title, settings) in PHOTOGRAPHS.items()}
PHOTOGRAPH_DIFFERENCES = (
    *((name, "attention") for name in PHOTOGRAPHS if name != "attention"),
    *((name, "twice") for name in ("recipe", "align")),
)
"""The recipe sees twice as many images a step: `twice` tells what that alone is worth."""
LONG_PHOTOGRAPHS = ("train.steps=1000", "train.lr_steps=[800]")
"""Four times the brief schedule, as on the drawn world."""
LONG_PHOTOGRAPH_ROWS = {name: PHOTOGRAPH_ROWS[name] for name in ("attention", "recipe", "twice")}
LONG_PHOTOGRAPH_DIFFERENCES = (("recipe", "attention"), ("twice", "attention"), ("recipe", "twice"))
HELD_OUT = tuple(name for name in STANDARD if name not in NAMED)
"""Of the 15 standard corruptions those that no lever draws."""
