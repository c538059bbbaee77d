"""Checks of the yardstick itself: against open_clip, against numbers worked out by hand, and that mistakes show.

The last part swaps one convention at a time for what torchvision or a careless importer does; detections must change.
That is what makes a comparison with the reference worth something.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip.model import CLIPTextCfg, CLIPVisionCfg
from open_clip.modified_resnet import ModifiedResNet
from PIL import Image
from torch import Tensor
from torchvision.ops import batched_nms

from tests.parity import reference, synthetic
from tests.parity.reference import ReferenceImage, compare, reference_detect, reference_text_embeddings
from tests.parity.synthetic import CLASS_NAMES, TINY, draw_image, synthetic_state_dict, write_synthetic_checkpoint

CLASSES = CLASS_NAMES[:7]
PROMPTS = ["a photo of a bus", "an image taken on a stormy evening", "a photo of a person"]
SMALL = {"short": 240, "long": 533}  # the same shapes as 600 and 1333, faster


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Tiny; on `street` it gives fewer than 100 detections, so the score threshold decides."""
    return synthetic_state_dict(seed=6, **TINY)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for name, (height, width) in {"street": (720, 1280), "odd": (720, 1439), "tall": (1000, 700)}.items():
        Image.fromarray(draw_image(height, width, seed=5)).save(folder / f"{name}.png")
    return folder


def detections(image: ReferenceImage) -> tuple[Tensor, Tensor, Tensor]:
    return image.boxes, image.scores, image.classes


def proposals(image: ReferenceImage) -> tuple[Tensor, Tensor, Tensor]:
    return image.proposals, image.proposal_logits, torch.zeros(len(image.proposals))


# --- against open_clip ---------------------------------------------------------------------------------------------


def test_image_tower_equals_open_clip(state: dict[str, Tensor]) -> None:
    weights = reference.part(state, reference.VISUAL)
    tower = ModifiedResNet(TINY["layers"], TINY["embed_dim"], heads=4, image_size=224, width=TINY["width"]).eval()
    tower.load_state_dict(weights, strict=True)
    images = torch.stack([reference.normalise(draw_image(224, 224, seed), torch.float32) for seed in (1, 2)])
    with torch.no_grad():
        want = tower(images)
        torch.testing.assert_close(reference.visual(images, weights), want, rtol=1e-4, atol=1e-5)
        assert (want[0] - want[1]).norm() > 0.01 * want[0].norm()


def whole_clip(state: dict[str, Tensor], quick_gelu: bool) -> open_clip.CLIP:
    vision = CLIPVisionCfg(layers=TINY["layers"], width=TINY["width"], image_size=224)
    text = CLIPTextCfg(context_length=TINY["context"], width=64, heads=1, layers=TINY["text_layers"])
    model = open_clip.CLIP(TINY["embed_dim"], vision, text, quick_gelu=quick_gelu).eval()
    model.load_state_dict(reference.part(state, reference.TEXT), strict=True)
    return model


def test_text_embeddings_equal_open_clip_with_quick_gelu(state: dict[str, Tensor]) -> None:
    tokens = open_clip.tokenize(PROMPTS, context_length=TINY["context"])
    got = reference_text_embeddings(state, PROMPTS, normalize=False)
    with torch.no_grad():
        torch.testing.assert_close(got, whole_clip(state, True).encode_text(tokens), rtol=1e-4, atol=1e-5)
        plain = whole_clip(state, False).encode_text(tokens)
    assert (got - plain).norm() > 1e-3 * got.norm()
    torch.testing.assert_close(reference_text_embeddings(state, PROMPTS).norm(dim=1), torch.ones(3))


def test_the_classifiers_image_tower_is_not_the_detectors(state: dict[str, Tensor]) -> None:
    trained, original = (reference.part(state, p) for p in (reference.VISUAL, reference.TEXT + "visual."))
    assert trained.keys() == original.keys()
    assert not torch.equal(trained["conv1.weight"], original["conv1.weight"])


# --- by hand -------------------------------------------------------------------------------------------------------


def test_first_anchors() -> None:
    half = [  # half width, half height of sizes 32 64 128 256 512 (outer), h/w 0.5 1 2 (inner)
        (22.627417, 11.3137085), (16, 16), (11.3137085, 22.627417),
        (45.254834, 22.627417), (32, 32), (22.627417, 45.254834),
        (90.509668, 45.254834), (64, 64), (45.254834, 90.509668),
        (181.019336, 90.509668), (128, 128), (90.509668, 181.019336),
        (362.038672, 181.019336), (256, 256), (181.019336, 362.038672),
    ]  # fmt: skip
    want = torch.tensor([(-w, -h, w, h) for w, h in half])
    anchors = reference.grid_anchors((37, 66), (600, 1067), torch.float32)
    assert anchors.shape == (37 * 66 * 15, 4)
    torch.testing.assert_close(anchors[:15], want)
    torch.testing.assert_close(anchors[15:30], want + torch.tensor([16, 0, 16, 0]))  # one column on
    torch.testing.assert_close(anchors[66 * 15 : 67 * 15], want + torch.tensor([0, 16, 0, 16]))  # one row on


@pytest.mark.parametrize(
    ("original", "want"),
    [
        ((720, 1280), (600, 1067)),  # 1066.67: rounded, not floored
        ((1280, 720), (1067, 600)),
        ((720, 1439), (600, 1199)),
        ((500, 2000), (333, 1333)),  # the long side decides
        ((300, 300), (600, 600)),
    ],
)
def test_resized_size(original: tuple[int, int], want: tuple[int, int]) -> None:
    assert reference.resized_size(*original, 600, 1333) == want


def test_decode_clamps_growth_only() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 20]]).repeat(2, 1)
    deltas = torch.tensor([[0.1, 0.2, math.log(2), 10.0], [1.0, 2.0, -10.0, 0.0]])
    got = reference.decode(boxes, deltas, (1, 1, 1, 1))
    torch.testing.assert_close(got[0], torch.tensor([-4.0, 14 - 625, 16, 14 + 625]))
    assert 0 < got[1, 2] - got[1, 0] < 1e-3
    # Weights divide the deltas.
    torch.testing.assert_close(reference.decode(boxes, deltas * torch.tensor([10, 10, 5, 5]), (10, 10, 5, 5)), got)


def test_image_is_rgb_normalised_and_exif_turned(tmp_path: Path) -> None:
    red = Image.fromarray(np.full((4, 6, 3), (255, 0, 0), dtype=np.uint8))
    exif = red.getexif()
    exif[0x0112] = 6  # turn by 90 degrees
    red.save(tmp_path / "red.png", exif=exif)
    image = reference.normalise(reference.read_image(tmp_path / "red.png"), torch.float32)
    assert image.shape == (3, 6, 4)
    want = [(1 - 0.48145466) / 0.26862954, -0.4578275 / 0.26130258, -0.40821073 / 0.27577711]
    torch.testing.assert_close(image[:, 0, 0], torch.tensor(want))


def test_compare_matches_in_any_order_and_tells_what_is_missing() -> None:
    generator = torch.Generator().manual_seed(0)
    want = (torch.rand(9, 4, generator=generator) * 100, torch.rand(9, generator=generator), torch.arange(9) % 3)
    order = torch.randperm(9, generator=generator)
    got = tuple(t[order] for t in want)
    assert compare(want, got).same
    got[0][2] += 1
    result = compare(want, got)
    assert (result.missing, result.extra, result.matched) == ([int(order[2])], [2], 8)
    nothing = (torch.zeros(0, 4), torch.zeros(0), torch.zeros(0))
    assert compare(nothing, nothing).same
    assert compare(want, nothing).missing == list(range(9))


# --- the synthetic checkpoint --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "numpy_arrays"), [("a.pth", False), ("a.pth", True), ("a.pkl", False)])
def test_file_forms_hold_the_same_weights(
    tmp_path: Path, state: dict[str, Tensor], name: str, numpy_arrays: bool
) -> None:
    path = write_synthetic_checkpoint(tmp_path / name, seed=6, numpy_arrays=numpy_arrays, **TINY)
    loaded = reference.load_authors_checkpoint(path)
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key], state[key]) for key in state)


def test_layout_and_seed(state: dict[str, Tensor]) -> None:
    assert state["offsets"].shape == (15, 128, 14, 14)
    assert state["roi_heads.box_predictor.bbox_pred.weight"].shape == (28, 256)
    assert state["proposal_generator.rpn_head.anchor_deltas.weight"].shape == (60, 128, 1, 1)
    for dead in (
        "frozen_clip_model.",
        "backbone_unchanged.",
        "roi_heads.res5.",
        "clip_im_predictor.",
        "proj",
        "pixel_",
    ):
        assert any(key.startswith(dead) for key in state)
    other = synthetic_state_dict(seed=7, classes=3, prompts=2, **TINY)
    assert other["offsets"].shape == (2, 128, 14, 14)
    assert other["roi_heads.box_predictor.bbox_pred.bias"].shape == (12,)
    assert not torch.equal(other["backbone.enc.conv1.weight"], state["backbone.enc.conv1.weight"])
    with pytest.raises(ValueError, match="text_heads"):
        synthetic_state_dict(**{**TINY, "text_width": 32})


@pytest.fixture(scope="module")
def street(state: dict[str, Tensor], folder: Path) -> ReferenceImage:
    return reference_detect(state, folder / "street.png", CLASSES)[0]


def test_synthetic_checkpoint_is_discriminating(street: ReferenceImage, folder: Path) -> None:
    assert (street.original_size, street.resized_size, street.padded_size) == ((720, 1280), (600, 1067), (600, 1067))
    assert street.features.shape == (128, 37, 66)
    assert (street.objectness_map.sigmoid() == 1).sum() > 300  # saturated: a ranking by score has ties
    assert (street.proposal_logits > 17).sum() > 100
    assert len(street.proposals) == reference.POST_NMS
    assert (street.delta_map[:, 2:] > reference.DELTA_CLAMP).sum() > 50
    moved = reference.clip(reference.decode(street.anchors, street.delta_map, (1, 1, 1, 1)), street.resized_size)
    assert (~reference.not_empty(moved)).sum() > 50
    growth = street.box_deltas.view(-1, 7, 4)[:, :, 2:] / 5
    assert (growth > reference.DELTA_CLAMP).sum() > 20
    assert 20 < len(street.boxes) < reference.DETECTIONS
    assert len(street.classes.unique()) >= 3
    assert (street.scores < 0.1).any()
    assert (street.scores > 0.5).any()
    assert (street.class_logits[:, -1] == 0).all()
    assert (street.scores.diff() <= 0).all()
    boxes, scores = street.proposals[street.proposal_of], street.class_logits.softmax(dim=1)
    assert torch.equal(scores[street.proposal_of, street.classes], street.scores)
    assert boxes.shape == street.boxes.shape


def test_another_seed_fills_the_hundred_detections(folder: Path) -> None:
    state = synthetic_state_dict(seed=0, **TINY)
    (image,) = reference_detect(state, folder / "street.png", CLASSES)
    assert len(image.boxes) == 100
    assert image.scores.min() > 0.1


def test_side_of_1199(state: dict[str, Tensor], folder: Path) -> None:
    (image,) = reference_detect(state, folder / "odd.png", CLASSES)
    assert image.resized_size == (600, 1199)
    assert image.features.shape == (128, 37, 75)
    assert image.anchors[-15:, 0::2].mean() == pytest.approx(16 * 74)
    assert 1199 // 75 == 15  # what a stride worked out from the sizes would be


def test_batch_of_two_sizes(state: dict[str, Tensor], folder: Path, street: ReferenceImage) -> None:
    first, second = reference_detect(state, [folder / "street.png", folder / "tall.png"], CLASSES)
    assert first.padded_size == second.padded_size == (857, 1067)
    assert (first.resized_size, second.resized_size) == ((600, 1067), (857, 600))
    for image in (first, second):
        for boxes, (height, width) in ((image.proposals, image.resized_size), (image.boxes, image.original_size)):
            assert boxes.min() >= 0
            assert boxes[:, 2].max() <= width
            assert boxes[:, 3].max() <= height
        assert len(image.boxes) > 5
    # Anchors that stand in the padding take part, so an image alone and in a batch differ.
    assert not compare(proposals(street), proposals(first)).same


def test_rounding_does_not_decide(state: dict[str, Tensor], folder: Path, street: ReferenceImage) -> None:
    (exact,) = reference_detect(state, folder / "street.png", CLASSES, dtype=torch.float64)
    assert compare(proposals(exact), proposals(street)).same
    assert compare(detections(exact), detections(street)).same


def test_names_and_embeddings_give_the_same(state: dict[str, Tensor], folder: Path) -> None:
    embeddings = 3 * reference_text_embeddings(state, [f"a photo of a {name}" for name in CLASSES])
    (by_name,) = reference_detect(state, folder / "street.png", CLASSES, **SMALL)
    (by_embedding,) = reference_detect(state, folder / "street.png", embeddings, **SMALL)
    assert compare(detections(by_name), detections(by_embedding)).same
    with pytest.raises(ValueError, match="28 rows"):
        reference_detect(state, folder / "street.png", CLASSES[:6], **SMALL)


# --- wrong conventions must show -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mistake:
    name: str
    attribute: str = ""  # of the reference module
    value: Any = None
    image: str = "street"
    weights: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict
    proposals_move: bool = True  # False: only the second half is wrong


def ratio_outer() -> list[tuple[float, float, float, float]]:
    anchors = RIGHT_ANCHORS
    return [anchors[size * 3 + ratio] for ratio in range(3) for size in range(5)]


def rounded() -> list[tuple[float, ...]]:
    return [tuple(round(x) for x in anchor) for anchor in RIGHT_ANCHORS]


def float_resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    tensor = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    return F.interpolate(tensor, size=size, mode="bilinear", align_corners=False)[0].permute(1, 2, 0).numpy()


def floored_size(height: int, width: int, short: int, long: int) -> tuple[int, int]:
    scale = min(short / min(height, width), long / max(height, width))
    return math.floor(height * scale), math.floor(width * scale)


def pad_to_32(images: list[Tensor]) -> Tensor:
    height, width = (math.ceil(max(i.shape[d] for i in images) / 32) * 32 for d in (1, 2))
    return torch.stack([F.pad(i, (0, width - i.shape[2], 0, height - i.shape[1])) for i in images])


def bgr(image: np.ndarray, dtype: torch.dtype) -> Tensor:
    return RIGHT_NORMALISE(image[:, :, ::-1], dtype)


def by_score(logits: Tensor) -> Tensor:
    return logits.sigmoid()


def empty_ones_dropped_first(boxes: Tensor, scores: Tensor, classes: Tensor, threshold: float) -> Tensor:
    """torchvision's order; detectron2 lets empty boxes fill places of the best 100 and drops them at the very end."""
    rows = reference.not_empty(boxes).nonzero()[:, 0]
    return rows[batched_nms(boxes[rows], scores[rows], classes[rows], threshold)]


def delta_major(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Channels read as (dx of all anchors, dy of all, ..)."""
    key = "proposal_generator.rpn_head.anchor_deltas"
    swap = {
        f"{key}.{n}": state[f"{key}.{n}"].unflatten(0, (15, 4)).transpose(0, 1).flatten(0, 1)
        for n in ("weight", "bias")
    }
    return state | swap


def background_first(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The regressor's rows shifted by one class."""
    key = "roi_heads.box_predictor.bbox_pred"
    return state | {f"{key}.{n}": state[f"{key}.{n}"].roll(4, dims=0) for n in ("weight", "bias")}


RIGHT_ANCHORS = reference.cell_anchors()
RIGHT_NORMALISE = reference.normalise
RIGHT_FEATURES = reference.c4_features
MISTAKES = [
    Mistake("proposals ranked by score", "ranking", by_score, image="odd"),
    Mistake("anchors ratio-outer", "cell_anchors", ratio_outer),
    Mistake("anchors rounded", "cell_anchors", rounded),
    Mistake("stride from sizes", "stride_of", lambda size, grid: size // grid, image="odd"),
    Mistake("deltas in another order", weights=delta_major),
    # In the RPN the clamp is out of sight: 62.5 times the smallest anchor covers the image, the clip hides the rest.
    Mistake("growth not clamped", "DELTA_CLAMP", math.inf, proposals_move=False),
    Mistake("float resize, no antialias", "resize", float_resize),
    Mistake("size floored", "resized_size", floored_size),
    Mistake("BGR", "normalise", bgr),
    Mistake("padded to a multiple of 32", "pad_batch", pad_to_32),
    Mistake("the classifier's image tower", "VISUAL", reference.TEXT + "visual."),
    Mistake("RoIAlign not aligned", "ROI_ALIGNED", False, proposals_move=False),
    Mistake("RoIAlign with 2 samples", "ROI_SAMPLING", 2, proposals_move=False),
    Mistake("plain GELU", "quick_gelu", F.gelu, proposals_move=False),
    Mistake("the file's logit_scale", "TEMPERATURE", 1 / 0.07, proposals_move=False),
    Mistake("box rows off by one class", weights=background_first, proposals_move=False),
    Mistake("box deltas without weights", "BOX_WEIGHTS", (1.0, 1.0, 1.0, 1.0), proposals_move=False),
    Mistake("score threshold 0.06", "SCORE_THRESHOLD", 0.06, proposals_move=False),
    Mistake("NMS 0.6", "DETECTION_NMS", 0.6, proposals_move=False),
    Mistake("empty first", "batched_nms", empty_ones_dropped_first, image="odd", proposals_move=False),
]


@pytest.fixture(scope="module")
def busy() -> dict[str, Tensor]:
    """Tiny; with this seed every mistake of the list shows on a small image."""
    return synthetic_state_dict(seed=3, **TINY)


def detect_quickly(state: dict[str, Tensor], folder: Path, name: str) -> ReferenceImage:
    size = {"street": SMALL, "odd": {}}[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "POST_NMS", 300)
        return reference_detect(state, folder / f"{name}.png", CLASSES, **size)[0]


@pytest.fixture(scope="module")
def right(busy: dict[str, Tensor], folder: Path) -> dict[str, ReferenceImage]:
    return {name: detect_quickly(busy, folder, name) for name in ("street", "odd")}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: m.name)
def test_wrong_convention_shows(
    mistake: Mistake,
    busy: dict[str, Tensor],
    folder: Path,
    right: dict[str, ReferenceImage],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if mistake.attribute:
        monkeypatch.setattr(reference, mistake.attribute, mistake.value)
    wrong = detect_quickly(mistake.weights(busy), folder, mistake.image)
    assert compare(proposals(right[mistake.image]), proposals(wrong)).same is not mistake.proposals_move
    assert not compare(detections(right[mistake.image]), detections(wrong)).same


def test_adding_the_augmentations_at_test_time_shows(
    busy: dict[str, Tensor], folder: Path, right: dict[str, ReferenceImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    offset = busy["offsets"][0].mean(dim=(1, 2))[:, None, None]
    monkeypatch.setattr(reference, "c4_features", lambda images, w: RIGHT_FEATURES(images, w) + offset)
    wrong = detect_quickly(busy, folder, "street")
    assert not compare(detections(right["street"]), detections(wrong)).same


# --- the size people use -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_rn101_from_the_command_line(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A minute on one core, 0.8 GB of disk and 2 GB of memory."""
    synthetic.main(["--out", str(tmp_path / "authors.pth")])
    assert "7 classes" in capsys.readouterr().out
    state = reference.load_authors_checkpoint(tmp_path / "authors.pth")
    assert state["offsets"].shape == (15, 1024, 14, 14)
    (image,) = reference_detect(state, folder / "street.png", CLASSES)
    assert image.features.shape == (1024, 37, 66)
    assert len(image.proposals) == 1000
    assert len(image.boxes) > 20
