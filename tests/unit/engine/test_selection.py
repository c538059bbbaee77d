"""Weights chosen on clean or on corrupted validation images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from clipgap.data import load_domains
from clipgap.engine.corrupted import CorruptedSamples
from clipgap.engine.evaluate import selection_note
from clipgap.engine.train import selection, train
from clipgap.engine.train.selection import validation_sets
from clipgap.errors import ConfigError, DataError
from clipgap.metrics import Result
from tests.runs import copy_without_run, make_trained, run_config

ROBUST = "evaluate={select: robust, select_corruptions: [snow, contrast], select_severity: 5}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trained(tmp_path_factory.mktemp("selection"))


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return copy_without_run(made, tmp_path / "job")


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]


def checkpoint(folder: Path) -> dict[str, Any]:
    return dict(torch.load(folder / "run/checkpoint.pt", weights_only=True))


def test_clean_selection_scores_and_keeps_what_it_always_did(made: Path) -> None:
    assert run_config(made).evaluate.select == "clean"
    judged = [line for line in lines(made) if "validation" in line]
    assert [list(line) for line in judged] == [["step", "validation", "per_class"]] * 2
    assert "best_clean" not in checkpoint(made)
    source = load_domains(run_config(made).data).source
    assert validation_sets(source, run_config(made)) == {"validation": source.selection}


def test_robust_selection_changes_nothing_but_the_choice(made: Path, folder: Path) -> None:
    result = train(run_config(folder, ROBUST), show=False)
    kept, clean = checkpoint(folder), checkpoint(made)
    for name, tensor in clean["detector"].items():
        assert torch.equal(tensor, kept["detector"][name])
    judged = [line for line in lines(folder) if "validation" in line]
    assert [line["validation"] for line in judged] == [
        line["validation"] for line in lines(made) if "validation" in line
    ]
    best = max(line["robust_validation"] for line in judged)
    step, beside = next((o["step"], o["validation"]) for o in reversed(judged) if o["robust_validation"] == best)
    assert (result.best, result.best_step) == (best, step)
    assert (kept["best"], kept["best_step"], kept["best_clean"]) == (best, step, beside)
    assert result.figure == "robust AP50 (voc2007, severity 5)"
    config = run_config(folder, ROBUST)
    said = (
        "weights chosen on day/val under corruption (severity 5: snow, contrast), which is also what day is scored on"
    )
    assert selection_note(config) == said


def test_the_best_under_corruption_is_kept_and_not_the_best_clean(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean, robust = iter([10.0, 90.0]), iter([40.0, 30.0])

    def score(_: object, images: object, *__: object) -> Result:
        return Result({"ap50": next(robust if isinstance(images, CorruptedSamples) else clean)}, {}, 1, 1)

    monkeypatch.setattr(selection, "score_images", score)
    result = train(run_config(folder, ROBUST), show=False)
    assert (result.best, result.best_step) == (40, 2)
    assert checkpoint(folder)["best_clean"] == 10


def test_corruptions_take_turns_over_the_images(made: Path) -> None:
    config = run_config(made, ROBUST, "data.source.val=train", "data.source.train=val")
    robust = validation_sets(load_domains(config.data).source, config)["robust_validation"]
    assert isinstance(robust, CorruptedSamples)
    assert robust.corruptions == [("snow", 5), ("contrast", 5)]
    assert len(robust) == 3


def test_without_a_validation_split_nothing_is_scored(made: Path) -> None:
    config = run_config(made, ROBUST, "data.source.val=null")
    assert validation_sets(load_domains(config.data).source, config) == {}
    assert selection_note(config) == "weights: of the last step"


def test_wrong_settings_are_one_line_each(made: Path) -> None:
    for setting, message in (
        ("evaluate.select_corruptions=[rain]", r"evaluate\.select_corruptions\.0: expected 'gaussian_noise'"),
        ("evaluate.select_corruptions=[]", r"evaluate\.select_corruptions"),
        ("evaluate.select_severity=6", r"evaluate\.select_severity"),
        ("evaluate.select=best", "expected 'clean' or 'robust', got 'best'"),
    ):
        with pytest.raises(ConfigError, match=message) as error:
            run_config(made, setting)
        assert len(str(error.value).splitlines()) == 1


def test_what_training_draws_does_not_choose(made: Path) -> None:
    config = run_config(made, ROBUST, "diversify.kinds=[corruptions]")
    with pytest.raises(
        ConfigError, match=r"select_corruptions: contrast: drawn in training too .* new are impulse_noise"
    ):
        validation_sets(load_domains(config.data).source, config)
    config = run_config(made, ROBUST, "diversify.kinds=[photometric]")
    assert len(validation_sets(load_domains(config.data).source, config)) == 2


def test_images_too_small_are_refused_before_anything_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipgap.engine.corrupted.LEAST_SIDE", 5000)
    with pytest.raises(DataError, match="corruptions need images of at least 5000"):
        train(run_config(folder, ROBUST), show=False)
    assert not (folder / "run").exists()
    train(run_config(folder), show=False)


def test_a_validation_split_with_nothing_to_find_gives_no_score(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in (folder / "data/daytime_clear/VOC2007/Annotations").glob("val_*.xml"):
        text = file.read_text()
        file.write_text(text[: text.index("<object>")] + "</annotation>")
    trained = train(run_config(folder, "augment.kind=none"))
    assert (trained.best, trained.best_step, trained.split) == (None, 4, None)
    assert "day has no box to find in its validation split: the last weights are kept" in capsys.readouterr().err
