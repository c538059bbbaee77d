"""Settings of levers that change nothing, because what they belong to is off: that must not pass silently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from clipgap.config.levers import OFFSETS
from clipgap.config.messages import shown
from clipgap.config.recipes import with_recipe
from clipgap.config.schema import RunConfig
from clipgap.config.section import TowerPart

Idle = Iterator[tuple[str, str]]
"""A setting, and why it has no effect with what to do about it."""


def without_effect(config: RunConfig) -> list[str]:
    """A line for every setting of a lever that is neither as it is by itself nor of the recipe, and has no effect."""
    usual, recipe = RunConfig(data=config.data), with_recipe({}, config.recipe)
    lines = []
    for key, why in (*_augment(config), *_diversify(config), *_tune(config), *_average(config), *_select(config)):
        value = _at(config, key)
        if value not in (_at(usual, key), _at(recipe, key)):
            lines.append(f"{key}={shown(value)} has no effect: {why}, or leave {key} out")
    return lines


def _augment(config: RunConfig) -> Idle:
    kinds = config.augment.kinds
    if not kinds:
        yield "augment.probability", "augment.kind is none: name one"
    if config.augment.offsets is None:
        yield "augment.file", f"no offsets are used ({_named(kinds)}): set augment.kind=fitted"
    if all(kind in OFFSETS for kind in kinds):
        yield "augment.layer", f"nothing acts there ({_named(kinds)}): name norm, mixstyle, pin or a class of your own"


def _diversify(config: RunConfig) -> Idle:
    if not config.diversify.kinds:
        for key in ("probability", "severity", "depth"):
            yield f"diversify.{key}", "diversify.kinds names none: name one"
    if not config.diversify.probability:
        yield "diversify.kinds", "diversify.probability is 0: set it above"


def _tune(config: RunConfig) -> Idle:
    if not config.tune.pull_back:
        yield "tune.pull_back_by", "tune.pull_back is 0: set it above"
    absent = {"attnpool"} if config.detector.pooling == "mean" else set()
    for part in absent:
        yield f"tune.rates.{part}", "detector.pooling is mean, which has no such part: set it to attention"
    if set(get_args(TowerPart)) <= {*config.detector.frozen, *absent}:
        for key in ("tune.warm_heads", "tune.pull_back", "tune.low_rank", "average.tuned"):
            yield key, "all of the tower is in detector.frozen: take a part out of it"


def _average(config: RunConfig) -> Idle:
    if config.average.over != "ema":
        yield "average.decay", f"average.over is {config.average.over}: set it to ema"
    if config.average.over != "window":
        yield "average.window_start", f"average.over is {config.average.over}: set it to window"
    if not config.average.on:
        yield "average.batch_norm_steps", "no weights are averaged: set average.over"
    elif config.batch_norm != "train":
        yield "average.batch_norm_steps", "batch_norm is frozen: set it to train"


def _select(config: RunConfig) -> Idle:
    if config.evaluate.select == "clean":
        for key in ("select_corruptions", "select_severity"):
            yield f"evaluate.{key}", "evaluate.select is clean: set it to robust"


def _named(kinds: tuple[str, ...]) -> str:
    return f"augment.kind is {', '.join(kinds) or 'none'}"


def _at(tree: BaseModel | Mapping[str, Any], key: str) -> Any:
    """The value of a setting; None where it is not there."""
    value: Any = tree
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return value
