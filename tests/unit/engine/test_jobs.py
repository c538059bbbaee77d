"""fit, train, evaluate and predict on a small run: what they write, that seeds rule, that they resume and refuse."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor

from clipgap.augment import SemanticAugmentations
from clipgap.clip import load_clip
from clipgap.clip.towers.modified_resnet import ResNetRoiPart
from clipgap.config import FitConfig
from clipgap.data import load_domains, read_image
from clipgap.detector import Detector
from clipgap.engine.compiled import compile_heads
from clipgap.engine.evaluate import evaluate, evaluate_run
from clipgap.engine.fit import fit, training_set
from clipgap.engine.fitter import Fitter, crop_batches
from clipgap.engine.predict import PredictSettings, predict
from clipgap.engine.runtime import make_fabric
from clipgap.engine.train import train
from clipgap.engine.train.augmentation import make_augmentation
from clipgap.engine.train.batches import Batch
from clipgap.engine.train.trainer import Trainer
from clipgap.errors import ClipgapError, ConfigError, DataError, TrainingError, WeightsError
from clipgap.prompts import PromptSet
from tests.runs import copy_without_run, make_trained, run_config


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything fitted and trained once."""
    return make_trained(tmp_path_factory.mktemp("job"))


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The same inputs and offsets, without the run."""
    return copy_without_run(made, tmp_path / "job")


def weights(path: Path) -> dict[str, Tensor]:
    return Detector.load(path).state_dict()


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


# --- step one ------------------------------------------------------------------------------------------------------


def test_fit_writes_a_file_that_tells_how_it_was_made(made: Path) -> None:
    augmentations = SemanticAugmentations.load(made / "aug.safetensors")
    clip = load_clip(run_config(made).clip)
    assert augmentations.offsets.shape == (2, clip.spec.tower.c4_channels, 4, 4)
    assert augmentations.clip_hash == clip.weights_hash
    assert augmentations.prompts.targets == ("an image taken on a fog day", "an image taken on a clear night")
    record = augmentations.record
    assert record["settings"]["fit"]["steps"] == 3
    assert (record["seed"], record["batch_norm"]) == (0, "frozen")
    assert record["direction_loss"] > 0
    assert all(row["after"] > row["before"] for row in record["cosines"])
    assert not list(made.glob("*.resume"))


def test_fit_depends_on_the_seed_alone(folder: Path) -> None:
    first = SemanticAugmentations.load(folder / "aug.safetensors").offsets
    assert torch.equal(fit(run_config(folder), show=False).offsets, first)
    assert not torch.equal(fit(run_config(folder, "run.seed=1"), show=False).offsets, first)


def test_an_interrupted_fit_goes_on_to_the_same_offsets(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipgap.engine.fit.SAVE_EVERY", 1)
    move = Fitter.move

    def break_off(self: Fitter, *arguments: object) -> object:
        if float(self.offsets[0].detach().abs().max()) > 0.015:  # after two steps of 0.01
            raise KeyboardInterrupt
        return move(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Fitter, "move", break_off)
    with pytest.raises(KeyboardInterrupt):
        fit(run_config(folder), folder / "again.safetensors", show=False)
    assert not (folder / "again.safetensors").exists()
    monkeypatch.setattr(Fitter, "move", move)
    resumed = fit(run_config(folder), folder / "again.safetensors", resume=True, show=False)
    assert torch.equal(resumed.offsets, SemanticAugmentations.load(folder / "aug.safetensors").offsets)
    with pytest.raises(DataError, match="is there already"):
        fit(run_config(folder), folder / "again.safetensors", show=False)


def test_fit_computes_text_once_and_z_once_a_batch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = run_config(folder)
    clip = load_clip(config.clip)
    calls = {"text": 0, "layer4": 0, "trunk": 0}
    embed = clip.embed_text
    monkeypatch.setattr(clip, "embed_text", lambda p: calls.update(text=calls["text"] + 1) or embed(p))
    clip.roi_part.pool.register_forward_hook(lambda *_: calls.update(layer4=calls["layer4"] + 1))
    clip.trunk.register_forward_hook(lambda *_: calls.update(trunk=calls["trunk"] + 1))
    fitter = Fitter(clip, PromptSet.from_config(config.data.prompts), "frozen", FitConfig(), torch.device("cpu"))
    dataset = load_domains(config.data).source.train
    assert dataset is not None
    for crops in crop_batches(dataset, config, clip, 0, 3):
        assert crops.shape == (4, 3, 64, 64)
        fitter.step(crops)
    assert calls == {"text": 1, "trunk": 3, "layer4": 3 * (1 + 2)}
    assert all(parameter.grad is None for parameter in clip.model.parameters())


def test_fit_steps_are_those_of_the_plain_loop(folder: Path) -> None:
    """The same losses and offsets as the authors' way of computing them, to float accuracy."""
    from benchmarks.plain_fit import PlainFit

    config = run_config(folder)
    prompts = PromptSet.from_config(config.data.prompts)
    ours = Fitter(load_clip(config.clip), prompts, "frozen", FitConfig(), torch.device("cpu"))
    plain = PlainFit(load_clip(config.clip), prompts, 0.01)
    for step in range(3):
        crops = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(step))
        expected = plain.step(crops)
        assert tuple(float(loss) for loss in ours.step(crops)) == pytest.approx(expected, abs=1e-5)
    # Where a gradient is all but zero, Adam's sign of it is a matter of rounding.
    assert (torch.stack(list(ours.offsets)) - plain.offsets).abs().mean() < 1e-4


def test_offsets_of_one_number_a_channel_are_fitted_and_used_as_they_are(folder: Path) -> None:
    fitted = fit(run_config(folder, "fit.offsets=channel"), show=False)
    assert fitted.offsets.shape == (2, 128, 1, 1)
    assert torch.equal(fitted.pooled, fitted.offsets[:, :, 0, 0])
    assert all(row["after"] == row["pooled"] != row["before"] for row in fitted.record["cosines"])


def test_fit_stops_when_held_out_crops_gain_no_more(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipgap.engine.fit.JUDGE_EVERY", 1)
    objectives = iter([0.5, 0.4, 0.4, 0.41, 0.1, 0.1, 0.1])
    monkeypatch.setattr(Fitter, "pooled_objective", lambda self, seen: next(objectives))
    fitted = fit(run_config(folder, "fit.steps=6", "fit.patience=2"), show=False)
    assert fitted.record["steps"] == 4  # neither 0.4 nor 0.41 is below the 0.4 before
    assert fitted.record["pooled_objective"] == 0.1


def test_the_pooled_objective_is_of_what_step_two_uses(folder: Path) -> None:
    config = run_config(folder, "fit.offsets=channel")
    clip = load_clip(config.clip)
    fitter = Fitter(clip, PromptSet.from_config(config.data.prompts), "frozen", config.fit, torch.device("cpu"))
    crops = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before = fitter.pooled_objective(fitter.embed(crops))
    losses = fitter.step(crops)
    assert before == pytest.approx(float(losses.direction + losses.l1), abs=1e-5)
    assert fitter.pooled_objective(fitter.embed(crops)) < before


# --- step two ------------------------------------------------------------------------------------------------------


def test_a_run_folder_holds_the_whole_record(made: Path) -> None:
    run = made / "run"
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoint.pt",
        "checkpoint.pt.before",
        "config.yaml",
        "environment.json",
        "metrics.jsonl",
        "model.safetensors",
        "run.yaml",
    ]
    assert yaml.safe_load((run / "run.yaml").read_text())["train"]["steps"] == 4
    environment = json.loads((run / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__.split("+")[0]
    assert environment["clip_hash"] == load_clip(run_config(made).clip).weights_hash
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss_classifier" in line] == [1, 2, 3, 4]
    assert [line["step"] for line in lines if "validation" in line] == [2, 4]
    assert [line["lr"] for line in lines if "lr" in line] == pytest.approx([0.001, 0.001, 0.001, 0.0001])
    assert Detector.load(run).spec.description == "CLIP tiny, weights: clip.pt; fitted offsets, 2 prompts"


def test_training_depends_on_the_seed_alone(made: Path, folder: Path) -> None:
    train(run_config(folder), show=False)
    assert same(weights(folder / "run"), weights(made / "run"))
    train(run_config(folder, "run.seed=1", f"run.out={folder / 'other'}"), show=False)
    assert not same(weights(folder / "other"), weights(made / "run"))


def test_an_interrupted_run_goes_on_to_the_same_weights(
    made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, taken = Trainer.step, []

    def break_off(self: Trainer, batch: Batch, seed: int, number: int = 0) -> dict[str, float]:
        if len(taken) == 3:
            raise KeyboardInterrupt
        taken.append(seed)
        return step(self, batch, seed, number)

    monkeypatch.setattr(Trainer, "step", break_off)
    with pytest.raises(KeyboardInterrupt):
        train(run_config(folder), show=False)
    monkeypatch.setattr(Trainer, "step", step)
    train(run_config(folder), resume=True, show=False)
    assert same(weights(folder / "run"), weights(made / "run"))
    metrics = [(made / "run" / "metrics.jsonl").read_text(), (folder / "run" / "metrics.jsonl").read_text()]
    assert metrics[0] == metrics[1]


def test_resume_refuses_other_settings_and_names_them(made: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.lr is 0\.5, but the run was begun with 0\.001"):
        train(run_config(made, "train.lr=0.5"), resume=True, show=False)
    with pytest.raises(WeightsError, match="no run to resume"):
        train(run_config(made, f"run.out={made / 'nowhere'}"), resume=True, show=False)


def test_a_run_is_never_written_over(made: Path) -> None:
    before = (made / "run" / "model.safetensors").stat().st_mtime_ns
    with pytest.raises(DataError, match="--resume goes on"):
        train(run_config(made), show=False)
    assert (made / "run" / "model.safetensors").stat().st_mtime_ns == before


def test_a_loss_that_is_not_finite_stops_the_run(folder: Path) -> None:
    with pytest.raises(TrainingError, match=r"train, step \d: loss_.* not finite; lower train\.lr"):
        train(run_config(folder, "train.lr=1e30"), show=False)


def test_mixed_precision_leaves_boxes_and_logits_in_float32(made: Path) -> None:
    config = run_config(made, "run.precision=bf16-mixed")
    detector, seen = Detector.load(made / "run"), {}
    select = detector.roi_heads.select_training_samples

    def note(proposals: list[Tensor], targets: list[dict[str, Tensor]]) -> object:
        seen.update(proposals=proposals[0].dtype, box=targets[0]["boxes"][0].tolist())
        return select(proposals, targets)

    detector.roi_heads.select_training_samples = note
    predicted: list[torch.dtype] = []
    for layer in (
        detector.rpn.head.cls_logits,
        detector.rpn.head.bbox_pred,
        detector.roi_heads.box_predictor.bbox_pred,
    ):
        layer.register_forward_hook(lambda _, inputs, output: predicted.extend([inputs[0].dtype, output.dtype]))
    trainer = Trainer(detector, config, None, make_fabric(config.run))
    box = [301.3, 31.7, 321.9, 58.2]
    target = {"boxes": torch.tensor([box]), "labels": torch.tensor([1])}
    assert trainer.step(([torch.rand(3, 96, 400)], [target]), seed=0)["loss_rpn_box_reg"] > 0
    assert seen["proposals"] == torch.float32
    assert set(predicted) == {torch.float32}
    assert seen["box"] == pytest.approx(box, abs=1e-4)
    with pytest.raises(ConfigError, match="16-mixed: a CPU has none"):
        make_fabric(run_config(made, "run.precision=16-mixed").run)


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What torch.compile is asked to compile: as it is, because a real compiler takes half a minute."""
    seen: list[object] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        seen.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    return seen


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # dynamo looks at it
def test_compiled_heads_train_the_same(made: Path, folder: Path, graphs: list[object]) -> None:
    train(run_config(folder, "run.compile=true"), show=False)
    assert graphs
    expected, trained = weights(made / "run"), weights(folder / "run")
    assert list(trained) == list(expected)
    for name, tensor in trained.items():
        torch.testing.assert_close(tensor, expected[name], msg=name)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # what the compiler itself has to say
def test_torchs_own_compiler_takes_the_heads(made: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(run_config(folder, "run.compile=true"), show=False)
    assert "run.compile" not in capsys.readouterr().err
    for name, tensor in weights(folder / "run").items():
        torch.testing.assert_close(tensor, weights(made / "run")[name], rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_the_trial_of_a_compiler_moves_nothing(made: Path, graphs: list[object]) -> None:
    detector = Detector.load(made / "run")
    detector.spec = detector.spec.model_copy(update={"batch_norm": "train"})
    before = {name: tensor.clone() for name, tensor in detector.train().state_dict().items()}
    compile_heads(detector)
    assert graphs
    assert detector.roi_heads.finish is not ResNetRoiPart.finish
    assert same(detector.state_dict(), before)
    assert all(parameter.grad is None for parameter in detector.parameters())
    assert detector.for_inference().roi_heads.finish is ResNetRoiPart.finish


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_where_nothing_can_be_compiled_one_line_says_so(
    made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> object:
        raise OSError("no compiler here")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    train(run_config(folder, "run.compile=true"), show=False)
    assert same(weights(folder / "run"), weights(made / "run"))
    told = " ".join(capsys.readouterr().err.split())
    assert told.count("run.compile: torch.compile fails here") == 1
    assert "no compiler here" in told


def test_a_broken_image_is_one_line_from_a_worker_too(folder: Path) -> None:
    for image in (folder / "data/daytime_clear/VOC2007/JPEGImages").iterdir():
        image.write_bytes(image.read_bytes()[:200])
    with pytest.raises(DataError, match=r"train_\d+\.jpg: ") as error:
        train(run_config(folder, "run.workers=1"), show=False)
    assert "Traceback" not in str(error.value)


def test_a_run_that_stopped_before_its_first_checkpoint_begins_again(
    made: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.step
    monkeypatch.setattr(Trainer, "step", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        train(run_config(folder), show=False)
    monkeypatch.setattr(Trainer, "step", step)
    train(run_config(folder), resume=True, show=False)
    assert same(weights(folder / "run"), weights(made / "run"))


def test_a_run_cannot_be_resumed_to_fewer_steps(made: Path) -> None:
    with pytest.raises(ConfigError, match="has taken 4 steps"):
        train(run_config(made, "train.steps=2"), resume=True, show=False)


def test_of_equal_weights_the_longest_trained_are_kept(made: Path) -> None:
    lines = [json.loads(line) for line in (made / "run" / "metrics.jsonl").read_text().splitlines()]
    scores = {line["step"]: line["validation"] for line in lines if "validation" in line}
    checkpoint = torch.load(made / "run" / "checkpoint.pt", weights_only=True)
    assert checkpoint["best_step"] == max(step for step, score in scores.items() if score == max(scores.values()))


@pytest.mark.parametrize(("kind", "words"), [("none", "no augmentation"), ("random", "random offsets, 2 prompts")])
def test_what_moves_the_features_is_a_setting(made: Path, folder: Path, kind: str, words: str) -> None:
    run = train(
        run_config(folder, f"augment.kind={kind}", "augment.probability=1", "train.validate_every=4"), show=False
    )
    assert words in Detector.load(run.path).spec.description
    assert not same(weights(run.path), weights(made / "run"))


def test_the_features_are_moved_in_training_and_never_in_detection(made: Path) -> None:
    config = run_config(made, "augment.probability=1")
    clip = load_clip(config.clip)
    augment, _ = make_augmentation(config, clip, training_set(load_domains(config.data).source))
    assert augment is not None
    assert augment.offsets is not None
    detector = Detector.load(made / "run")
    images = torch.rand(1, 3, 96, 96)
    detector.requires_grad_(False)
    plain = detector.backbone(images)
    detector.rpn.requires_grad_(True)
    trainer = Trainer(detector, config, augment, make_fabric(config.run))
    trainer.generator.manual_seed(0)
    detector.train()
    moved = (detector.backbone(images) - plain)[0].mean((1, 2))
    assert min(float((moved - offset).abs().max()) for offset in augment.offsets.pooled) < 1e-5
    detector.eval()
    assert torch.equal(detector.backbone(images), plain)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("augment.file=null", r"augment\.file is not set"),
        ("augment.file=nowhere.safetensors", r"nowhere\.safetensors: no such file"),
        ("clip={name: tiny, pretrained: random}", r"aug\.safetensors: fitted for 128 channels .* has 256; fit again"),
        ("data.source.train=null", "domain day: no split to train on"),
        ("data.source.val=train", "share 3 images"),
        ("run.device=tpu", r"run\.device=tpu: expected 'auto', 'cpu', 'cuda' or 'mps', got 'tpu'"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    folder: Path, override: str, message: str
) -> None:
    with pytest.raises(ClipgapError, match=message):
        train(run_config(folder, override), show=False)
    assert not (folder / "run").exists()


# --- scoring and detecting -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["voc2007", "voc2012", "coco"])
def test_every_domain_is_scored_in_one_go(made: Path, metric: str) -> None:
    table = evaluate_run(made / "run", run_config(made, f"evaluate.metric={metric}"), show=False).to_json()
    assert list(table["domains"]) == ["day", "fog", "night"]
    assert [domain["images"] for domain in table["domains"].values()] == [1, 4, 4]
    assert all(0 <= domain["ap50"] <= 100 for domain in table["domains"].values())
    assert "weights: clip.pt" in table["detector"]
    assert table["notes"] == ["weights chosen on day/val, which is also what day is scored on"]


def test_a_detector_that_finds_every_box_scores_100(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector, domains = Detector.load(made / "run"), load_domains(run_config(made).data)
    answers = {}
    for domain in domains.all:
        assert domain.scored is not None
        for sample in domain.scored:
            answers[sample.image.tobytes()] = sample.target
    queue = list(answers.values())

    def cheat(images: list[Tensor], sizes: list[tuple[int, int]]) -> list[dict[str, Tensor]]:
        found = [queue.pop(0) for _ in images]
        return [{"boxes": t["boxes"], "labels": t["labels"], "scores": torch.ones(len(t["labels"]))} for t in found]

    monkeypatch.setattr(detector, "detect", cheat)
    table = evaluate(detector, domains, show=False)
    assert [domain.result.headline for domain in table.domains] == [100, 100, 100]
    assert table.mean_targets == 100


def test_other_classes_than_the_detectors_are_refused(made: Path) -> None:
    with pytest.raises(
        DataError,
        match="the detector's classes are bus, bike, car, motor, person, rider, truck; the data file's are bike, bus",
    ):
        evaluate_run(
            made / "run", run_config(made, "data.classes=[bike, bus, car, motor, person, rider, truck]"), show=False
        )


def test_predict_writes_coco_results_and_pictures(made: Path, tmp_path: Path) -> None:
    (tmp_path / "train_00000.png").write_bytes(
        (made / "data/daytime_foggy/VOC2007/JPEGImages/train_00000.jpg").read_bytes()
    )
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    inputs = [made / "data/daytime_foggy/VOC2007/JPEGImages", tmp_path / "train_00000.png", tmp_path / "broken.jpg"]
    detector = Detector.load(made / "run")
    result = predict(detector, inputs, tmp_path / "out", PredictSettings(draw_score=0.0), show=False)
    assert (result.images, len(result.unreadable)) == (5, 1)
    assert "broken.jpg" in result.unreadable[0]
    found = json.loads((tmp_path / "out" / "detections.json").read_text())
    images = json.loads((tmp_path / "out" / "images.json").read_text())
    assert len(found) == result.detections > 0
    assert {one["image_id"] for one in found} <= {image["id"] for image in images["images"]}
    first = detector.predict(made / "data/daytime_foggy/VOC2007/JPEGImages/train_00000.jpg")
    mine = [one for one in found if one["image_id"] == 1]
    assert [one["bbox"][0] for one in mine] == pytest.approx(first.xyxy[:, 0].tolist(), abs=0.01)
    assert [one["bbox"][2] for one in mine] == pytest.approx((first.xyxy[:, 2] - first.xyxy[:, 0]).tolist(), abs=0.02)
    drawn = sorted(path.name for path in (tmp_path / "out" / "drawn").iterdir())
    assert drawn == ["train_00000.jpg", "train_00000_2.jpg", "train_00001.jpg", "train_00002.jpg", "train_00003.jpg"]
    assert read_image(tmp_path / "out" / "drawn" / "train_00000.jpg").size == (640, 384)  # a small picture is enlarged


def test_predict_refuses_nothing_and_full_folders(made: Path, tmp_path: Path) -> None:
    detector = Detector.load(made / "run")
    (tmp_path / "empty").mkdir()
    for inputs, message in (([tmp_path / "empty"], "no images in this folder"), ([tmp_path / "x"], "no such file")):
        with pytest.raises(DataError, match=message):
            predict(detector, inputs, tmp_path / "out", show=False)
    with pytest.raises(DataError, match="is there already"):
        predict(detector, [made / "data/daytime_foggy/VOC2007/JPEGImages"], made / "run", show=False)
