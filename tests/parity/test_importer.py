"""The imported Detector against the independent reference: same proposals, logits and boxes from the same files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from clipgap.augment import SemanticAugmentations
from clipgap.data import read_image, resize_size, to_tensor
from clipgap.detector import Detector
from clipgap.detector.importer import import_authors
from clipgap.errors import DataError, WeightsError
from tests.parity.reference import ReferenceImage, compare, load_authors_checkpoint, reference_detect
from tests.parity.synthetic import CLASS_NAMES, TINY, draw_image, write_synthetic_checkpoint

CLASSES = list(CLASS_NAMES[:7])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("authors") / "model_final.pth"
    write_synthetic_checkpoint(path, seed=6, **TINY)
    return path


@pytest.fixture(scope="module")
def detector(checkpoint: Path) -> Detector:
    import_authors(checkpoint, CLASSES, checkpoint.parent / "imported")
    return Detector.load(checkpoint.parent / "imported")


def ours(detector: Detector, files: list[Path], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Tensor]]:
    """Detections in one batch of files, with the proposals, their logits and the class logits noted on the way."""
    pictures = [read_image(file) for file in files]
    sizes = [resize_size(p.height, p.width, **detector.spec.image.model_dump()) for p in pictures]
    resized = [p.resize((w, h), Image.Resampling.BILINEAR) for p, (h, w) in zip(pictures, sizes, strict=True)]
    noted: dict[str, list[Tensor]] = {}
    logits_of: list[Tensor] = []
    filter_proposals = detector.rpn.filter_proposals

    def note_proposals(*arguments: object) -> tuple[list[Tensor], list[Tensor]]:
        noted["proposals"], noted["proposal_logits"] = filter_proposals(*arguments)
        return noted["proposals"], noted["proposal_logits"]

    monkeypatch.setattr(detector.rpn, "filter_proposals", note_proposals)
    hook = detector.roi_heads.box_predictor.register_forward_hook(lambda _, __, out: logits_of.append(out[0]))
    found = detector.detect([to_tensor(p) for p in resized], [(p.height, p.width) for p in pictures])
    hook.remove()
    counts = [len(proposals) for proposals in noted["proposals"]]
    logits = torch.cat(logits_of).split(counts)
    return [
        {"proposals": noted["proposals"][i], "proposal_logits": noted["proposal_logits"][i], "logits": logits[i], **one}
        for i, one in enumerate(found)
    ]


def assert_same(want: ReferenceImage, got: dict[str, Tensor]) -> None:
    """0.05 px for every proposal and box, 1e-3 for every logit, none missing, none too many."""
    zeros = torch.zeros(len(want.proposals)), torch.zeros(len(got["proposals"]))
    proposals = compare(
        (want.proposals, want.proposal_logits, zeros[0]), (got["proposals"], got["proposal_logits"], zeros[1])
    )
    assert (proposals.missing, proposals.extra) == ([], [])
    theirs = torch.cat([want.class_logits[:, -1:], want.class_logits[:, :-1]], dim=1)  # background last -> first
    torch.testing.assert_close(got["logits"], theirs, rtol=0, atol=1e-3)
    boxes = compare((want.boxes, want.scores, want.classes + 1), (got["boxes"], got["scores"], got["labels"]))
    assert (boxes.missing, boxes.extra) == ([], [])
    assert len(want.boxes) > 5


def draw(path: Path, height: int, width: int, seed: int = 5) -> Path:
    Image.fromarray(draw_image(height, width, seed=seed)).save(path)
    return path


def test_a_720_x_1280_image(
    checkpoint: Path, detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = draw(tmp_path / "street.png", 720, 1280)
    (want,) = reference_detect(load_authors_checkpoint(checkpoint), file, CLASSES)
    assert want.resized_size == (600, 1067)
    assert int((want.proposal_logits > 17).sum()) > 10, "the sigmoid must tie somewhere, or ranking is not tested"
    assert_same(want, ours(detector, [file], monkeypatch)[0])
    predicted = detector.predict(file)
    torch.testing.assert_close(torch.from_numpy(predicted.xyxy), want.boxes, rtol=0, atol=0.05)


@pytest.mark.parametrize(("width", "count"), [(1280, 98), (1439, 99)])
def test_empty_boxes_take_their_places_among_the_best_100(tmp_path: Path, width: int, count: int) -> None:
    """They are dropped after the cap, in the original image; torchvision drops them before and returns 100."""
    path = tmp_path / "model_final.pth"
    write_synthetic_checkpoint(path, seed=3, **TINY)
    file = draw(tmp_path / "street.png", 720, width)
    (want,) = reference_detect(load_authors_checkpoint(path), file, CLASSES)
    found = import_authors(path, CLASSES, tmp_path / "imported").predict(file)
    assert len(found) == len(want.boxes) == count
    got = (torch.from_numpy(found.xyxy), torch.from_numpy(found.confidence), torch.from_numpy(found.class_id))
    assert compare((want.boxes, want.scores, want.classes), got).missing == []


def test_a_side_of_1199_keeps_the_stride_at_16(
    checkpoint: Path, detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = draw(tmp_path / "odd.png", 720, 1439)
    (want,) = reference_detect(load_authors_checkpoint(checkpoint), file, CLASSES)
    assert want.resized_size == (600, 1199)
    assert 1199 // want.features.shape[2] != 16
    assert_same(want, ours(detector, [file], monkeypatch)[0])


def test_a_padded_batch_of_two(
    checkpoint: Path, detector: Detector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [draw(tmp_path / "wide.png", 720, 1280), draw(tmp_path / "tall.png", 1000, 700, seed=6)]
    want = reference_detect(load_authors_checkpoint(checkpoint), files, CLASSES)
    assert want[0].padded_size == (857, 1067)
    for theirs, own in zip(want, ours(detector, files, monkeypatch), strict=True):
        assert_same(theirs, own)


@pytest.mark.parametrize("form", ["numpy arrays", "pickle"])
def test_numpy_checkpoints_give_the_same_detector(
    checkpoint: Path, detector: Detector, tmp_path: Path, form: str
) -> None:
    path = tmp_path / ("model_final.pth" if form == "numpy arrays" else "model_final.pkl")
    write_synthetic_checkpoint(path, seed=6, numpy_arrays=True, **TINY)
    state = import_authors(path, CLASSES, tmp_path / "imported").state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in detector.state_dict().items())


def test_the_folder_holds_the_authors_settings_and_offsets(checkpoint: Path, detector: Detector) -> None:
    folder = checkpoint.parent / "imported"
    assert sorted(p.name for p in folder.iterdir()) == ["augmentations.safetensors", "config.yaml", "model.safetensors"]
    spec = detector.spec
    assert (spec.batch_norm, spec.image.short_side, spec.image.long_side) == ("train", 600, 1333)
    offsets = SemanticAugmentations.load(folder / "augmentations.safetensors").offsets
    assert torch.equal(offsets, load_authors_checkpoint(checkpoint)["offsets"])


@pytest.mark.parametrize(
    ("change", "classes", "message"),
    [
        ({}, CLASSES[:6], "trained with 7 classes, but --classes names 6"),
        ({"proposal_generator.rpn_head.conv.weight": None}, CLASSES, r"rpn_head\.conv\.weight is missing"),
        ({"backbone.enc.layer4.0.conv1.weight": None}, CLASSES, r"visual\.layer4\.0\.conv1\.weight is missing"),
        ({"proposal_generator.rpn_head.anchor_deltas.bias": torch.zeros(12)}, CLASSES, "anchor_deltas.bias has shape"),
        (
            {"proposal_generator.rpn_head.anchor_deltas.bias": torch.full((60,), torch.nan)},
            CLASSES,
            "60 weights are not",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_named(
    checkpoint: Path, tmp_path: Path, change: dict[str, Tensor | None], classes: list[str], message: str
) -> None:
    state = load_authors_checkpoint(checkpoint) | change
    torch.save({"model": {k: v for k, v in state.items() if v is not None}}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=message):
        import_authors(tmp_path / "other.pth", classes, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_files_names_and_full_folders_are_refused(checkpoint: Path, detector: Detector, tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="not a checkpoint of the authors' code"):
        import_authors(tmp_path / "other.pth", CLASSES, tmp_path / "out")
    with pytest.raises(DataError, match="only once"):
        import_authors(checkpoint, ["car"] * 7, tmp_path / "out")
    with pytest.raises(DataError, match="is there already"):
        import_authors(checkpoint, CLASSES, checkpoint.parent / "imported")
