"""The runner of the experiment: what it does not do again, what it pairs, and the intervals it prints."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from recipes.study import running
from recipes.study.printing import render
from recipes.study.rows import DIFFERENCES, GAPS, ROWS, STUDIES, TEST_WORLDS, Row, Study
from recipes.study.running import Task, read_results

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "recipes" / "results"
STUDY = Study("mini_world", ROWS, DIFFERENCES, GAPS, worlds=(31, 32, 33, 34, 35), scenes=2, held_out=1)


def result(row: str, seed: int, source: float, target: float) -> dict[str, Any]:
    domains = {"daytime_clear": {"ap50": source}, "daytime_foggy": {"ap50": target}}
    return {"row": row, "seed": seed, "domains": domains, "mean_targets": target}


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
    monkeypatch.setattr(running, "world_of", lambda out, seed, study, workers: Path(f"world_{seed}"))
    options = argparse.Namespace(
        study="mini_world", rows=["text", "paper"], seeds=None, worlds=None, set=["train.steps=1"], workers=1
    )
    tasks = list(running.missing(options, STUDY, tmp_path))
    assert [(task.row, task.seed) for task in tasks] == [
        (row, seed) for seed in range(5) for row in ("text", "paper") if seed in ROWS[row].seeds
    ]
    assert tasks[0].settings == ("train.steps=1", "data.root=world_31")
    (tmp_path / "paper_0.json").write_text(json.dumps(result("paper", 0, 1, 1)))
    again = list(running.missing(options, STUDY, tmp_path))
    assert [task for task in tasks if task not in again] == [tasks[1]]
    assert len(read_results(tmp_path)) == 1


def test_runs_that_would_fit_the_same_share_their_offsets(tmp_path: Path) -> None:
    def offsets(row: str, seed: int, *settings: str) -> str | None:
        return Task("mini_world", row, seed, ("data.root=w", *settings), tmp_path).config().augment.file

    assert offsets("paper", 0) == offsets("random", 0) == offsets("permuted", 0)
    assert offsets("paper", 0) != offsets("paper", 1)
    assert offsets("paper", 0) != offsets("paper", 0, "fit.steps=7")
    assert offsets("paper", 0) == offsets("paper", 0, "train.steps=7")
    tasks = [Task("mini_world", row, 0, ("data.root=w",), tmp_path) for row in ("text", "paper", "random")]
    assert [task.row for task in running.first_of_each_fit(tasks)] == ["paper"]


def test_the_gap_closed_is_gain_over_gap() -> None:
    results = [result(row, 0, 50, target) for row, target in (("attention", 20), ("paper", 23), ("upper_bound", 32))]
    assert "| 1, 1 | +3.0 of 12.0: 25% |" in render(results, STUDY)


@pytest.mark.parametrize("study", [name for name in STUDIES if (RESULTS / name).is_dir()])
def test_the_results_page_has_the_tables_of_the_stored_results(study: str) -> None:
    stored = read_results(RESULTS / study)
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    for table in render(stored, STUDIES[study]).split("\n\n"):
        assert table in page, f"docs/results.md is not what `python -m recipes.study {study} --print` says"
    assert all(str(one["command"]).startswith("python -m recipes.study") for one in stored)


@pytest.mark.parametrize("study", STUDIES)
def test_every_row_is_a_config(study: str, tmp_path: Path) -> None:
    for row in STUDIES[study].rows:
        config = Task(study, row, 0, (), tmp_path).config()
        assert isinstance(STUDIES[study].rows[row], Row)
        assert config.run.seed == 0


@pytest.mark.parametrize("study", STUDIES)
def test_every_seed_has_a_world_and_every_comparison_its_rows(study: str) -> None:
    one = STUDIES[study]
    if one.worlds:
        assert {seed for row in one.rows.values() for seed in row.seeds} <= set(range(len(one.worlds)))
        known = set(one.rows)
        assert all(known >= {*compared} for compared in (*one.differences, *one.gaps))


def test_the_test_worlds_of_the_recipe_are_new() -> None:
    used = {*STUDIES["mini_world"].worlds, *range(1000, 1011)}
    assert len(set(TEST_WORLDS)) == 8
    assert not used & set(TEST_WORLDS)
