"""The runner of the experiment: what it does not do again, what it pairs, and the intervals it prints."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recipes.study import __main__ as cli
from recipes.study import running
from recipes.study.paper import DIFFERENCES, GAPS, ROWS
from recipes.study.printing import render, report
from recipes.study.recipe import LONG_WORLDS, RECIPE_ROWS, SECOND_WORLDS, TEST_WORLDS
from recipes.study.results import read_results, rows_of
from recipes.study.rows import Row, Study
from recipes.study.studies import STUDIES
from recipes.study.task import Task

from clipgap.config import load_config
from clipgap.data import load_domains
from clipgap.engine.evaluate import evaluate_run
from clipgap.errors import ConfigError, DataError

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "recipes" / "results"
STUDY = Study("mini_world", ROWS, DIFFERENCES, GAPS, worlds=(31, 32, 33, 34, 35), scenes=2, held_out=1)


def result(row: str, seed: int, source: float, target: float) -> dict[str, Any]:
    domains = {"daytime_clear": {"ap50": source}, "daytime_foggy": {"ap50": target}}
    settings = list(ROWS[row].settings) if row in ROWS else []
    return {"row": row, "seed": seed, "settings": settings, "domains": domains, "mean_targets": target}


def task(row: str, seed: int, out: Path, *settings: str) -> Task:
    return Task("mini_world", row, seed, ("data.root=w", *settings), ROWS[row].settings, out)


def test_the_table_has_means_deviations_and_paired_intervals() -> None:
    results = [result("attention", seed, 50, 20 + seed) for seed in range(3)]
    results += [result("paper", seed, 50, 22 + seed + (seed == 2)) for seed in range(3)]
    text = render(results, STUDY)
    assert "| + attention pooling | 3 | 50.0 ± 0.0 | 21.0 ± 1.0 | 21.0 ± 1.0 |" in text
    # differences 2, 2, 3: mean 2.33, s = 0.577, t(0.975, 2) = 4.303 -> 1.434 either side
    assert "| 3 | +0.0 [+0.0, +0.0] | +2.3 [+0.9, +3.8] | +2.3 [+0.9, +3.8] |" in text
    assert "upper bound" not in text


def test_only_seeds_that_both_rows_have_are_paired() -> None:
    results = [result("attention", 0, 1, 1), result("paper", 1, 1, 1), result("paper", 2, 1, 1)]
    assert "paper) -" not in render(results, STUDY)
    assert render([], STUDY) == "no results"


def test_what_has_a_result_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "draw_world", lambda *_: None)
    options = argparse.Namespace(
        study="mini_world", rows=["text", "paper"], seeds=None, worlds=None, set=[], workers=1, keep=False
    )
    tasks = list(running.missing(options, STUDY, tmp_path))
    assert [(one.row, one.seed) for one in tasks] == [
        (row, seed) for seed in range(5) for row in ("text", "paper") if seed in ROWS[row].seeds
    ]
    assert tasks[0].settings == (f"data.root={tmp_path}/world_31",)
    moved = {"settings": ["data.root=elsewhere/world_31", *ROWS["paper"].settings]}
    (tmp_path / "paper_0.json").write_text(json.dumps(result("paper", 0, 1, 1) | moved))
    again = list(running.missing(options, STUDY, tmp_path))
    assert [one for one in tasks if one not in again] == [tasks[1]]
    assert len(read_results(tmp_path)) == 1
    options.seeds = [0]
    for change, said in (
        ({"set": ["train.steps=1"]}, r"paper_0\.json: there is a result of row paper with other settings"),
        ({"worlds": [36]}, r"paper_0\.json: there is a result of row paper .* or of another world"),
        ({"set": ["train.stepps=1"]}, "stepps"),
    ):
        with pytest.raises(ConfigError, match=said):
            list(running.missing(argparse.Namespace(**vars(options) | change), STUDY, tmp_path))


def test_what_a_study_sets_for_all_lies_under_the_command_lines_and_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "draw_world", lambda *_: None)
    study = replace(STUDY, settings=("train.steps=9", "train.batch_size=2", "augment.kind=random"))
    common = {"study": "mini_world", "rows": ["attention"], "seeds": [0], "worlds": None, "workers": 1, "keep": False}
    (one,) = running.missing(argparse.Namespace(**common, set=["train.batch_size=3"]), study, tmp_path)
    config = one.config()
    assert (config.train.steps, config.train.batch_size, config.augment.kind) == (9, 3, "none")


def announce_and_wait(task: object) -> None:
    print("begun", flush=True)
    time.sleep(600)


def test_workers_end_with_the_process_that_asks() -> None:
    """A worker holds the pipe as long as it lives: without its end nothing more could be read from it to the last."""
    code = "from tests.unit import test_study as t; t.running.in_processes(t.announce_and_wait, [0], 1)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        assert asking.stdout.readline() == "begun\n"
        asking.kill()
        assert asking.communicate(timeout=60)[0] == ""


def test_runs_that_would_fit_the_same_share_their_offsets(tmp_path: Path) -> None:
    def offsets(row: str, seed: int, *settings: str) -> str | None:
        return task(row, seed, tmp_path, *settings).config().augment.file

    assert offsets("paper", 0) == offsets("random", 0) == offsets("permuted", 0)
    assert offsets("paper", 0) != offsets("paper", 1)
    assert offsets("paper", 0) != offsets("paper", 0, "fit.steps=7")
    assert offsets("paper", 0) == offsets("paper", 0, "train.steps=7")
    tasks = [task(row, 0, tmp_path) for row in ("text", "paper", "random")]
    moved = Task("mini_world", "norm", 0, ("data.root=w",), ("augment.kind=norm",), tmp_path)  # needs no offsets
    assert [one.row for one in running.first_of_each_fit([moved, *tasks])] == ["paper"]


SHORT = (
    "image={short_side: 64, long_side: 128}",
    "train={steps: 1, lr_steps: [], batch_size: 1}",
    "clip.pretrained=random",
)


def test_a_detector_that_is_kept_is_scored_another_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {
        "plain": Row("plain", ("augment.kind=none",), (0,)),
        "few": Row("plain, of 1 proposal", ("evaluate.proposals=1",), (0,), of="plain"),
    }
    study = replace(STUDY, rows=rows, settings=SHORT, differences=(("few", "plain"),), gaps=())
    monkeypatch.setitem(STUDIES, "mini_world", study)

    def study_of(*words: str) -> None:
        out = str(tmp_path / "out")
        monkeypatch.setattr(
            sys, "argv", ["study", "mini_world", "--seeds", "0", "--workers", "1", "--out", out, *words]
        )
        monkeypatch.setattr(cli, "in_processes", lambda function, tasks, workers: [function(task) for task in tasks])
        cli.main()

    with pytest.raises(SystemExit, match="2"):
        study_of("--rows", "few")
    study_of("--rows", "few", "plain", "--keep")
    few, plain = read_results(tmp_path / "out")
    assert (few["row"], few["validation"], plain["row"]) == ("few", None, "plain")
    assert plain["validation"] is not None
    kept = tmp_path / "out" / "plain_0"
    assert [one.name for one in (tmp_path / "out").iterdir() if one.is_dir() and one.name != "world_31"] == [kept.name]
    again = evaluate_run(kept, load_config(kept / "run.yaml", ["evaluate.proposals=1"]), show=False).to_json()
    assert again["domains"] == few["domains"]


def test_the_gap_closed_is_gain_over_gap() -> None:
    results = [result(row, 0, 50, target) for row, target in (("attention", 20), ("paper", 23), ("upper_bound", 32))]
    assert "| 1 | +3.0 of 12.0: 25% |" in render(results, STUDY)


@pytest.mark.parametrize("study", [name for name in STUDIES if (RESULTS / name).is_dir()])
def test_a_results_page_has_the_tables_of_the_stored_results(study: str) -> None:
    stored = read_results(RESULTS / study)
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("results*.md"))
    for table in render(stored, STUDIES[study]).split("\n\n"):
        assert table in pages, f"no docs/results*.md has what `python -m recipes.study {study} --print` says"
    assert all(str(one["command"]).startswith("python -m recipes.study") for one in stored)


def test_the_row_of_the_recipe_is_the_recipe_that_ships(tmp_path: Path) -> None:
    settings = STUDIES["recipe"].rows["recipe_background"].settings
    row = Task("recipe", "recipe_background", 0, (), settings, tmp_path).config()
    shipped = load_config("mini_world", ["recipe=robust"])
    for section in ("augment", "diversify", "align", "detector", "train", "tune", "average"):
        one, other = (getattr(config, section).model_dump() for config in (row, shipped))
        assert one | {"file": None} == other | {"file": None}  # the study names a file of offsets for every row


@pytest.mark.parametrize("study", STUDIES)
def test_every_row_is_a_config(study: str, tmp_path: Path) -> None:
    for name, row in STUDIES[study].rows.items():
        assert Task(study, name, 0, (), row.settings, tmp_path).config().run.seed == 0


@pytest.mark.parametrize("study", STUDIES)
def test_every_seed_has_a_world_and_every_comparison_its_rows(study: str) -> None:
    one = STUDIES[study]
    if one.worlds:
        assert {seed for row in one.rows.values() for seed in row.seeds} <= set(range(len(one.worlds)))
        known = set(one.rows)
        assert all(known >= {*compared} for compared in (*one.differences, *one.gaps))


def test_the_test_worlds_of_the_recipe_are_new() -> None:
    used = {*STUDIES["mini_world"].worlds, *range(1000, 1011)}
    assert len({*TEST_WORLDS, *LONG_WORLDS}) == 16
    assert not used & {*TEST_WORLDS, *LONG_WORLDS}


def test_the_second_study_asks_the_recipes_rows_of_worlds_of_its_own_kind(tmp_path: Path) -> None:
    second = STUDIES["second"]
    assert all(row.settings == RECIPE_ROWS[name].settings for name, row in second.rows.items())
    others = {world for name, study in STUDIES.items() if name != "second" for world in study.worlds}
    assert len(set(SECOND_WORLDS) - others - set(range(1000, 1011))) == 5
    running.draw_world(tmp_path / "w", 3, replace(second, scenes=5, held_out=1), 1)
    domains = {target.name for target in load_config(second.config, [f"data.root={tmp_path}/w"]).data.targets}
    assert {folder.name for folder in (tmp_path / "w").iterdir()} == {"daytime_clear", "mixed", *domains}
    config = load_config(second.config, [f"data.root={tmp_path}/w", *second.rows["upper_bound"].settings])
    assert len(load_domains(config.data).source.train or ()) == 5
    same = ("clip", "image", "fit", "detector", "train")
    first = load_config("mini_world")
    assert all(getattr(config, name) == getattr(first, name) for name in same)


def options_of(monkeypatch: pytest.MonkeyPatch, *words: str) -> argparse.Namespace:
    monkeypatch.setattr("sys.argv", ["study", *words])
    return cli._options()


DEVELOPMENT = ("recipe", "--worlds", "1002", "1003", "--out", "dev")


def test_a_row_of_the_command_line_has_settings_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "draw_world", lambda *_: None)
    words = (*DEVELOPMENT, "--rows", "attention", "--row", "slow: train.lr=0.01 'evaluate.iou=0.6'", "--row", "plain:")
    options = options_of(monkeypatch, *words, "--set", "train.steps=7")
    study = STUDIES["recipe"].with_rows(options.row)
    tasks = list(running.missing(options, study, tmp_path))
    names = ("attention", "slow", "plain")
    assert [(one.row, one.seed) for one in tasks] == [(name, seed) for seed in range(2) for name in names]
    slow = tasks[1]
    assert (slow.settings, slow.own) == (
        ("train.steps=7", f"data.root={tmp_path}/world_1002"),
        ("train.lr=0.01", "evaluate.iou=0.6"),
    )
    assert (slow.config().train.lr, slow.config().train.steps, slow.config().evaluate.iou) == (0.01, 7, 0.6)
    assert (slow.scored().train.lr, slow.scored().evaluate.iou) == (0.02, 0.6)  # scoring: what trains stays out


def test_where_worlds_are_for_choosing_a_row_may_be_tried_on_the_studys_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(options_of(monkeypatch, "levers", "--out", "dev", "--row", "slow: train.lr=0.01").row) == ["slow"]


def test_results_of_such_rows_are_compared_with_the_base_without_being_named_again() -> None:
    results = [result(row, seed, 50, target) for seed in range(2) for row, target in (("attention", 20), ("slow", 22))]
    study = STUDIES["recipe"].with_rows(rows_of(results, STUDIES["recipe"]))
    text = render(results, study)
    assert "| slow | 2 | 50.0 ± 0.0 | 22.0 ± 0.0 | 22.0 ± 0.0 |" in text
    assert "| slow - + attention pooling | 2 | +0.0 [+0.0, +0.0] | +2.0 [+2.0, +2.0] |" in text


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((*DEVELOPMENT, "--row", "slow train.lr=1"), "is no row: write 'name: key=value"),
        ((*DEVELOPMENT, "--row", "../up: train.lr=1"), "is no row"),
        ((*DEVELOPMENT, "--row", "slow: train.lr"), "is no row"),
        ((*DEVELOPMENT, "--row", "slow: 'train.lr=1"), "No closing quotation"),
        ((*DEVELOPMENT, "--row", "attention: train.lr=1"), "there is such a row already"),
        ((*DEVELOPMENT, "--row", "a:", "--row", "a:"), "there is such a row already"),
        ((*DEVELOPMENT, "--rows", "nothing"), "there is no such row; there are attention, "),
        ((*DEVELOPMENT, "--seeds", "2"), "a world for each of the seeds 0 to 1 only"),
        (("recipe", "--out", "dev", "--row", "a:"), "--row is for developments"),
        (("recipe", "--worlds", str(TEST_WORLDS[3]), "--out", "dev", "--row", "a:"), "--row is for developments"),
        (("recipe", "--worlds", "1002", "--row", "a:"), "--row is for developments"),
        (("levers", "--row", "a:"), "--row is for developments"),
        (("recipe", "--workers", "0"), "--workers 0: at least 1"),
        (("photos", "--worlds", "3"), "--worlds: photos is on data that are given"),
        (("recipe", "--worlds", "-1"), "--worlds -1: a world's seed is 0 or more"),
        (("recipe", "--figure", "keep.txt"), "--figure keep.txt: it is drawn as SVG"),
    ],
)
def test_mistakes_at_the_command_line_end_in_one_line(
    words: tuple[str, ...], line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        options_of(monkeypatch, *words)
    assert line in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_not_cleared(tmp_path: Path) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    for folder, name in ((run, "run.yaml"), (other, "mine.txt")):
        folder.mkdir()
        (folder / name).touch()
    running._clear(run)
    assert not any(run.iterdir())
    with pytest.raises(DataError, match="not a run, and a run is to go there"):
        running._clear(other)
    assert (other / "mine.txt").is_file()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"row": "attention"}', "cut", '{"row": 1, "seed": 0, "domains": {}}']
)
def test_a_damaged_result_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "attention_0.json").write_text(text)
    with pytest.raises(DataError, match=r"attention_0\.json: damaged, or no result of a study; move it away"):
        read_results(tmp_path)


def test_the_report_ends_with_what_it_cost() -> None:
    spent = {"seconds": {"train": 100, "score": 50}, "machine": "a machine"}
    results = [result("attention", seed, 50, 20) | spent for seed in range(4)]
    assert report(results, STUDY).endswith("\n\n4 runs, 10 minutes of training and scoring in all; a machine.")
    assert report([], STUDY) == "no results"


def test_printing_is_of_the_rows_and_seeds_that_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["recipe", "--print", "--out", str(RESULTS / "recipe"), "--rows", "attention", "--seeds", "1"]
    monkeypatch.setattr(sys, "argv", ["study", *words])
    cli.main()
    said = capsys.readouterr().out
    assert "| + attention pooling | 1 |" in said
    assert "recipe: robust" not in said
