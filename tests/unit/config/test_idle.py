"""Settings of levers that change nothing are told; what ships with the package sets none."""

from __future__ import annotations

from pathlib import Path

import pytest
from recipes.study.studies import STUDIES

from clipgap.config import load_config, preset_names, without_effect

RECIPES = Path(__file__).parents[3] / "recipes"
ALL = "detector.frozen=[stem, layer1, layer2, layer3, layer4, attnpool]"


@pytest.mark.parametrize(
    ("settings", "key", "why"),
    [
        (["augment.kind=none", "augment.probability=0.2"], "augment.probability=0.2", "augment.kind is none"),
        (["recipe=robust", "augment.file=a"], "augment.file=", "set augment.kind=fitted"),
        (["augment.layer=stem"], "augment.layer='stem'", "nothing acts there (augment.kind is fitted)"),
        (["diversify.probability=0.3"], "diversify.probability=0.3", "diversify.kinds names none"),
        (["diversify.severity=2"], "diversify.severity=2.0", "diversify.kinds names none"),
        (["diversify={kinds: [fourier], probability: 0}"], "diversify.kinds=['fourier']", "diversify.probability is 0"),
        (["tune.pull_back_by=filter"], "tune.pull_back_by='filter'", "tune.pull_back is 0"),
        ([ALL, "tune.low_rank=4"], "tune.low_rank=4", "all of the tower is in detector.frozen"),
        (
            ["detector.pooling=mean", "tune.rates={attnpool: 0.1}"],
            "tune.rates.attnpool=0.1",
            "detector.pooling is mean",
        ),
        (["average.decay=0.5"], "average.decay=0.5", "average.over is none: set it to ema"),
        (["average={over: ema, window_start: 9}"], "average.window_start=9", "average.over is ema: set it to window"),
        (["average={over: ema, batch_norm_steps: 9}"], "average.batch_norm_steps=9", "batch_norm is frozen"),
        (["evaluate.select_severity=1"], "evaluate.select_severity=1", "evaluate.select is clean"),
    ],
)
def test_a_setting_without_effect_is_told_with_the_reason_and_the_fix(settings: list[str], key: str, why: str) -> None:
    (line,) = without_effect(load_config("mini_world", settings))
    assert line.startswith(key)
    assert f"has no effect: {why}" in line or why in line
    assert line.endswith(f", or leave {key.partition('=')[0]} out")


@pytest.mark.parametrize(
    "settings",
    [
        ["augment={kind: norm, layer: stem, probability: 0.2}"],
        ["diversify={kinds: [fourier], probability: 0.3, severity: 2}"],
        ["tune={pull_back: 0.1, pull_back_by: filter, rates: {attnpool: 0.1}}"],
        ["average={over: ema, decay: 0.5, batch_norm_steps: 9}", "batch_norm=train"],
        ["average={over: window, window_start: 9}"],
        ["evaluate={select: robust, select_severity: 1}"],
        ["recipe=robust", "diversify={kinds: [], views: 1}"],  # its probability is the recipe's
    ],
)
def test_of_settings_that_have_one_nothing_is_said(settings: list[str]) -> None:
    assert without_effect(load_config("mini_world", settings)) == []


@pytest.mark.parametrize("source", [*preset_names(), *map(str, sorted(RECIPES.glob("*.yaml")))])
@pytest.mark.parametrize("recipe", ["null", "robust", "paper"])
def test_nothing_is_said_of_what_ships(source: str, recipe: str) -> None:
    assert without_effect(load_config(source, [f"recipe={recipe}"])) == []


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_nothing_is_said_of_the_studies_rows(study: object) -> None:
    for row in study.rows.values():  # type: ignore[attr-defined]
        assert without_effect(load_config(study.config, [*study.settings, *row.settings])) == []  # type: ignore[attr-defined]
