"""`clipgap evaluate --corruptions` as a user meets it."""

from __future__ import annotations

import csv
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clipgap.cli.robustness import read_corruptions, read_severities
from clipgap.corruptions import STANDARD
from clipgap.engine import robustness
from clipgap.errors import ConfigError
from tests.command_line import run
from tests.integration.test_told_early import SCRIPT
from tests.runs import make_trained


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trained(tmp_path_factory.mktemp("corruptions"))


def test_a_table_in_all_forms(made: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["evaluate", made / "run", "--corruptions", "snow, jpeg_compression", "--severity", "1,3", "--workers", "0"]
    code, out, err = run(capfd, *words, "--json", "--csv", tmp_path / "t.csv", "--cache", tmp_path / "cache")
    assert code == 0, err
    table = json.loads(out)
    assert list(table["corruptions"]) == ["snow", "jpeg_compression"]
    assert list(table["corruptions"]["snow"]["severities"]) == ["1", "3"]
    assert {"mpc", "rpc", "clean", "seed"} < set(table)
    with (tmp_path / "t.csv").open() as file:
        rows = list(csv.reader(file))
    expected = [["clean", "0"], ["snow", "1"], ["snow", "3"], ["jpeg_compression", "1"], ["jpeg_compression", "3"]]
    assert [row[:2] for row in rows[1:]] == expected
    assert len(list((tmp_path / "cache").rglob("*.png"))) == 4
    code, out, _ = run(capfd, *words, "--cache", tmp_path / "cache")
    assert code == 0
    for part in ("severity 1", "jpeg_compression", "mPC", "rPC", "weights chosen on day/val"):
        assert part in out


def test_ctrl_c_names_the_command_that_goes_on(
    made: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score, scored = robustness.score_images, []

    def break_off(*arguments: Any) -> Any:
        if len(scored) == 1:
            raise KeyboardInterrupt
        scored.append(arguments)
        return score(*arguments)

    monkeypatch.setattr(robustness, "score_images", break_off)
    out_folder = tmp_path / "the results"
    code, _, err = run(capfd, "evaluate", made / "run", "--corruptions", "snow", "--severity", 2, "--out", out_folder)
    assert code == 130
    program, *words = shlex.split(err.splitlines()[-1].partition("; go on with: ")[2])
    assert (program, words[-1]) == ("clipgap", "--resume")
    monkeypatch.setattr(robustness, "score_images", score)
    code, out, _ = run(capfd, *words, "--json")
    assert code == 0
    assert list(json.loads(out)["corruptions"]["snow"]["severities"]) == ["2"]
    assert len((out_folder / "corruptions.jsonl").read_text().splitlines()) == 2
    code, _, err = run(capfd, *words[:-1])
    assert (code, "is there already; choose another --out (--resume goes on with results)" in err) == (2, True)


MISTAKES = (
    (
        ["--corruptions", "snwo"],
        "--corruptions 'snwo': no such corruption (did you mean snow? there are: all, gaussian",
    ),
    (["--corruptions", ""], "--corruptions '': no such corruption"),
    (["--corruptions", "all", "--severity", "0"], "--severity '0': expected 1 to 5, for example 3, 1,3,5 or 1-5"),
    (["--corruptions", "all", "--severity", "4-2"], "--severity '4-2': expected 1 to 5"),
    (["--severity", "3"], "--severity goes with --corruptions: give it, or leave --severity out"),
    (["--cache", "x"], "--cache goes with --corruptions"),
    (["--resume"], "run/detections: not there, so nothing was detected; leave --resume out"),
    (["--verify"], "run/detections: not there, so nothing was detected; leave --verify out"),
    (["--verify", "--resume"], "--verify detects nothing: leave it or --resume out"),
    (["--corruptions", "snow", "--verify"], "--verify makes the table of the domains again"),
    (["--corruptions", "snow", "--resume"], "--resume goes on with the results in --out: give --out"),
    (["--corruptions", "snow", "--resume", "--out", "nowhere"], "nowhere: no results to go on with"),
    (["--corruptions", "snow", "--out", "DATA/results"], "inside"),
)


@pytest.mark.parametrize(
    ("words", "said"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_mistakes_are_one_line(
    made: Path, capfd: pytest.CaptureFixture[str], words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    data = str(made / "data/daytime_clear/VOC2007")
    code, out, err = run(capfd, "evaluate", made / "run", *(word.replace("DATA", data) for word in words))
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert said in err


def test_mistakes_are_told_before_torch_is_loaded(made: Path) -> None:
    words = ["evaluate", str(made / "run"), "--corruptions", "snwo"]
    done = subprocess.run([sys.executable, "-c", SCRIPT, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, "did you mean snow?" in done.stderr) == (2, True), done.stderr


def test_names_and_severities_are_read() -> None:
    assert read_corruptions("all") == STANDARD
    assert read_corruptions("snow, saturate,snow") == ("snow", "saturate")
    assert read_corruptions("spatter,all") == ("spatter", *STANDARD)
    assert read_severities(None) == (1, 2, 3, 4, 5)
    assert read_severities("5, 1-2") == (1, 2, 5)
    with pytest.raises(ConfigError):
        read_severities("")
