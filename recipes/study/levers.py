"""Development: every lever alone over the base, and the recipe with one thing more or less, on worlds for choosing."""

from __future__ import annotations

import json

from recipes.study.paper import LAYER3, MIXED, SHORT_FIT
from recipes.study.recipe import ALIGN, EVERY, LEARNED, SELECT, two_views
from recipes.study.rows import Row

from clipgap.config import DIVERSIFY

NONE = "augment.kind=none"
TEMPLATES = json.dumps(
    ["a photo of a {}", "a blurry photo of a {}", "a dark photo of a {}", "a {} in the street", "a {} in the rain"]
)
NECK = "detector.neck=simple_fpn"
ALONE = {
    **{kind: (NONE, f"diversify.kinds=[{kind}]") for kind in DIVERSIFY},
    "norm": ("augment.kind=norm",),
    "mixstyle": ("augment.kind=mixstyle",),
    "pin": ("augment.kind=pin",),
    "fitted": ("augment.kind=fitted",),
    "refit": (*SHORT_FIT, "augment.kind=fitted", "augment.refit_every=100"),
    "layer3_frozen": (NONE, LAYER3),
    "layer3_slow": (NONE, "tune.rates={layer3: 0.1}"),
    "warm_heads": (NONE, "tune.warm_heads=100"),
    "pull_back": (NONE, "tune.pull_back=0.01"),
    "low_rank": (NONE, "tune.low_rank=16"),
    "ema": (NONE, "average.over=ema"),
    "window": (NONE, "average={over: window, window_start: 450}"),
    "wise": (NONE, "average.tuned=0.75"),
    "templates": (NONE, f"data.prompts.class_template={TEMPLATES}"),
    "background_text": (NONE, "detector.background=text"),
    "background_learned": (NONE, LEARNED),
    "fusion": (NONE, "detector.fusion=0.35"),
    "twice": (NONE, "train.batch_size=8"),
    "neck": (NONE, NECK),
}
"""What each lever sets; the others are off."""
STACK = {
    "recipe": (NONE, EVERY),
    **{f"without_{kind}": (NONE, two_views(other for other in DIVERSIFY if other != kind)) for kind in DIVERSIFY},
    "one_view": (NONE, f"diversify={{kinds: [{', '.join(DIVERSIFY)}], probability: 0.5}}"),
    "recipe_align": (NONE, EVERY, ALIGN),
    "recipe_deep": (NONE, EVERY, LEARNED, "diversify.depth=2"),
    "recipe_ema": (NONE, EVERY, "average.over=ema"),
    "recipe_window": (NONE, EVERY, "average={over: window, window_start: 450}"),
    "recipe_norm": ("augment.kind=norm", EVERY),
    "recipe_pin": ("augment.kind=pin", EVERY),
    "recipe_fitted": ("augment.kind=fitted", EVERY),
    "recipe_neck": (NONE, EVERY, NECK),
    "recipe_background": (NONE, EVERY, LEARNED),
    "recipe_background_text": (NONE, EVERY, "detector.background=text"),
    "recipe_atrous": (NONE, EVERY, "detector.roi=atrous"),
    "recipe_bf16": (NONE, EVERY, "run.precision=bf16-mixed"),
    "recipe_128": (NONE, EVERY, "detector.box_batch_size_per_image=128"),
}
"""The recipe, less one of its kinds, and with one thing more."""
BOUNDS = {"attention": (NONE,), "upper_bound": (NONE, MIXED)}
LEVER_ROWS = {
    name: Row(name.replace("_", " "), (*settings, SELECT), (0, 1))
    for name, settings in (BOUNDS | ALONE | STACK).items()
}
DEVELOPMENT_WORLDS = (1002, 1003)
"""Any but those of the tests; these are where all else was chosen too."""
