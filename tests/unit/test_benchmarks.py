"""The bench: it takes turns, compares with the plain way, and its plain loops do what ours does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import __main__ as bench
from benchmarks import growth
from benchmarks.jobs import JOBS, Job
from benchmarks.memory import own_peak


def test_ways_take_turns_and_are_compared_with_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def way(name: str, result: float) -> float:
        calls.append(name)
        return result

    job = Job(
        "a job",
        {"plain": lambda: lambda: way("plain", 1.0), "exact": lambda: lambda: way("exact", 1.5)},
        lambda plain, ours: f"differ by {ours - plain}",
        rounds=2,
        bars={"exact": ">= 2 x"},
    )
    monkeypatch.setitem(JOBS, "fake", job)
    monkeypatch.setattr(bench, "peak", lambda name, way: 0.25)
    rows = bench.measure("fake", None)
    assert calls == ["plain", "exact", "plain", "exact"]
    assert [len(row["ratios"]) for row in rows] == [2, 2]
    assert rows[0]["ratios"] == [1.0, 1.0]
    assert (rows[0]["same"], rows[1]["same"]) == ("", "differ by 0.5")
    assert "| a job | exact |" in bench.table(rows)
    assert ">= 2 x | differ by 0.5 |" in bench.table(rows)


def test_a_job_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "nothing"])
    with pytest.raises(SystemExit):
        bench.main()
    assert "no job 'nothing'" in capsys.readouterr().err


def test_the_peak_is_of_a_fresh_process_not_of_its_parent() -> None:
    held = b"x" * (300 * 2**20)
    code = "from benchmarks.memory import own_peak; print(own_peak())"
    child = float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)
    assert 0 < child < 0.1 < len(held) / 2**30 < own_peak()


def test_growth_is_told_against_the_fewest_images() -> None:
    rows = [
        {"verb": "predict", "images": count, "seconds_per_image": seconds, "gigabytes": 0.5}
        for count, seconds in ((12, 0.1), (48, 0.11))
    ]
    assert growth.table(rows).splitlines()[-1] == "| predict | 48 | 110 | 1.10 | 0.50 | 1.00 |"


@pytest.mark.parametrize("verb", growth.VERBS)
def test_every_verb_that_grows_does_its_work(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "IMAGES", 2)
    monkeypatch.setattr(growth, "TIMES", (1,))
    growth.prepare(tmp_path)
    row = growth.measure(verb, 2, tmp_path)
    assert row["seconds_per_image"] > 0
    assert (tmp_path / "out").exists() is (verb != "evaluate")
