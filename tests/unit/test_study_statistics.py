"""The study's statistics, on numbers computed by hand and beside scipy's."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from recipes.study.printing import report
from recipes.study.statistics import gap_closed, rank_correlation, ratio, spearman
from recipes.study.studies import STUDIES
from scipy import stats

from clipgap.metrics.paired import Interval, interval, spread


def run(row: str, seed: int, seen: float | None, target: float) -> dict[str, Any]:
    spent = {"seconds": {"train": 1, "score": 1}, "machine": "m"}
    return {"row": row, "seed": seed, "validation": seen, "mean_targets": target, "domains": {}, **spent}


def test_the_interval_is_students() -> None:
    # 1, 2, 3, 6: mean 3, s = sqrt(14 / 3) = 2.1602, t(0.975, 3) = 3.1824 -> 3.4374 either side
    found = interval([1, 2, 3, 6])
    assert (found.mean, found.count, found.sure) == (3, 4, False)
    assert (found.low, found.high) == pytest.approx((-0.4374, 6.4374), abs=1e-4)
    same = stats.ttest_1samp([1, 2, 3, 6], 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((same.low, same.high))
    assert interval([2, 3]).sure is False
    assert interval([2, 2.1]).sure is True
    assert interval([2]) == Interval(2, None, None, 1)
    assert interval([2]).sure is False


def test_spread_is_mean_and_deviation_of_a_sample() -> None:
    assert spread([1, 2, 3]) == "2.0 ± 1.0"
    assert spread([1]) == "1.0"


def test_the_gap_closed_is_of_the_seeds_that_have_all_three() -> None:
    results = [run("base", seed, None, 20) for seed in range(3)]
    results += [run("better", seed, None, 23) for seed in range(3)] + [run("upper", seed, None, 32) for seed in (1, 2)]
    closed = gap_closed(results, "better", "base", "upper")
    assert closed is not None
    assert (closed.gain, closed.gap, closed.of_gap) == (3, 12, Interval(0.25, 0.25, 0.25, 2))
    assert gap_closed(results, "better", "base", "nothing") is None


def test_the_interval_of_a_share_is_fiellers() -> None:
    gains, gaps = [10.0, 14.0, 9.0, 13.0, 11.0], [15.0, 16.0, 14.0, 17.0, 13.0]
    found = ratio(gains, gaps)
    assert found.mean == pytest.approx(57 / 75)
    for share in (found.low, found.high):  # at its ends a t-interval of gain - share gap just holds 0
        assert share is not None
        left = interval([gain - share * gap for gain, gap in zip(gains, gaps, strict=True)])
        assert left.low is not None
        assert left.high is not None
        assert min(abs(left.low), abs(left.high)) == pytest.approx(0, abs=1e-9)
    assert ratio([1.0, 2.0], [1.0, -1.5]).low is None  # the gap may be 0
    assert ratio([3.0], [12.0]) == Interval(0.25, None, None, 1)


def test_spearman_is_scipys_with_ties_too() -> None:
    # ranks 1 2 3 4 and 2 1 4 3: 1 - 6 * 4 / (4 * 15) = 0.6
    assert spearman([10, 20, 30, 40], [2, 1, 4, 3]) == pytest.approx(0.6)
    numbers = random.Random(0)
    for _ in range(50):
        first, second = ([numbers.randrange(6) for _ in range(9)] for _ in range(2))
        assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)
    assert math.isnan(spearman([1, 1, 1], [1, 2, 3]))


def test_ranks_are_of_one_seed_so_that_its_difficulty_cancels() -> None:
    # Inside both seeds the order is the same; between them it is the other way round.
    results = [run(f"r{i}", seed, i - 50 * seed, i + 50 * seed) for seed in range(2) for i in range(4)]
    found = rank_correlation(results, "validation")
    assert found is not None
    assert (found.mean, found.low, found.high, found.count) == (1, 1, 1, 8)
    # The second seed turned round: 0.6 and -1 are -0.2 on average.
    second = [run(f"r{i}", 1, -i, i) for i in range(4)]
    first = [run(f"r{i}", 0, i, target) for i, target in enumerate((2, 1, 4, 3))]
    found = rank_correlation([*first, *second], "validation")
    assert found is not None
    assert found.mean == pytest.approx(-0.2)
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low < -0.2 < found.high <= 1


def test_runs_without_it_are_left_out_and_seeds_with_few_do_not_count() -> None:
    results = [run(f"r{i}", 0, i, i) for i in range(3)] + [run("upper", 0, None, 9)]
    results += [run("r0", 1, 5, 1), run("r1", 1, 1, 5)]  # two runs: -1 by themselves
    found = rank_correlation(results, "validation")
    assert found is not None
    assert (found.mean, found.count) == (1, 5)
    assert rank_correlation(results, "robust_validation") is None
    assert rank_correlation(results[-2:], "validation") is None
    assert rank_correlation([], "validation") is None


def test_the_bootstrap_follows_from_its_seed_alone() -> None:
    numbers = random.Random(1)
    results = [run(f"r{i}", seed, numbers.random(), numbers.random()) for seed in range(3) for i in range(6)]
    found = rank_correlation(results, "validation")
    assert found == rank_correlation(list(reversed(results)), "validation", seed=0)
    assert found != rank_correlation(results, "validation", seed=1)


def test_the_report_says_what_a_user_could_have_chosen_by() -> None:
    results = [run(f"r{i}", 0, i, i) | {"robust_validation": -i} for i in range(3)]
    text = report(results, STUDIES["recipe"])
    assert "| validation on the source | +1.00 [" in text
    assert "| validation on the source, corrupted | -1.00 [" in text
