"""Runs side by side: who belongs together, what is paired, and what is said where nothing is proven."""

from __future__ import annotations

import csv
import io
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from clipgap.config import MEAN, ImageConfig, RunConfig, load_config
from clipgap.engine.kept import Kept
from clipgap.errors import ConfigError
from clipgap.metrics import DomainScore, Result, ScoreTable
from clipgap.metrics.paired import Interval, interval
from clipgap.report.comparison import Comparison, figure, paired
from clipgap.report.comparison_table import render, write_csv
from clipgap.report.evidence import runs_to_look_at
from clipgap.report.series import Scored, Series, _require_comparable, series_of

RECIPE = "recipe=robust"


def table(day: float, fog: float | None, night: float, metric: str = "voc2007") -> ScoreTable:
    def result(value: float | None) -> Result:
        return Result({"ap50": value}, {"bus": value, "car": value and value / 2}, 3, 9)

    domains = [DomainScore("day", "source", result(day), metric)]
    domains += [DomainScore(name, "target", result(value), metric) for name, value in (("fog", fog), ("night", night))]
    return ScoreTable(metric, 0.5, domains, "a detector")


def config(*settings: str, seed: int = 0) -> RunConfig:
    return load_config("mini_world", [f"run.seed={seed}", f"run.out=runs/{seed}", f"augment.file=a{seed}", *settings])


def run(name: str, made: RunConfig | None, *figures: float | None) -> Scored:
    day, fog, night = figures or (10.0, 10.0, 10.0)
    assert day is not None
    assert night is not None
    kept = Kept(Path(name), name, "cpu")
    return Scored(Path(name), made, table(day, fog, night), config(), ImageConfig(), kept, {"day": "these"})


def letters(scored: list[Scored]) -> dict[str, list[str]]:
    return {one.letter: [str(run.path) for run in one.runs] for one in series_of(scored)}


def test_seeds_of_one_setting_are_together() -> None:
    found = letters(
        [
            run("b1", config(seed=1)),
            run("r1", config(RECIPE, seed=1)),
            run("b0", config(seed=0)),
            run("imported", None),
            run("r0", config(RECIPE, "run.workers=7", "train.log_every=3", seed=0)),
            run("another", None),
        ]
    )
    assert found == {"A": ["b0", "b1"], "B": ["r0", "r1"], "C": ["imported"], "D": ["another"]}


def test_a_world_a_seed_is_one_setting_and_two_of_one_seed_are_not() -> None:
    one, two = config("data.root=w0"), config("data.root=w1", seed=1)
    assert letters([run("a", one), run("b", two)]) == {"A": ["a", "b"]}
    elsewhere = config("data.root=w1")
    found = series_of([run("a", one), run("b", elsewhere)])
    assert [one.letter for one in found] == ["A", "B"]
    assert Comparison(found).settings == {"data.root": [one.data.root, elsewhere.data.root]}
    with pytest.raises(ConfigError, match="b: has the settings and the seed of a: leave one of them out"):
        series_of([run("a", one), run("b", one)])


def test_the_order_in_which_they_are_named_does_not_matter() -> None:
    made = {f"{seed}{root}": config(f"data.root={root}", seed=seed) for seed in (0, 1) for root in ("x", "y")}
    for order in itertools.permutations(made):
        groups = {frozenset(names) for names in letters([run(name, made[name]) for name in order]).values()}
        assert groups == {frozenset({"0x", "1x"}), frozenset({"0y", "1y"})}
    both = series_of([run(name, made[name]) for name in ("0x", "1x", "0y", "1y")])
    assert [Path(str(root)).name for root in Comparison(both).settings["data.root"]] == ["x", "y"]
    with pytest.raises(ConfigError, match="twin: has the settings and the seed of 1x"):
        series_of([run("0x", made["0x"]), run("0y", made["0y"]), run("1x", made["1x"]), run("twin", made["1x"])])


def test_offsets_are_of_a_seed_and_processes_of_a_setting() -> None:
    found = letters([run("a", config("augment.file=one")), run("b", config("augment.file=two"))])
    assert found == {"A": ["a"], "B": ["b"]}
    found = letters([run("a", config()), run("b", config("run.devices=2", seed=1))])
    assert found == {"A": ["a"], "B": ["b"]}


def test_other_images_are_told() -> None:
    one, other = run("b", config(), 50, 20, 30), run("r", config(RECIPE), 49, 30, 31)
    assert not any("other images" in line for line in Comparison(series_of([one, other])).caveats())
    apart = Comparison(series_of([one, replace(other, images={"day": "others"})]))
    assert apart.caveats()[0] == "B: scored on other images than A: differences are of the images too"


def test_runs_to_look_at_are_of_one_seed() -> None:
    runs = [run("b0", config()), run("b1", config(seed=1)), run("r1", config(RECIPE, seed=1))]
    assert [one.path.name for one in runs_to_look_at(series_of(runs))] == ["b1", "r1"]
    runs = [run("b0", config()), run("r1", config(RECIPE, seed=1))]
    assert [one.path.name for one in runs_to_look_at(series_of(runs))] == ["b0", "r1"]


def test_more_series_than_letters() -> None:
    many = series_of([run(str(number), None) for number in range(28)])
    assert [one.letter for one in many][24:] == ["Y", "Z", "A1", "B1"]


def compared() -> Comparison:
    base = [(50.0, 20.0, 30.0), (52.0, 22.0, 28.0), (54.0, 18.0, 29.0)]
    recipe = [(48.0, 30.0, 41.0), (49.0, 31.0, 38.0), (51.0, 30.0, 38.0)]
    runs = [run(f"b{seed}", config(seed=seed), *base[seed]) for seed in range(3)]
    runs += [run(f"r{seed}", config(RECIPE, seed=seed), *recipe[seed]) for seed in (2, 0, 1)]
    return Comparison(series_of(runs))


def test_differences_are_paired_by_seed() -> None:
    both = compared()
    assert both.difference(both.series[1], ("fog", None)) == interval([10.0, 9.0, 12.0])
    assert both.difference(both.series[1], ("fog", "car")) == interval([5.0, 4.5, 6.0])
    assert both.difference(both.series[1], (MEAN, None)) == interval([10.5, 9.5, 10.5])
    assert both.values(both.series[0], (MEAN, None)) == [25.0, 25.0, 23.5]
    assert both.caveats() == ["few seeds (pairs: B 3): at least 5 are needed to rely on an interval"]
    assert both.settings["recipe"] == [None, "robust"]
    assert not {"run.seed", "run.out", "augment.file"} & set(both.settings)


def test_one_seed_shows_nothing_and_seeds_apart_are_not_paired() -> None:
    one = Comparison(series_of([run("b", config(), 50, 20, 30), run("r", config(RECIPE), 49, 30, 31)]))
    assert one.difference(one.series[1], ("fog", None)) == Interval(10.0, None, None, 1)
    assert one.caveats() == ["B: one seed: a difference may be chance; nothing is proven"]
    apart = Comparison(series_of([run("b", config(), 50, 20, 30), run("r", config(RECIPE, seed=1), 49, 30, 31)]))
    assert apart.difference(apart.series[1], ("fog", None)) == Interval(10.0, None, None, 0)
    assert "B: no seed in common with A: nothing is paired, and nothing is proven" in apart.caveats()
    unknown = Comparison(series_of([run("i", None), run("j", None)]))
    assert paired(unknown.series[0].runs, unknown.series[1].runs) == []
    assert unknown.settings == {}


def test_a_domain_without_boxes_has_no_difference() -> None:
    both = Comparison(series_of([run("b", config(), 50, None, 30), run("r", config(RECIPE), 49, None, 31)]))
    assert both.difference(both.series[1], ("fog", None)) is None
    assert figure(both.table, (MEAN, None)) == 30
    shown = text(both)
    assert "mean of 1 of 2 targets" in shown
    assert shown.splitlines()[next(i for i, line in enumerate(shown.splitlines()) if "fog" in line)].split()[1:] == [
        "-",
        "-",
        "-",
    ]


def text(both: Comparison) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(render(both))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_what_is_shown() -> None:
    shown = text(compared())
    for part in (
        "A  b0, b1, b2  (seeds 0, 1, 2)",
        "52.0 ± 2.0",
        "+10.3 [+6.5, +14.1]",
        "B - A by class",
        "+10.3*",
        "recipe: A - | B robust",
        "few seeds",
    ):
        assert part in shown


def test_csv_and_json_say_the_same(tmp_path: Path) -> None:
    both = compared()
    write_csv(both, tmp_path / "c.csv")
    with (tmp_path / "c.csv").open() as file:
        rows = list(csv.DictReader(file))
    fog = next(row for row in rows if (row["series"], row["domain"], row["class"]) == ("B", "fog", ""))
    told = both.to_json()["series"][1]["domains"]["fog"]
    assert float(fog["difference"]) == told["difference"]["mean"] == pytest.approx(31 / 3)
    assert (fog["runs"], fog["pairs"], float(fog["low"])) == ("3", "3", told["difference"]["low"])
    assert len(rows) == 2 * (3 * 3 + 1)
    assert [one["seed"] for one in both.to_json()["series"][0]["runs"]] == [0, 1, 2]
    assert "difference" not in both.to_json()["series"][0]["domains"]["fog"]


def test_tables_of_other_rules_are_refused() -> None:
    one = run("a", None)
    other = replace(run("b", None), table=table(1, 2, 3, "voc2012"))
    with pytest.raises(
        ConfigError, match=r"b: its rule is voc2012, IoU 0\.5, that of a is voc2007, IoU 0\.5: give --config"
    ):
        _require_comparable(one, other)
    assert Series("A", [one]).name == "a"
