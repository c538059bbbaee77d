"""All studies by name: rows, what is compared with what, and on which worlds."""

from __future__ import annotations

from recipes.study.levers import DEVELOPMENT_WORLDS, LEVER_ROWS
from recipes.study.paper import DIFFERENCES, GAPS, ROWS
from recipes.study.photographs import (
    HELD_OUT,
    LONG_PHOTOGRAPH_DIFFERENCES,
    LONG_PHOTOGRAPH_ROWS,
    LONG_PHOTOGRAPHS,
    PHOTOGRAPH_DIFFERENCES,
    PHOTOGRAPH_ROWS,
)
from recipes.study.recipe import (
    LONG,
    LONG_ROWS,
    LONG_WORLDS,
    RECIPE_DIFFERENCES,
    RECIPE_GAPS,
    RECIPE_ROWS,
    SECOND,
    SECOND_ROWS,
    SECOND_WORLDS,
    TEST_WORLDS,
)
from recipes.study.rows import Study, compared_with

STUDIES = {
    # Test worlds: seeds drawn at random (secrets.randbelow) after world and schedule were frozen (docs/log_paper.md).
    "mini_world": Study(
        "mini_world",
        ROWS,
        DIFFERENCES,
        GAPS,
        worlds=(609551, 968249, 516515, 951553, 225236),
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
    ),
    "recipe_long": Study(
        "mini_world",
        LONG_ROWS,
        RECIPE_DIFFERENCES,
        RECIPE_GAPS,
        LONG,
        worlds=LONG_WORLDS,
    ),
    "second": Study(
        "recipes/second_world.yaml",
        SECOND_ROWS,
        *compared_with(SECOND_ROWS, "attention", "upper_bound"),
        SECOND,
        worlds=SECOND_WORLDS,
        world="second",
    ),
    "levers": Study(
        "mini_world",
        LEVER_ROWS,
        *compared_with(LEVER_ROWS, "attention", "upper_bound"),
        worlds=DEVELOPMENT_WORLDS,
        choosing=True,
    ),
    "photos_imagenet": Study(
        "recipes/photos_imagenet.yaml",
        PHOTOGRAPH_ROWS,
        PHOTOGRAPH_DIFFERENCES,
        (),
        corruptions=HELD_OUT,
        severities=(3,),
        sizes=True,
    ),
    "photos_long": Study(
        "recipes/photos_imagenet.yaml",
        LONG_PHOTOGRAPH_ROWS,
        LONG_PHOTOGRAPH_DIFFERENCES,
        (),
        LONG_PHOTOGRAPHS,
        corruptions=HELD_OUT,
        severities=(3,),
        sizes=True,
    ),
}
