"""The whole job with a tower of every family: fit, train, resume, score, detect, export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from open_clip.model import CLIPTextCfg
from safetensors.torch import load_file

from clipgap.clip import TINIES, ClipSpec
from clipgap.clip.towers.convnext import ConvNextSpec
from clipgap.clip.towers.siglip import SiglipSpec
from clipgap.clip.towers.vit import ViTSpec
from clipgap.detector import Detector
from clipgap.engine.evaluate import evaluate_run
from clipgap.engine.fit import fit
from clipgap.engine.train import train
from clipgap.engine.train.batches import Batch
from clipgap.engine.train.trainer import Trainer
from clipgap.export import export_onnx
from clipgap.export.detector import OnnxDetector
from tests.clips import make_clip
from tests.runs import make_run, run_config

TEXT = CLIPTextCfg(context_length=77, vocab_size=49408, width=64, heads=1, layers=2)
CONVNEXT = ConvNextSpec(embed_dim=32, image_size=64, depths=(1, 1, 1, 1), dims=(8, 16, 24, 32))
VIT = ViTSpec(
    embed_dim=32,
    image_size=64,
    patch_size=16,
    width=64,
    head_width=32,
    mlp_width=256,
    layers=4,
    quick_gelu=True,
    roi_blocks=1,
)
SIGLIP = SiglipSpec(embed_dim=64, image_size=64, patch_size=16, layers=4, heads=1, mlp_width=256, roi_blocks=1)
FAMILIES = {
    "convnext": (CONVNEXT, "name: tiny-convnext"),
    "vit": (VIT, "name: tiny-vit, roi_blocks: 1"),
    "siglip": (SIGLIP, "name: tiny-vit, roi_blocks: 1"),
    "vit, windows": (VIT, "name: tiny-vit, roi_blocks: 1, window: 4"),
}

Made = tuple[Path, tuple[str, ...]]


@pytest.fixture(scope="module", params=FAMILIES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """A folder with everything fitted and trained once, and what its settings add to the usual ones."""
    monkeypatch = pytest.MonkeyPatch()
    if request.param == "siglip":  # there is no small one that has a name
        monkeypatch.setitem(TINIES, "tiny-vit", ClipSpec(SIGLIP, TEXT, True))
    folder = make_run(tmp_path_factory.mktemp("job"), images=3)
    tower, named = FAMILIES[request.param]
    torch.save(make_clip(ClipSpec(tower, TEXT, True)).model.state_dict(), folder / "clip.pt")
    settings = (f"clip={{{named}, file: {folder / 'clip.pt'}, quick_gelu: true}}", "train.batch_size=2")
    augmentations = fit(run_config(folder, *settings), folder / "aug.safetensors", show=False)
    assert all(row["after"] > row["before"] for row in augmentations.record["cosines"])
    train(run_config(folder, *settings), show=False)
    yield folder, settings
    monkeypatch.undo()


def picture_of(folder: Path) -> Path:
    return next((folder / "data/daytime_foggy/VOC2007/JPEGImages").glob("*.jpg"))


def test_a_run_is_scored_on_every_domain(made: Made) -> None:
    folder, settings = made
    table = evaluate_run(folder / "run", run_config(folder, *settings), show=False).to_json()
    assert set(table["domains"]) == {"day", "fog", "night"}


def test_an_interrupted_run_goes_on_to_the_same_weights(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, settings = made
    config = run_config(folder, *settings, f"run.out={tmp_path / 'run'}")
    step = Trainer.step

    def stop(self: Trainer, batch: Batch, seed: int, number: int = 0) -> dict[str, float]:
        if number == 3:
            raise KeyboardInterrupt
        return step(self, batch, seed, number)

    monkeypatch.setattr(Trainer, "step", stop)
    with pytest.raises(KeyboardInterrupt):
        train(config, show=False)
    monkeypatch.setattr(Trainer, "step", step)
    train(config, show=False, resume=True)
    whole, cut = (load_file(place / "run/model.safetensors") for place in (folder, tmp_path))
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_a_saved_detector_finds_the_same_when_it_is_made_faster(made: Made) -> None:
    folder, _ = made
    detector, picture = Detector.load(folder / "run"), picture_of(folder)
    found = detector.predict(picture, score=0.0)
    faster = detector.for_inference().predict(picture, score=0.0)
    np.testing.assert_allclose(faster.confidence, found.confidence, atol=1e-4)
    assert len(detector.for_inference("bf16-mixed").predict(picture, score=0.0)) > 0


@pytest.mark.parametrize("graphs", ["two", pytest.param("one", marks=pytest.mark.slow)])
def test_an_exported_detector_finds_the_same(
    made: Made, graphs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = made
    detector, picture = Detector.load(folder / "run"), picture_of(folder)
    export_onnx(detector, tmp_path / "out", graphs=graphs)  # type: ignore[arg-type]
    assert capsys.readouterr() == ("", "")
    exported = OnnxDetector.load(tmp_path / "out").predict(picture, score=0.0)
    found = detector.predict(picture, score=0.0)
    assert len(exported) == len(found)
    np.testing.assert_allclose(exported.confidence, found.confidence, atol=1e-3)
    np.testing.assert_allclose(exported.xyxy, found.xyxy, atol=0.1)


@pytest.mark.parametrize("roi", ["dense", "atrous"])
def test_layer4_once_on_the_whole_map_is_trained_where_it_can_be(made: Made, roi: str, tmp_path: Path) -> None:
    folder, settings = made
    if roi == "atrous" and "tiny-vit" in settings[0]:
        return
    config = run_config(folder, *settings, f"detector.roi={roi}", f"run.out={tmp_path / 'run'}")
    train(config, show=False)
    losses = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert all(np.isfinite(line["loss_classifier"]) for line in losses if "loss_classifier" in line)


def test_a_neck_is_trained_over_every_family(made: Made, tmp_path: Path) -> None:
    folder, settings = made
    config = run_config(folder, *settings, "detector.neck=simple_fpn", f"run.out={tmp_path / 'run'}")
    train(config, show=False)
    assert len(Detector.load(tmp_path / "run").predict(picture_of(folder), score=0.0)) > 0


def test_levers_move_the_features_of_every_family(made: Made, tmp_path: Path) -> None:
    folder, settings = made
    levers = ["augment.kind=[fitted, norm, pin]", "augment.probability=1", "augment.layer=layer1"]
    recipe = ["diversify={kinds: [photometric], views: 2}", "align={classes: 1, boxes: 1}", "tune.low_rank=4"]
    train(run_config(folder, *settings, *levers, *recipe, f"run.out={tmp_path / 'run'}"), show=False)
    assert (tmp_path / "run/model.safetensors").is_file()
