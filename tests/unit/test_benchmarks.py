"""The bench: it takes turns, compares with the plain way, and its plain loops do what ours does."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from functools import partial
from mmap import mmap
from pathlib import Path

import pytest
import torch
from benchmarks import __main__ as bench
from benchmarks import gpu, gpu_check, growth, slopes
from benchmarks.detectors import MINI, Size, detector, inference, onnx_inference, street, training
from benchmarks.files import BOXES, data_check, loading
from benchmarks.jobs import JOBS, Job, same_detections
from benchmarks.levers import WAYS, lever_step
from benchmarks.memory import own_memory, own_peak
from benchmarks.towers import fit_step

from clipgap.config import ClipConfig, load_config

SMALL = Size(ClipConfig(name="tiny", pretrained="random"), 96, 160, MINI.detector)
ALL_SAME = "100 of 100 detections within 0.1 px and 1e-3"


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
    monkeypatch.setattr("sys.argv", ["benchmarks", "--only", "nothing"])
    with pytest.raises(SystemExit):
        bench.main()
    assert "no job 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("card", [False, True])
def test_the_jobs_of_a_gpu_are_there_where_there_is_one(card: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: card)
    assert {"train_step", "inference"} < set(bench.jobs_here())
    assert (set(gpu.GPU_JOBS) <= set(bench.jobs_here())) is card


@pytest.mark.parametrize("job", [*JOBS.values(), *gpu.GPU_JOBS.values()], ids=lambda job: job.title)
def test_what_is_said_of_a_way_is_said_of_one_that_is_there(job: Job) -> None:
    assert set(job.bars) <= set(job.ways)
    assert set(job.compared) <= {*job.ways, "exact"}


def test_the_table_and_the_json_tell_the_same_and_that_there_is_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(JOBS, "fake", Job("a job", {"plain": lambda: lambda: None}, rounds=2))
    monkeypatch.setattr(bench, "peak", lambda name, way: 0.25)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["benchmarks", "--only", "fake", "--out", str(tmp_path / "bench.json")])
    bench.main()
    content = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    printed = capsys.readouterr().out
    assert content["command"] == f"python -m benchmarks --only fake --out {tmp_path / 'bench.json'}"
    assert f"{content['machine']}, {content['precision']}" in printed
    assert bench.table(content["rows"]) in printed
    assert printed.count("no GPU here") == 1


def test_short_times_keep_their_digits() -> None:
    assert [bench.shown(seconds) for seconds in (0.0123, 12.345)] == ["0.012", "12.35"]


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


def test_a_slope_is_found_with_its_error() -> None:
    waves = [1000 * (number % 5) for number in range(400)]
    assert slopes.slope_of(waves) == (0, 0)
    slope, error = slopes.slope_of([48 * number + wave for number, wave in enumerate(waves)])
    assert slope == pytest.approx(48)
    assert error == pytest.approx(0)
    _, error = slopes.slope_of([4096 * (number // 130) for number in range(400)])
    assert error > 5
    assert slopes.slope_of([9_000_000, *[1] * 399]) == (0, 0)  # what is made once, at the beginning


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_is_read_at_every_step_and_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slopes, "PICTURES", 3)
    before = own_memory()
    with mmap(-1, 50 * 2**20) as held:  # no bytes, which may lie where something has been before
        held.write(b"x" * len(held))
        assert own_memory() - before > len(held) / 2
    slopes.prepare(tmp_path)
    assert [len(work(tmp_path, 5)) for work in slopes.WORK.values()] == [5, 5]
    assert len(list((tmp_path / "predicted/drawn").iterdir())) == 5
    row = {"job": "train", "count": 2000, "slope": 870.9, "error": 523.0, "first": 2**30, "last": 2**30 + 2**21}
    assert slopes.table([row]).splitlines()[-1] == "| train, 2,000 steps | 871 | 523 | 1,024 | 1,026 |"


def test_the_small_size_is_the_miniature_worlds() -> None:
    config = load_config("mini_world")
    assert (MINI.clip, MINI.detector) == (config.clip, config.detector)
    assert (MINI.height, MINI.width) == (config.image.short_side, config.image.long_side) == (288, 480)


def test_a_file_can_hold_the_images() -> None:
    images, targets = street(2, SMALL)
    levels = images[0] * 255
    assert torch.equal(levels, levels.round())
    assert all((target["boxes"] <= torch.tensor([160.0, 96, 160, 96])).all() for target in targets)


def test_plain_and_exact_training_differ_in_the_way_alone() -> None:
    plain, exact = training(True, SMALL, batch=2)(), training(size=SMALL, batch=2)()
    assert exact == pytest.approx(plain, rel=1e-4)
    half = training(size=SMALL, batch=2, bf16=True)()
    assert half != pytest.approx(exact, rel=1e-4)
    assert half == pytest.approx(exact, rel=0.1)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # dynamo looks at it
def test_compiled_training_is_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> object:
        asked.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    compiled = training(size=SMALL, batch=2, bf16=True, compiled=True)()
    assert asked
    assert compiled == pytest.approx(training(size=SMALL, batch=2, bf16=True)(), rel=1e-4)


def test_training_with_fewer_regions_has_other_losses() -> None:
    fewer, exact = training(size=SMALL, box_batch_size_per_image=8)(), training(size=SMALL)()
    assert fewer["loss_objectness"] == exact["loss_objectness"]
    assert fewer["loss_classifier"] != exact["loss_classifier"]


def test_plain_and_exact_detect_the_same() -> None:
    plain = inference(True, SMALL)()
    assert same_detections(plain, inference(size=SMALL)()) == ALL_SAME
    half = inference(size=SMALL, bf16=True)()
    assert len(half["boxes"]) == 100
    assert same_detections(plain, half) != ALL_SAME


@pytest.mark.slow
def test_onnx_runtime_detects_the_same() -> None:
    assert same_detections(inference(True, SMALL)(), onnx_inference(SMALL)()) == ALL_SAME


def test_the_check_and_the_plain_loop_read_every_box() -> None:
    assert data_check(plain=True, images=5)() == data_check(plain=False, images=5)() == (5 * BOXES, 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_loading_gives_every_image(workers: int) -> None:
    assert loading(workers, batches=3, width=64, height=48)() == 12


def test_work_on_the_card_is_warmed_up_waited_for_and_without_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: calls.append("waited"))
    work = gpu.on_card(lambda device, batch: lambda: calls.append((device, batch)), batch=4)()
    assert calls == [("cuda", 4), "waited"]
    assert not torch.backends.cudnn.allow_tf32
    work()
    assert calls == [("cuda", 4), "waited"] * 2


def test_operations_of_layer4_are_counted_forward_and_backward(monkeypatch: pytest.MonkeyPatch) -> None:
    convolution = torch.nn.Conv2d(3, 5, 1)
    assert gpu.operations(lambda: convolution(torch.zeros(2, 3, 7, 7))) == 2 * 2 * 3 * 5 * 7 * 7
    part, tower = detector(size=SMALL).roi_heads.box_head, detector(size=SMALL).spec.tower
    regions = torch.zeros(2, tower.c4_channels, tower.roi_size, tower.roi_size)
    monkeypatch.setattr(gpu, "rate", lambda work, device: gpu.operations(work))
    assert gpu.layer4("cpu", 2, SMALL) == 3 * gpu.operations(lambda: part(regions))


def test_a_rate_is_operations_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([1.0, 3.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(times))
    assert gpu.matrix_product("cpu", 16)() == gpu.TIMES * 2 * 16**3 / 2
    assert gpu.share(800e12, 300e12) == "300 of 800 TFLOP/s: 38 %"


def test_the_peak_of_a_long_way_is_that_of_a_part_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []
    ways = {"plain": lambda: lambda: done.append("whole")}
    monkeypatch.setitem(JOBS, "fake", Job("a job", ways, shorter={"plain": lambda: lambda: done.append("part")}))
    monkeypatch.setattr("sys.argv", ["benchmarks", "--peak", "fake", "plain"])
    bench.main()
    assert done == ["part"]
    assert float(capsys.readouterr().out) > 0


@pytest.mark.parametrize("way", WAYS)
def test_every_lever_can_be_timed_and_is_on(way: str) -> None:
    plain, other = lever_step(size=SMALL, batch=2), lever_step(*WAYS[way], size=SMALL, batch=2)
    steps = [(plain(), other()) for _ in range(5)]  # of ten images, five or so are changed where half of them are
    assert all(math.isfinite(value) for _, losses in steps for value in losses.values())
    if way.startswith(("plain", "tune", "average")) or way == "augment: fitted":  # the first loss is as without
        one, changed = ({**losses, "gradient_norm": 0} for losses in steps[0])
        assert one == changed
    else:
        assert any(one != changed for one, changed in steps)


@pytest.mark.parametrize("name", ["tiny", "tiny-convnext", "tiny-vit"])
def test_towers_of_every_family_are_timed_with_their_floor(name: str) -> None:
    size = replace(SMALL, clip=ClipConfig(name=name, pretrained="random"))
    detect, train, fit = inference(size=size, bf16=True), training(size=size), fit_step(size, crops=2, prompts=1)
    assert len(detect()["boxes"]) > 0
    assert all(math.isfinite(loss) for loss in (*train().values(), *fit()))
    assert 0 < bench.floor(detect, bf16=True) < 10


def test_the_gpu_check_tells_what_fails_and_goes_on(tmp_path: Path) -> None:
    named = dict(gpu_check.checks(tmp_path, "cpu"))
    chosen = ["tiny-vit: losses as on the CPU", "16-mixed", "tiny-vit: step one, step two, validation"]
    rows = list(gpu_check.tried((name, named[name]) for name in chosen))
    assert [found.split(":")[0].split(" ")[0] for _, found, _ in rows] == ["losses", "FAILED", "trained,"]
    assert "| 16-mixed | FAILED: ConfigError: run.precision=16-mixed: a CPU has none" in gpu_check.shown(rows)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_check_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["gpu_check"])
    assert gpu_check.main() == 1
    assert "no GPU here" in capsys.readouterr().err
