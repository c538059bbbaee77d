"""What the authors' released detector computes at inference, as plain code: the yardstick for imported checkpoints.

Written from METHOD.md (sections 2 and 4) and detectron2's semantics, without looking at `clipgap`: a state
dict goes in, numbers come out, and nothing here is a `torch.nn.Module`. Read it from top to bottom; every step is one
function.

Constants and small functions are looked up at call time: a test can swap one convention for torchvision's and see
how far the detections move (`test_reference.py` does).
"""

import math
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.tokenizer import tokenize
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.ops import batched_nms, nms, roi_align

MEAN = (0.48145466, 0.4578275, 0.40821073)  # RGB, of values in [0, 1]
STD = (0.26862954, 0.26130258, 0.27577711)
SHORT_SIDE, LONG_SIDE = 600, 1333

ANCHOR_SIZES = (32, 64, 128, 256, 512)  # outer loop
ANCHOR_RATIOS = (0.5, 1.0, 2.0)  # inner loop, height / width
DELTA_CLAMP = math.log(1000 / 16)
RPN_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
PRE_NMS, POST_NMS, RPN_NMS = 6000, 1000, 0.7

ROI_SIZE, ROI_ALIGNED, ROI_SAMPLING = 14, True, 0
ROI_CHUNK = 100  # regions that go through layer4 at once: memory only, regions do not see each other
BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)
TEMPERATURE = 100.0  # the constant; the file's logit_scale is not used
SCORE_THRESHOLD, DETECTION_NMS, DETECTIONS = 0.05, 0.5, 100
TEMPLATE = "a photo of a {}"

VISUAL = "backbone.enc."  # not cls_score.model.visual: that copy stays as CLIP was
TEXT = "roi_heads.box_predictor.cls_score.model."
RPN = "proposal_generator.rpn_head."
BOX = "roi_heads.box_predictor.bbox_pred."

StateDict = Mapping[str, Any]
Size = tuple[int, int]


@dataclass(frozen=True)
class ReferenceImage:
    """Everything computed for one image. Sizes are (height, width), boxes xyxy; N proposals, K classes, D detections.

    The `*_map` tensors and `anchors` cover the padded batch, in the order cell row, cell column, anchor.
    """

    original_size: Size
    resized_size: Size  # without padding: what proposals are clipped to
    padded_size: Size
    features: Tensor  # C x h x w, the C4 features
    anchors: Tensor  # (h*w*15) x 4
    objectness_map: Tensor  # h*w*15 logits
    delta_map: Tensor  # (h*w*15) x 4
    proposals: Tensor  # N x 4, in the resized image, best logit first
    proposal_logits: Tensor  # N
    class_logits: Tensor  # N x (K + 1), background last and always 0
    box_deltas: Tensor  # N x 4K
    resized_boxes: Tensor  # D x 4, the detections before scaling back
    boxes: Tensor  # D x 4, in the original image
    scores: Tensor  # D, best first
    classes: Tensor  # D, 0..K-1 in the authors' order
    proposal_of: Tensor  # D, the row of `proposals` a detection came from


# --- the file ------------------------------------------------------------------------------------------------------


def load_authors_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """State dict of a `.pth` or `.pkl` file as tensors. Only for files these tests wrote: it unpickles anything."""
    path = Path(path)
    if path.suffix == ".pkl":
        with path.open("rb") as file:
            checkpoint = pickle.load(file)
    else:
        checkpoint = torch.load(path, map_location="cpu", weights_only=False)
    return {key: torch.as_tensor(value) for key, value in checkpoint["model"].items()}


def part(state: StateDict, prefix: str, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """The tensors under `prefix`, with the prefix cut off and floats in `dtype`."""
    found = {key[len(prefix) :]: torch.as_tensor(value) for key, value in state.items() if key.startswith(prefix)}
    if not found:
        raise KeyError(f"no key starts with {prefix!r}")
    return {key: value.to(dtype) if value.is_floating_point() else value for key, value in found.items()}


def unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)


# --- the image -----------------------------------------------------------------------------------------------------


def read_image(path: str | Path) -> np.ndarray:
    """H x W x 3 uint8, BGR as detectron2 reads it; EXIF rotation applied."""
    with Image.open(path) as image:
        rgb = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    return rgb[:, :, ::-1]


def resized_size(height: int, width: int, short: int, long: int) -> Size:
    """ResizeShortestEdge: the short side becomes `short` unless the long one would pass `long`; round half up."""
    scale = short / min(height, width)
    new_height, new_width = (short, scale * width) if height < width else (scale * height, short)
    if max(new_height, new_width) > long:
        shrink = long / max(new_height, new_width)
        new_height, new_width = new_height * shrink, new_width * shrink
    return int(new_height + 0.5), int(new_width + 0.5)


def resize(image: np.ndarray, size: Size) -> np.ndarray:
    """PIL bilinear (antialiased when it shrinks) on uint8."""
    height, width = size
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize((width, height), Image.Resampling.BILINEAR))


def normalise(bgr: np.ndarray, dtype: torch.dtype) -> Tensor:
    """BGR uint8 -> 3 x H x W, RGB, CLIP's normalisation."""
    rgb = torch.from_numpy(bgr[:, :, ::-1].copy()).permute(2, 0, 1).to(dtype) / 255
    return (rgb - torch.tensor(MEAN, dtype=dtype)[:, None, None]) / torch.tensor(STD, dtype=dtype)[:, None, None]


def pad_batch(images: Sequence[Tensor]) -> Tensor:
    """Zeros to the right and below, up to the largest height and width of the batch (no size divisibility)."""
    height, width = max(i.shape[1] for i in images), max(i.shape[2] for i in images)
    return torch.stack([F.pad(i, (0, width - i.shape[2], 0, height - i.shape[1])) for i in images])


# --- CLIP's image tower ----------------------------------------------------------------------------------------------


def batch_norm(x: Tensor, w: Mapping[str, Tensor], name: str) -> Tensor:
    """Running statistics, eps 1e-5."""
    mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    return F.batch_norm(x, mean, var, w[f"{name}.weight"], w[f"{name}.bias"], training=False, eps=1e-5)


def bottleneck(x: Tensor, w: Mapping[str, Tensor], name: str, stride: int) -> Tensor:
    """CLIP's residual block: strides are average pools, after the 3x3 convolution and before the shortcut's 1x1."""
    out = F.relu(batch_norm(F.conv2d(x, w[f"{name}.conv1.weight"]), w, f"{name}.bn1"))
    out = F.relu(batch_norm(F.conv2d(out, w[f"{name}.conv2.weight"], padding=1), w, f"{name}.bn2"))
    out = F.avg_pool2d(out, stride) if stride > 1 else out
    out = batch_norm(F.conv2d(out, w[f"{name}.conv3.weight"]), w, f"{name}.bn3")
    if f"{name}.downsample.0.weight" in w:
        x = F.avg_pool2d(x, stride) if stride > 1 else x
        x = batch_norm(F.conv2d(x, w[f"{name}.downsample.0.weight"]), w, f"{name}.downsample.1")
    return F.relu(out + x)


def layer(x: Tensor, w: Mapping[str, Tensor], number: int) -> Tensor:
    """One of layer1..4; all but the first halve the map in their first block."""
    block = 0
    while f"layer{number}.{block}.conv1.weight" in w:
        x = bottleneck(x, w, f"layer{number}.{block}", stride=2 if block == 0 and number > 1 else 1)
        block += 1
    return x


def c4_features(images: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    """V_a: stem, layer1, layer2, layer3."""
    x = F.relu(batch_norm(F.conv2d(images, w["conv1.weight"], stride=2, padding=1), w, "bn1"))
    x = F.relu(batch_norm(F.conv2d(x, w["conv2.weight"], padding=1), w, "bn2"))
    x = F.relu(batch_norm(F.conv2d(x, w["conv3.weight"], padding=1), w, "bn3"))
    x = F.avg_pool2d(x, 2)
    return layer(layer(layer(x, w, 1), w, 2), w, 3)


def attention_pool(x: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    """B x C x h x w -> B x D: the mean token asks, the mean token and all cells answer; heads of 64 channels."""
    batch, channels = x.shape[:2]
    heads = channels // 64
    cells = x.flatten(2).transpose(1, 2)  # B, h*w, C
    tokens = torch.cat([cells.mean(dim=1, keepdim=True), cells], dim=1)
    if tokens.shape[1] != len(w["attnpool.positional_embedding"]):
        raise ValueError(
            f"attention pool has {len(w['attnpool.positional_embedding'])} positions, got {tokens.shape[1]}"
        )
    tokens = tokens + w["attnpool.positional_embedding"]

    def project(name: str, t: Tensor) -> Tensor:
        return F.linear(t, w[f"attnpool.{name}.weight"], w[f"attnpool.{name}.bias"])

    def split(t: Tensor) -> Tensor:  # B, tokens, C -> B, heads, tokens, 64
        return t.reshape(batch, -1, heads, 64).transpose(1, 2)

    query, key, value = (
        split(project("q_proj", tokens[:, :1])),
        split(project("k_proj", tokens)),
        split(project("v_proj", tokens)),
    )
    weights = (query / math.sqrt(64) @ key.transpose(2, 3)).softmax(dim=-1)  # B, heads, 1, tokens
    return project("c_proj", (weights @ value).transpose(1, 2).reshape(batch, channels))


def visual(images: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    """The whole image tower, as CLIP itself uses it."""
    return attention_pool(layer(c4_features(images, w), w, 4), w)


# --- CLIP's text tower ---------------------------------------------------------------------------------------------


def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def text_block(x: Tensor, w: Mapping[str, Tensor], name: str) -> Tensor:
    """Pre-norm transformer block under a causal mask; heads of 64 channels."""
    batch, length, width = x.shape
    heads = width // 64
    mask = torch.full((length, length), -math.inf, dtype=x.dtype).triu(1)

    y = F.layer_norm(x, (width,), w[f"{name}.ln_1.weight"], w[f"{name}.ln_1.bias"], 1e-5)
    y = F.linear(y, w[f"{name}.attn.in_proj_weight"], w[f"{name}.attn.in_proj_bias"])
    query, key, value = (t.reshape(batch, length, heads, 64).transpose(1, 2) for t in y.chunk(3, dim=-1))
    y = (query / math.sqrt(64) @ key.transpose(2, 3) + mask).softmax(dim=-1) @ value
    y = y.transpose(1, 2).reshape(batch, length, width)
    x = x + F.linear(y, w[f"{name}.attn.out_proj.weight"], w[f"{name}.attn.out_proj.bias"])

    y = F.layer_norm(x, (width,), w[f"{name}.ln_2.weight"], w[f"{name}.ln_2.bias"], 1e-5)
    y = quick_gelu(F.linear(y, w[f"{name}.mlp.c_fc.weight"], w[f"{name}.mlp.c_fc.bias"]))
    return x + F.linear(y, w[f"{name}.mlp.c_proj.weight"], w[f"{name}.mlp.c_proj.bias"])


def encode_tokens(tokens: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    """Token numbers -> T(prompt), not normalised: the output at the end-of-text token (the largest), projected."""
    x = w["token_embedding.weight"][tokens] + w["positional_embedding"]
    block = 0
    while f"transformer.resblocks.{block}.ln_1.weight" in w:
        x = text_block(x, w, f"transformer.resblocks.{block}")
        block += 1
    x = F.layer_norm(x, (x.shape[-1],), w["ln_final.weight"], w["ln_final.bias"], 1e-5)
    return x[torch.arange(len(x)), tokens.argmax(dim=-1)] @ w["text_projection"]


def reference_text_embeddings(
    state: StateDict, prompts: Sequence[str], *, normalize: bool = True, dtype: torch.dtype = torch.float32
) -> Tensor:
    """unit(T(prompt)) for every prompt, P x D; `normalize=False` gives T(prompt)."""
    w = part(state, TEXT, dtype)
    tokens = tokenize(list(prompts), context_length=len(w["positional_embedding"]))
    embeddings = encode_tokens(tokens, w)
    return unit(embeddings) if normalize else embeddings


# --- boxes ---------------------------------------------------------------------------------------------------------


def cell_anchors() -> list[tuple[float, float, float, float]]:
    """The 15 anchors around (0, 0): sizes outside, ratios inside, not rounded."""
    boxes = []
    for size in ANCHOR_SIZES:
        for ratio in ANCHOR_RATIOS:
            width = math.sqrt(size**2 / ratio)
            height = ratio * width
            boxes.append((-width / 2, -height / 2, width / 2, height / 2))
    return boxes


def stride_of(image_size: int, grid: int) -> int:
    """16, whatever the sizes; `image_size // grid` would be 15 for a side of 1199."""
    return 16


def grid_anchors(grid: Size, padded: Size, dtype: torch.dtype) -> Tensor:
    """(h*w*15) x 4, centred on (16 x, 16 y): row, column, anchor."""
    y, x = torch.meshgrid(
        torch.arange(grid[0], dtype=dtype) * stride_of(padded[0], grid[0]),
        torch.arange(grid[1], dtype=dtype) * stride_of(padded[1], grid[1]),
        indexing="ij",
    )
    shifts = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4)
    return (shifts + torch.tensor(cell_anchors(), dtype=dtype)).reshape(-1, 4)


def decode(boxes: Tensor, deltas: Tensor, weights: Sequence[float]) -> Tensor:
    """N x 4 boxes moved by N x 4 deltas (dx, dy, dw, dh); dw and dh are clamped from above only."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    centre_x, centre_y = boxes[:, 0] + 0.5 * width, boxes[:, 1] + 0.5 * height
    dx, dy = deltas[:, 0] / weights[0], deltas[:, 1] / weights[1]
    dw = (deltas[:, 2] / weights[2]).clamp(max=DELTA_CLAMP)
    dh = (deltas[:, 3] / weights[3]).clamp(max=DELTA_CLAMP)
    centre_x, centre_y = dx * width + centre_x, dy * height + centre_y
    width, height = dw.exp() * width, dh.exp() * height
    return torch.stack(
        [centre_x - 0.5 * width, centre_y - 0.5 * height, centre_x + 0.5 * width, centre_y + 0.5 * height], dim=1
    )


def clip(boxes: Tensor, size: Size) -> Tensor:
    height, width = size
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([x1.clamp(0, width), y1.clamp(0, height), x2.clamp(0, width), y2.clamp(0, height)], dim=-1)


def not_empty(boxes: Tensor) -> Tensor:
    return (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])


# --- region proposals ----------------------------------------------------------------------------------------------


def rpn_head(features: Tensor, w: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """B x C x h x w -> logits B x (h*w*15) and deltas B x (h*w*15) x 4; channel a, channel a*4 + (dx, dy, dw, dh)."""
    x = F.relu(F.conv2d(features, w["conv.weight"], w["conv.bias"], padding=1))
    logits = F.conv2d(x, w["objectness_logits.weight"], w["objectness_logits.bias"])
    deltas = F.conv2d(x, w["anchor_deltas.weight"], w["anchor_deltas.bias"])
    batch, anchors, height, width = logits.shape
    logits = logits.permute(0, 2, 3, 1).reshape(batch, -1)
    deltas = deltas.reshape(batch, anchors, 4, height, width).permute(0, 3, 4, 1, 2).reshape(batch, -1, 4)
    return logits, deltas


def ranking(logits: Tensor) -> Tensor:
    """What proposals are ordered by: the logit itself. (torchvision: its sigmoid, which is 1.0 for many.)"""
    return logits


def propose(anchors: Tensor, logits: Tensor, deltas: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """One image: the best 6000 by logit, decoded, clipped to the unpadded image, empty ones out, NMS, the best 1000."""
    boxes = decode(anchors, deltas, RPN_WEIGHTS)
    top = ranking(logits).topk(min(PRE_NMS, len(logits))).indices
    boxes, logits = boxes[top], logits[top]
    finite = boxes.isfinite().all(dim=1) & logits.isfinite()
    boxes, logits = clip(boxes[finite], size), logits[finite]
    keep = not_empty(boxes)
    boxes, logits = boxes[keep], logits[keep]
    keep = nms(boxes, ranking(logits), RPN_NMS)[:POST_NMS]
    return boxes[keep], logits[keep]


# --- regions -------------------------------------------------------------------------------------------------------


def region_vectors(features: Tensor, boxes: Tensor, w: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Features 1 x C x h x w of one image and its boxes -> attention-pooled N x D, spatial means of layer4 N x C'."""
    attended, means = [], []
    for chunk in boxes.split(ROI_CHUNK):
        regions = roi_align(features, [chunk], ROI_SIZE, 1 / 16, ROI_SAMPLING, ROI_ALIGNED)
        out = layer(regions, w, 4)
        attended.append(attention_pool(out, w))
        means.append(out.mean(dim=(2, 3)))
    return torch.cat(attended), torch.cat(means)


def detect_in_regions(
    proposals: Tensor, class_logits: Tensor, box_deltas: Tensor, size: Size
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One image: boxes in the resized image, scores, classes, and the proposal each came from; best first."""
    classes = class_logits.shape[1] - 1
    scores = class_logits.softmax(dim=-1)
    boxes = torch.stack(
        [decode(proposals, box_deltas[:, c * 4 : c * 4 + 4], BOX_WEIGHTS) for c in range(classes)], dim=1
    )
    finite = boxes.isfinite().flatten(1).all(dim=1) & scores.isfinite().all(dim=1)
    rows = finite.nonzero()[:, 0]
    boxes, scores = clip(boxes[rows], size), scores[rows, :classes]  # N x K x 4, N x K; the background goes
    row, label = (scores > SCORE_THRESHOLD).nonzero().unbind(1)
    boxes, scores, rows = boxes[row, label], scores[row, label], rows[row]
    keep = batched_nms(boxes, scores, label, DETECTION_NMS)[:DETECTIONS]
    return boxes[keep], scores[keep], label[keep], rows[keep]


# --- all of it -----------------------------------------------------------------------------------------------------


@torch.no_grad()
def reference_detect(
    state: StateDict,
    image_paths: str | Path | Sequence[str | Path],
    classes: Sequence[str] | Tensor,
    *,
    short: int | None = None,
    long: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> list[ReferenceImage]:
    """Detections of the authors' model on ONE batch of images (a single path is a batch of one), in the order given.

    `classes` are names ("a photo of a {}" is put around them) or K x D embeddings. `dtype=torch.float64` tells how much
    of a difference is rounding.
    """
    paths = [image_paths] if isinstance(image_paths, (str, Path)) else list(image_paths)
    if isinstance(classes, Tensor):
        embeddings = unit(classes.to(dtype))
    else:
        embeddings = reference_text_embeddings(state, [TEMPLATE.format(name) for name in classes], dtype=dtype)
    tower, rpn, box = part(state, VISUAL, dtype), part(state, RPN, dtype), part(state, BOX, dtype)
    if len(box["weight"]) != 4 * len(embeddings):
        raise ValueError(
            f"bbox_pred has {len(box['weight'])} rows, {len(embeddings)} classes need {4 * len(embeddings)}"
        )

    originals = [read_image(path) for path in paths]
    sizes = [resized_size(*i.shape[:2], short or SHORT_SIDE, long or LONG_SIDE) for i in originals]
    images = pad_batch([normalise(resize(i, size), dtype) for i, size in zip(originals, sizes, strict=True)])
    padded = (images.shape[2], images.shape[3])

    features = c4_features(images, tower)  # at test time no semantic augmentation is added
    all_logits, all_deltas = rpn_head(features, rpn)
    anchors = grid_anchors((features.shape[2], features.shape[3]), padded, dtype)

    results = []
    for n, size in enumerate(sizes):
        proposals, proposal_logits = propose(anchors, all_logits[n], all_deltas[n], size)
        attended, means = region_vectors(features[n : n + 1], proposals, tower)
        class_logits = TEMPERATURE * unit(attended) @ embeddings.T
        class_logits = torch.cat([class_logits, class_logits.new_zeros(len(class_logits), 1)], dim=1)
        box_deltas = F.linear(means, box["weight"], box["bias"])
        resized, scores, labels, rows = detect_in_regions(proposals, class_logits, box_deltas, size)

        height, width = originals[n].shape[:2]
        scale = torch.tensor([width / size[1], height / size[0]], dtype=dtype).repeat(2)
        boxes = clip(resized * scale, (height, width))
        keep = not_empty(boxes)
        results.append(
            ReferenceImage(
                original_size=(height, width),
                resized_size=size,
                padded_size=padded,
                features=features[n],
                anchors=anchors,
                objectness_map=all_logits[n],
                delta_map=all_deltas[n],
                proposals=proposals,
                proposal_logits=proposal_logits,
                class_logits=class_logits,
                box_deltas=box_deltas,
                resized_boxes=resized[keep],
                boxes=boxes[keep],
                scores=scores[keep],
                classes=labels[keep],
                proposal_of=rows[keep],
            )
        )
    return results


# --- comparing -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """How two lists of boxes differ; the worst differences are over the matched ones."""

    matched: int
    missing: list[int]  # rows of the wanted list
    extra: list[int]  # rows of the got list
    worst_box: float  # pixels
    worst_score: float

    @property
    def same(self) -> bool:
        return not self.missing and not self.extra


def compare(
    want: tuple[Tensor, Tensor, Tensor],
    got: tuple[Tensor, Tensor, Tensor],
    *,
    box_tolerance: float = 0.05,
    score_tolerance: float = 1e-3,
) -> Comparison:
    """Match (boxes, scores, classes) one to one, whatever their order: same class, box and score within tolerance.

    For proposals pass the logits as scores and zeros as classes.
    """
    want_boxes, want_scores, want_classes = want
    got_boxes, got_scores, got_classes = (t.to(w.dtype) for t, w in zip(got, want, strict=True))
    free = torch.ones(len(got_boxes), dtype=torch.bool)
    missing, worst_box, worst_score = [], 0.0, 0.0
    for i in range(len(want_boxes)):
        box_off = (got_boxes - want_boxes[i]).abs().amax(dim=1) if len(got_boxes) else torch.zeros(0)
        score_off = (got_scores - want_scores[i]).abs()
        fits = free & (got_classes == want_classes[i]) & (box_off <= box_tolerance) & (score_off <= score_tolerance)
        if not fits.any():
            missing.append(i)
            continue
        j = int(box_off.masked_fill(~fits, math.inf).argmin())
        free[j] = False
        worst_box, worst_score = max(worst_box, float(box_off[j])), max(worst_score, float(score_off[j]))
    return Comparison(len(want_boxes) - len(missing), missing, free.nonzero()[:, 0].tolist(), worst_box, worst_score)
