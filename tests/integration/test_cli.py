"""The command line as a user meets it: the whole job, what lands on stdout, and every kind of mistake."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clipgap.cli.main import main
from clipgap.config import DIVERSIFY, RunConfig, load_config
from clipgap.detector import Detector
from clipgap.engine.train import train
from clipgap.export import export_onnx
from tests import command_line
from tests.runs import SMALL_RUN, make_run

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process: exit code, stdout, stderr."""
    return partial(command_line.run, capfd)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("cli"))


@pytest.fixture(scope="module")
def trained(made: Path) -> Path:
    for arguments in (
        ["fit", "--config", f"{made}/config.yaml", "--out", f"{made}/aug.safetensors"],
        ["train", "--config", f"{made}/config.yaml"],
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert not ended.value.code
    return made


def test_the_whole_job(trained: Path, run: Run, tmp_path: Path) -> None:
    code, out, _ = run("evaluate", trained / "run", "--json", "--csv", tmp_path / "table.csv")
    table = json.loads(out)
    assert code == 0
    assert (table["metric"], table["iou"], table["source"]) == ("voc2007", 0.5, "day")
    assert list(table["domains"]) == ["day", "fog", "night"]
    assert set(table["domains"]["fog"]) == {"ap50", "per_class", "images", "boxes"}
    targets = [table["domains"][name]["ap50"] for name in ("fog", "night")]
    assert table["mean_targets"] == pytest.approx(sum(targets) / 2)
    with (tmp_path / "table.csv").open() as file:
        assert [row[0] for row in csv.reader(file)] == ["domain", "day", "fog", "night", "mean of targets"]

    code, out, _ = run("evaluate", trained / "run", "--config", trained / "config.yaml")
    assert code == 0
    assert "CLIP tiny, weights: clip.pt" in out
    assert "mean of targets" in out

    code, out, _ = run(
        "predict",
        trained / "run",
        trained / "data/daytime_foggy/VOC2007/JPEGImages",
        "--out",
        tmp_path / "out",
        "--json",
    )
    assert code == 0
    assert json.loads(out)["images"] == 4
    assert len(list((tmp_path / "out" / "drawn").iterdir())) == 4


def test_an_exported_run_predicts_the_same(trained: Path, run: Run, tmp_path: Path) -> None:
    code, out, _ = run("export", trained / "run", "--out", tmp_path / "onnx", "--proposals", "20", "--json")
    told = json.loads(out)
    assert (code, told["opset"] >= 18, told["difference"] < 0.01) == (0, True, True)
    assert told["files"]["detector.onnx"]["images"] == "float32 (images, 3, height, width)"
    assert sorted(path.name for path in (tmp_path / "onnx").iterdir()) == ["detector.json", "detector.onnx"]
    pictures = trained / "data/daytime_foggy/VOC2007/JPEGImages"
    for detector, name in ((trained / "run", "torch"), (tmp_path / "onnx", "ort")):
        assert run("predict", detector, pictures, "--out", tmp_path / name, "--proposals", "20")[0] == 0
    found, ours = (json.loads((tmp_path / name / "detections.json").read_text()) for name in ("torch", "ort"))
    assert abs(len(found) - len(ours)) <= 0.05 * len(found)
    code, out, _ = run("evaluate", tmp_path / "onnx", "--config", trained / "config.yaml")
    assert (code, "weights: clip.pt" in out, "exported to ONNX" in out) == (0, True, True)
    code, _, err = run("evaluate", tmp_path / "onnx")
    assert (code, "onnx: has no run.yaml to say what to score; give --config" in err) == (2, True)


@pytest.mark.slow
def test_a_run_is_exported_in_8_bits(trained: Path, run: Run, tmp_path: Path) -> None:
    pictures = trained / "data/daytime_foggy/VOC2007/JPEGImages"
    code, out, _ = run(
        "export", trained / "run", "--out", tmp_path / "int8", "--precision", "int8", "--calibrate", pictures
    )
    assert (code, "int8/detector.onnx: ONNX opset" in out, "  scores     float32 (images, " in out) == (0, True, True)
    code, out, _ = run("evaluate", tmp_path / "int8", "--config", trained / "config.yaml")
    assert (code, "exported to ONNX in int8" in out) == (0, True)


@pytest.mark.parametrize("setting", ["detector.rpn_post_nms_top_n_test=9", "image.short_side=64", "recipe=robust"])
def test_what_a_trained_detector_has_of_its_own_is_not_changed_by_evaluate(
    trained: Path, run: Run, setting: str
) -> None:
    code, _, err = run("evaluate", trained / "run", "--set", setting)
    key = setting.partition("=")[0]
    assert code == 2
    assert f"--set {key}: has no effect on scores" in err
    assert "run/config.yaml; settings of data, evaluate, run count here" in err


def test_predict_goes_on_and_draws_what_is_true(
    trained: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict_one, seen = Detector.predict, []

    def break_off(self: Detector, picture: Any) -> Any:
        seen.append(picture)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return predict_one(self, picture)

    monkeypatch.setattr(Detector, "predict", break_off)
    pictures = trained / "data/daytime_foggy/VOC2007/JPEGImages/*.jpg"
    command = ("predict", trained / "run", pictures, "--truth", trained / "config.yaml", "--out", tmp_path / "out")
    code, _, err = run(*command)
    assert (code, f"2 of 4 images done, in {tmp_path / 'out'}" in err) == (130, True)
    code, out, err = run(*command, "--resume")
    assert code == 0
    assert len(seen) == 5
    assert "true boxes known of 4 of 4 images" in out
    assert f"next: clipgap evaluate {trained / 'run'}" in out
    code, out, _ = run(*command, "--resume", "--json")
    assert (code, json.loads(out)["with_truth"], len(seen)) == (0, 4, 5)
    code, _, err = run(*command[:-1], tmp_path / "bf16", "--precision", "bf16-mixed")
    assert code == 0
    code, _, err = run(*command[:-1], tmp_path / "bf16", "--resume")
    assert (code, "--resume: detector is " in err) == (2, True)
    assert run(*command[:-1], tmp_path / "few", "--proposals", "1")[0] == 0
    few, all_of_them = (json.loads((tmp_path / out / "detections.json").read_text()) for out in ("few", "out"))
    assert len(few) < len(all_of_them)
    code, _, err = run(*command[:-1], tmp_path / "few", "--resume")
    assert (code, "--resume: detector is " in err) == (2, True)
    (tmp_path / "film.mp4").write_bytes(b"none")
    code, _, err = run("predict", trained / "run", tmp_path / "film.mp4", "--out", tmp_path / "film")
    assert (code, "film.mp4: not a video that OpenCV reads" in err) == (2, True)
    assert not (tmp_path / "film").exists()


def test_results_are_on_stdout_and_the_log_on_stderr(made: Path, run: Run, tmp_path: Path) -> None:
    code, out, err = run(
        "fit", "--config", made / "config.yaml", "--out", tmp_path / "a.safetensors", "--json", "--seed", 3
    )
    assert code == 0
    assert json.loads(out)["seed"] == 3
    assert "direction" in err


def test_data_check_tells_every_fault_and_counts(made: Path, run: Run, tmp_path: Path) -> None:
    code, out, _ = run("data", "check", "--config", made / "config.yaml", "--json")
    assert code == 0
    report = json.loads(out)
    assert [split["images"] for split in report["splits"]] == [3, 1, 4, 4]
    broken = make_run(tmp_path / "broken")
    xml = broken / "data/daytime_foggy/VOC2007/Annotations/train_00001.xml"
    xml.write_text(xml.read_text().replace("</size>", "</size><object><name>car</name></object>", 1))
    (broken / "data/night_sunny/VOC2007/JPEGImages/train_00000.jpg").write_bytes(b"")
    code, out, _ = run("data", "check", "--config", broken / "config.yaml")
    assert code == 2
    assert "train_00001.xml, object 1" in out
    assert "train_00000.jpg" in out


def test_data_convert_writes_a_new_data_set(made: Path, run: Run, tmp_path: Path) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in (made / "data").rglob("*"))
    common = (
        "data",
        "convert",
        "--config",
        made / "config.yaml",
        "--domain",
        "fog",
        "--split",
        "train",
        "--to",
        "coco",
    )
    assert run(*common, "--out", tmp_path / "coco")[0] == 0
    assert list((tmp_path / "coco").rglob("*.json"))
    assert sorted((p, p.stat().st_mtime_ns) for p in (made / "data").rglob("*")) == before
    code, _, err = run(*common, "--out", tmp_path / "coco")
    assert code == 2
    assert err.count("\n") == 1


def test_config_show_prints_what_a_run_would_use(made: Path, run: Run) -> None:
    code, out, _ = run("config", "show", "--config", made / "config.yaml", "--set", "train.lr=0.5")
    assert code == 0
    assert "lr: 0.5" in out
    code, out, _ = run("config", "schema")
    assert "RunSection" in json.loads(out)["$defs"]


@pytest.mark.parametrize("kind", ["first", "second"])
def test_world_make_writes_the_same_bytes_for_a_seed(run: Run, tmp_path: Path, kind: str) -> None:
    for name in ("a", "b"):
        code, out, _ = run(
            "world",
            "make",
            "--kind",
            kind,
            "--seed",
            7,
            "--scenes",
            3,
            "--held-out",
            1,
            "--workers",
            1,
            "--out",
            tmp_path / name,
            "--json",
        )
        assert code == 0
        assert json.loads(out) == {"world": str(tmp_path / name), "kind": kind, "seed": 7, "scenes": 3, "held_out": 1}
    names = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*")]
    assert len(names) == 2 * (3 + 2 + 4) + 3 + 4
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)
    domains = {"first": "night_rainy", "second": "dust_day"}
    assert (tmp_path / "a" / domains[kind]).is_dir()
    code, _, err = run("world", "make", "--out", tmp_path / "a")
    assert (code, "is there already" in err) == (2, True)


@pytest.fixture
def short_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    short = [line for line in SMALL_RUN if not line.startswith(("data", "clip", "augment", "run"))]
    monkeypatch.setattr("clipgap.engine.demo.LENGTHS", {"quick": (4, (*short, "run.workers=0"))})


@pytest.mark.usefixtures("short_demo")
def test_the_demo_compares_two_trainings_and_goes_on_where_it_was(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    code, first, _ = run("demo", "--quick", "--device", "cpu", "--out", out, "--json")
    assert code == 0
    told = json.loads(first)
    base, recipe = told["scores"]["base: no lever"], told["scores"]["recipe: robust"]
    assert list(told["scores"]) == ["base: no lever", "recipe: robust"]
    assert (next(iter(base)), list(base)[-1]) == ("daytime_clear", "mean over targets")
    assert told["gain"] == {domain: recipe[domain] - base[domain] for domain in base}
    configs = [load_config(out / f"run_{name}/run.yaml") for name in ("base", "robust")]
    assert [config.recipe for config in configs] == [None, "robust"]
    assert [(config.augment.kinds, config.diversify.kinds) for config in configs] == [((), []), ((), list(DIVERSIFY))]
    for name in ("base", "robust"):
        assert len(list((out / "predictions" / name).glob("*/drawn/*.jpg"))) == 5
        asked = json.loads((out / "predictions" / name / "night_rainy/predict.json").read_text())
        assert asked["--draw-score"] == 0.5
    with Image.open(out / "compared.jpg") as picture:
        assert picture.width == 1600
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    code, again, _ = run("demo", "--quick", "--device", "cpu", "--out", out)
    assert code == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == times
    assert "gain" in again
    assert "One training of each kind" in again
    code, _, err = run("demo", "--quick", "--device", "cpu", "--out", out, "--seed", 7)
    assert (code, "holds a demo of other settings" in err) == (2, True)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == times


@pytest.mark.usefixtures("short_demo")
def test_a_demo_that_was_broken_off_in_a_training_goes_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[bool] = []

    def second_is_broken_off(config: RunConfig, resume: bool = False) -> object:
        trained.append(resume)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return train(config, resume=resume)

    monkeypatch.setattr("clipgap.engine.demo.train", second_is_broken_off)
    demo = ("demo", "--quick", "--device", "cpu", "--out", tmp_path / "demo")
    code, _, err = run(*demo)
    assert (code, "clipgap: interrupted; " in err) == (130, True)
    code, out, _ = run(*demo)
    assert (code, "gain" in out) == (0, True)
    assert trained == [False, False, False]


def test_a_folder_of_something_else_is_no_place_for_a_demo(run: Run, made: Path) -> None:
    before = sorted(made.rglob("*"))
    code, _, err = run("demo", "--quick", "--out", made)
    assert (code, "is there already" in err) == (2, True)
    assert sorted(made.rglob("*")) == before


def test_doctor_says_what_is_here(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".cache/clip").mkdir(parents=True)
    (tmp_path / ".cache/clip/RN50.pt").write_bytes(b"")
    code, out, _ = run("doctor", "--json")
    states = {finding["what"]: finding["state"] for finding in json.loads(out)}
    assert code == 0
    assert states["torchvision's operators"] == "ok"
    assert (states["CLIP RN50 / openai"], states["CLIP RN101 / openai"]) == ("ok", "missing")


def test_doctor_finds_a_torchvision_that_does_not_fit(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr("torchvision.ops.nms", broken)
    code, out, _ = run("doctor")
    assert code == 1
    assert "install torch and torchvision together" in out


MISTAKES: dict[str, tuple[list[Any], str]] = {
    "no verb of that name": (["fitt"], "No such command 'fitt'"),
    "an option that is not there": (["fit", "--confg", "x"], "--confg"),
    "no config": (["fit"], "--config"),
    "a config that is not there": (["train", "--config", "nowhere.yaml"], "nowhere.yaml: no such file"),
    "a key that is not there": (
        ["train", "--config", "C", "--set", "train.stps=3"],
        "--set train.stps=3: no such setting",
    ),
    "a value of another type": (["train", "--config", "C", "--set", "train.steps=many"], "train.steps"),
    "a setting without value": (["train", "--config", "C", "--set", "train.steps"], "expected key=value"),
    "offsets that are not there": (
        ["train", "--config", "C", "--set", "augment.file=no.safetensors", "--set", "run.out=elsewhere"],
        "no.safetensors",
    ),
    "an unknown device": (["fit", "--config", "C", "--device", "abacus"], "abacus"),
    "a folder that is no run": (["evaluate", "."], ".: holds no detector"),
    "a folder that is no detector": (["evaluate", ".", "--config", "C"], ".: holds no detector"),
    "exporting what is no detector": (["export", ".", "--out", "o"], ".: holds no detector"),
    "8 bits without pictures": (
        ["export", "RUN", "--out", "o", "--precision", "int8"],
        "--precision int8 and --calibrate PICTURES go together",
    ),
    "exporting what is exported": (["export", "ONNX", "--out", "o"], "onnx: is exported already; export the run"),
    "a score that is none": (["predict", "RUN", "x.jpg", "--draw-score", "2"], "'--draw-score': must be less than or"),
    "nothing to predict on": (["predict", "RUN", "nowhere.jpg", "--out", "o"], "nowhere.jpg: no such file"),
    "an address to predict on": (["predict", "RUN", "https://a.org/b.jpg", "--out", "o"], "b.jpg: predict reads files"),
    "a device to predict on": (["predict", "RUN", "/dev/zero", "--out", "o"], "/dev/zero: is no file but a pipe"),
    "a truth that is not there": (
        ["predict", "RUN", "C", "--truth", "nowhere.yaml", "--out", "o"],
        "nowhere.yaml: no such file",
    ),
    "all of it unreadable": (["predict", "RUN", "C", "--out", "o"], "config.yaml: not an image"),
    "half precision for an exported detector": (
        ["predict", "ONNX", "C", "--precision", "bf16-mixed", "--out", "o"],
        "an exported detector computes as it was exported",
    ),
    "other proposals for an exported detector": (
        ["predict", "ONNX", "C", "--proposals", "7", "--out", "o"],
        "proposals 7: an exported detector looks at as many as it was exported for",
    ),
    "a device for scoring an exported detector": (
        ["evaluate", "ONNX", "--config", "C", "--device", "cuda"],
        "an exported detector runs on the CPU",
    ),
    "an unknown domain": (
        ["data", "convert", "--config", "C", "--domain", "mars", "--split", "a", "--to", "voc", "--out", "o"],
        "--domain mars: no such domain",
    ),
    "an unknown format": (
        ["data", "convert", "--config", "C", "--domain", "fog", "--split", "train", "--to", "xml", "--out", "o"],
        "xml",
    ),
    "an unknown split": (
        ["data", "convert", "--config", "C", "--domain", "fog", "--split", "tset", "--to", "voc", "--out", "o"],
        "tset",
    ),
    "a checkpoint that is none": (["import", "C", "--classes", "a,b", "--out", "o"], "config.yaml"),
    "a run that is there": (["train", "--config", "C"], "is there already"),
    "a config that is a folder": (["train", "--config", "."], "is a folder; --config takes"),
    "a file for a result that is a folder": (["fit", "--config", "C", "--out", "."], "is a folder; --out takes"),
    "a result below a file": (["fit", "--config", "C", "--out", "/dev/null/x"], "/dev/null is not a folder"),
    "a table below a file": (["evaluate", "RUN", "--csv", "/dev/null/x.csv"], "/dev/null is not a folder"),
    "a run below a file": (["train", "--config", "C", "--set", "run.out=/dev/null/x"], "/dev/null is not a folder"),
    "a device for an exported detector": (
        ["predict", "ONNX", "RUN", "--device", "cuda", "--out", "o"],
        "an exported detector runs on the CPU",
    ),
    "a prompt that CLIP cannot read to its end": (
        ["fit", "--config", "C", "--set", f"data.prompts={{source: day, targets: [{'very ' * 90}dark]}}"],
        "longer than the 77 tokens",
    ),
    "resuming nothing": (["train", "--config", "C", "--resume", "--set", "run.out=elsewhere"], "no run to resume"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_line_and_exit_code_2(
    trained: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"C": trained / "config.yaml", "RUN": trained / "run", "ONNX": trained / "onnx"}
    if "ONNX" in MISTAKES[mistake][0] and not places["ONNX"].exists():
        export_onnx(Detector.load(places["RUN"]), places["ONNX"])
    arguments, message = MISTAKES[mistake]
    code, out, err = run(*(places.get(argument, argument) for argument in arguments))
    lines = [line for line in err.splitlines() if line.startswith("clipgap:")]
    assert (code, out) == (2, "")
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_debug_shows_where(run: Run) -> None:
    code, _, err = run("train", "--config", "nowhere.yaml", "--debug")
    assert code == 2
    assert "Traceback" in err


def test_nobody_needs_stdout() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "clipgap", "--version"], stderr=subprocess.PIPE, preexec_fn=close_stdout
    )
    assert done.returncode == 0
    assert not done.stderr


def close_stdout() -> None:
    os.close(1)
