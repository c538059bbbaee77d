"""A checkpoint in the authors' layout with random weights, on which every convention of the method leaves a mark.

Plain random heads would not do: all scores would be 0.5 and all boxes anchors, and a wrong importer would pass. So the
weights are drawn (BatchNorm affine and statistics too), then the heads are scaled on a probe image: objectness logits
spread with std 8 (some saturate the sigmoid), some deltas pass the clamp, class logits differ between regions.

    python -m tests.parity.synthetic --out synthetic_authors.pth --classes 7
"""

import argparse
import math
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.tokenizer import tokenize
from torch import Tensor
from torchvision.ops import roi_align

from tests.parity import reference

Weights = dict[str, Tensor]

# The first seven are Diverse Weather's, in the authors' order.
CLASS_NAMES = ("bus", "bike", "car", "motor", "person", "rider", "truck")
CLASS_NAMES += ("aeroplane", "bird", "boat", "bottle", "cat", "chair", "cow", "dog", "horse", "sheep", "sofa", "train")
# A tower that detects in a second: pass it as `**TINY`. Widths stay multiples of 64 where heads are counted.
TINY: dict[str, Any] = {
    "layers": (2, 1, 2, 1),
    "width": 8,
    "embed_dim": 64,
    "text_width": 64,
    "text_layers": 2,
    "text_heads": 1,
    "context": 16,
}
OBJECTNESS_STD, LOGIT_STD, BACKGROUND = 8.0, 3.0, 0.98


def draw_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """H x W x 3 uint8: a colour gradient under random rectangles of all sizes, so that every region looks different."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    image = np.stack([255 * x, 255 * y, 255 * (1 - x) * (1 - y)], axis=2)
    for _ in range(60):
        h, w = (int(side * random.uniform(0.04, 0.4)) + 1 for side in (height, width))
        top, left = random.integers(0, height - h + 1), random.integers(0, width - w + 1)
        image[top : top + h, left : left + w] = random.integers(0, 256, 3)
    image += random.normal(0, 12, image.shape)
    return image.clip(0, 255).astype(np.uint8)


class Draw:
    """Seeded random tensors."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def normal(self, *shape: int, std: float) -> Tensor:
        return torch.randn(shape, generator=self.generator) * std

    def uniform(self, *shape: int, low: float, high: float) -> Tensor:
        return torch.rand(shape, generator=self.generator) * (high - low) + low

    def conv(self, out: int, in_: int, kernel: int) -> Tensor:
        return self.normal(out, in_, kernel, kernel, std=math.sqrt(2 / (in_ * kernel * kernel)))

    def batch_norm(self, channels: int, low: float = 0.6, high: float = 1.4) -> Weights:
        return {
            "weight": self.uniform(channels, low=low, high=high),
            "bias": self.normal(channels, std=0.1),
            "running_mean": self.normal(channels, std=0.1),
            "running_var": self.uniform(channels, low=0.6, high=1.4),
            "num_batches_tracked": torch.tensor(100),
        }

    def layer_norm(self, width: int) -> Weights:
        return {"weight": self.uniform(width, low=0.6, high=1.4), "bias": self.normal(width, std=0.1)}


def under(prefix: str, weights: Weights) -> Weights:
    return {f"{prefix}.{key}": value for key, value in weights.items()}


def visual_tower(draw: Draw, layers: Sequence[int], width: int, image_size: int, embed_dim: int) -> Weights:
    """CLIP's ModifiedResNet: three stem convolutions, layer1..4, attention pool."""
    weights: Weights = {}
    stem = [(3, width // 2), (width // 2, width // 2), (width // 2, width)]
    for n, (in_, out) in enumerate(stem, start=1):
        weights[f"conv{n}.weight"] = draw.conv(out, in_, 3)
        weights |= under(f"bn{n}", draw.batch_norm(out))
    channels = width
    for n, blocks in enumerate(layers, start=1):
        planes = width * 2 ** (n - 1)
        for block in range(blocks):
            name = f"layer{n}.{block}"
            weights[f"{name}.conv1.weight"] = draw.conv(planes, channels, 1)
            weights |= under(f"{name}.bn1", draw.batch_norm(planes))
            weights[f"{name}.conv2.weight"] = draw.conv(planes, planes, 3)
            weights |= under(f"{name}.bn2", draw.batch_norm(planes))
            weights[f"{name}.conv3.weight"] = draw.conv(planes * 4, planes, 1)
            weights |= under(f"{name}.bn3", draw.batch_norm(planes * 4, low=0.1, high=0.5))
            if block == 0:
                weights[f"{name}.downsample.0.weight"] = draw.conv(planes * 4, channels, 1)
                weights |= under(f"{name}.downsample.1", draw.batch_norm(planes * 4))
            channels = planes * 4
    weights["attnpool.positional_embedding"] = draw.normal((image_size // 32) ** 2 + 1, channels, std=channels**-0.5)
    for name, out in (("q_proj", channels), ("k_proj", channels), ("v_proj", channels), ("c_proj", embed_dim)):
        weights[f"attnpool.{name}.weight"] = draw.normal(out, channels, std=channels**-0.5)
        weights[f"attnpool.{name}.bias"] = draw.normal(out, std=0.02)
    return weights


def text_tower(draw: Draw, embed_dim: int, width: int, layers: int, vocab: int, context: int) -> Weights:
    """CLIP's text transformer at OpenAI's initial scale, with biases and LayerNorms re-drawn."""
    weights: Weights = {
        "positional_embedding": draw.normal(context, width, std=0.01),
        "text_projection": draw.normal(width, embed_dim, std=width**-0.5),
        "logit_scale": torch.tensor(math.log(1 / 0.07)),  # exp is 14.3: not the 100 that the class logits use
        "token_embedding.weight": draw.normal(vocab, width, std=0.02),
    }
    residual = width**-0.5 * (2 * layers) ** -0.5
    for block in range(layers):
        name = f"transformer.resblocks.{block}"
        weights[f"{name}.attn.in_proj_weight"] = draw.normal(3 * width, width, std=width**-0.5)
        weights[f"{name}.attn.in_proj_bias"] = draw.normal(3 * width, std=0.02)
        weights[f"{name}.attn.out_proj.weight"] = draw.normal(width, width, std=residual)
        weights[f"{name}.attn.out_proj.bias"] = draw.normal(width, std=0.02)
        weights |= under(f"{name}.ln_1", draw.layer_norm(width))
        weights[f"{name}.mlp.c_fc.weight"] = draw.normal(4 * width, width, std=(2 * width) ** -0.5)
        weights[f"{name}.mlp.c_fc.bias"] = draw.normal(4 * width, std=0.02)
        weights[f"{name}.mlp.c_proj.weight"] = draw.normal(width, 4 * width, std=residual)
        weights[f"{name}.mlp.c_proj.bias"] = draw.normal(width, std=0.02)
        weights |= under(f"{name}.ln_2", draw.layer_norm(width))
    return weights | under("ln_final", draw.layer_norm(width))


def spread_classes(text: Weights, tokens: Tensor) -> Tensor:
    """Shift ln_final's bias so that class embeddings differ (cosines about 0.4 and not 0.99); returns them, K x D."""
    unprojected = text | {"text_projection": torch.eye(len(text["text_projection"]))}
    text["ln_final.bias"] -= 0.9 * reference.encode_tokens(tokens, unprojected).mean(dim=0)
    return reference.unit(reference.encode_tokens(tokens, text))


def centre_regions(draw: Draw, tower: Weights, regions: Tensor, embeddings: Tensor) -> None:
    """Shift c_proj's bias: class logits spread with std 3, and in few regions a class beats the background.

    So scores are not all 0 or 1, and fewer than 100 boxes remain: the score threshold matters.
    """
    vectors = reference.attention_pool(regions, tower)
    mean = vectors.mean(dim=0)
    vectors = vectors - mean
    along = vectors @ embeddings.T
    length = 100 * along.std() / LOGIT_STD  # what the vectors must measure
    every_class = torch.linalg.pinv(embeddings).sum(dim=1)  # its product with each embedding is 1
    down = -along.amax(dim=1).quantile(BACKGROUND) * every_class
    away = draw.normal(vectors.shape[1], std=1)
    away -= torch.linalg.pinv(embeddings) @ (
        embeddings @ away
    )  # no class prefers this direction: it makes up the length
    add = (length**2 - (vectors + down).square().sum(dim=1).mean()).clamp(min=0).sqrt()
    tower["attnpool.c_proj.bias"] += down + add * away / away.norm() - mean


def rescale(weight: Tensor, inputs: Tensor, std: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Weight (out x in) and bias with which `inputs` (rows) come out with the given std and mean in every output."""
    out = inputs @ weight.T
    factor = std / out.std(dim=0)
    return weight * factor[:, None], mean - out.mean(dim=0) * factor


def rpn_weights(draw: Draw, features: Tensor) -> Weights:
    """RPN head whose logits spread with std 8 and whose deltas move, grow, clamp and empty boxes on the probe."""
    channels, anchors = features.shape[1], len(reference.ANCHOR_SIZES) * len(reference.ANCHOR_RATIOS)
    weights = {"conv.weight": draw.conv(channels, channels, 3)}
    hidden = F.conv2d(features, weights["conv.weight"], padding=1)
    factor = 1 / hidden.std(dim=(0, 2, 3))
    weights["conv.weight"] = weights["conv.weight"] * factor[:, None, None, None]
    weights["conv.bias"] = draw.normal(channels, std=0.1) - hidden.mean(dim=(0, 2, 3)) * factor
    hidden = F.relu(F.conv2d(features, weights["conv.weight"], weights["conv.bias"], padding=1))
    rows = hidden.permute(0, 2, 3, 1).reshape(-1, channels)

    std, mean = torch.full((anchors,), OBJECTNESS_STD), draw.normal(anchors, std=1)
    logits, logits_bias = rescale(draw.normal(anchors, channels, std=1), rows, std, mean)
    std, mean = torch.tensor([0.4, 0.4, 0.5, 0.5]).repeat(anchors, 1), torch.zeros(anchors, 4)
    std[[4, 9], 2:], mean[[4, 9], 2:] = 1.8, 1.0  # these anchors often pass the clamp at log(1000 / 16) = 4.1
    deltas, deltas_bias = rescale(draw.normal(anchors * 4, channels, std=1), rows, std.flatten(), mean.flatten())
    return weights | {
        "objectness_logits.weight": logits[:, :, None, None],
        "objectness_logits.bias": logits_bias,
        "anchor_deltas.weight": deltas[:, :, None, None],
        "anchor_deltas.bias": deltas_bias,
    }


def bbox_weights(draw: Draw, means: Tensor, classes: int) -> Weights:
    """Box regressor for `classes` classes: row c*4 + (dx, dy, dw, dh), in the units of weights (10, 10, 5, 5)."""
    std, mean = torch.full((classes, 4), 1.5), torch.zeros(classes, 4)
    # One class whose boxes often pass the clamp, 4.1 * 5. Not by a wide spread around 0: that would also make boxes
    # 1e-6 pixels high, whose being empty is a matter of rounding.
    std[min(2, classes - 1), 2:], mean[min(2, classes - 1), 2:] = 6.0, 10.0
    weight, bias = rescale(draw.normal(classes * 4, means.shape[1], std=1), means, std.flatten(), mean.flatten())
    return {"weight": weight, "bias": bias}


def probe_regions(rpn: Weights, features: Tensor, size: tuple[int, int], count: int = 64) -> Tensor:
    """RoIAligned proposals of the probe image, from the best to the worst."""
    logits, deltas = reference.rpn_head(features, rpn)
    anchors = reference.grid_anchors((features.shape[2], features.shape[3]), size, features.dtype)
    boxes, _ = reference.propose(anchors, logits[0], deltas[0], size)
    boxes = boxes[torch.linspace(0, len(boxes) - 1, count).long()]
    return roi_align(features, [boxes], reference.ROI_SIZE, 1 / 16, reference.ROI_SAMPLING, reference.ROI_ALIGNED)


@torch.no_grad()
def synthetic_state_dict(
    *,
    classes: int = 7,
    prompts: int = 15,
    seed: int = 0,
    layers: Sequence[int] = (3, 4, 23, 3),
    width: int = 64,
    image_size: int = 224,
    embed_dim: int = 512,
    text_width: int = 512,
    text_layers: int = 12,
    text_heads: int = 8,
    vocab: int = 49408,
    context: int = 77,
) -> Weights:
    """The `model` entry of the file. Defaults are RN101's sizes.

    Heads have 64 channels in both towers: the file does not say and everybody infers it so. `image_size` must be
    224 for detection: 14 x 14 regions give 7 x 7 tokens.
    """
    if text_heads * 64 != text_width:
        raise ValueError(
            f"text_heads is not in the file: text_width must be 64 * text_heads, got {text_width}, {text_heads}"
        )
    draw = Draw(seed)
    tower = visual_tower(draw, layers, width, image_size, embed_dim)
    text = text_tower(draw, embed_dim, text_width, text_layers, vocab, context)
    prompts_of_classes = [reference.TEMPLATE.format(name) for name in CLASS_NAMES[:classes]]
    embeddings = spread_classes(text, tokenize(prompts_of_classes, context_length=context))
    probe = reference.normalise(draw_image(320, 416, seed), torch.float32)[None]
    features = reference.c4_features(probe, tower)
    rpn = rpn_weights(draw, features)
    out = reference.layer(probe_regions(rpn, features, (320, 416)), tower, 4)
    centre_regions(draw, tower, out, embeddings)
    box = bbox_weights(draw, out.mean(dim=(2, 3)), classes)

    # The text classifier keeps a whole CLIP, whose image tower is not the trained one.
    clip = text | under("visual", visual_tower(draw, layers, width, image_size, embed_dim))
    dead = {
        "pixel_mean": torch.tensor([103.53, 116.28, 123.675])[:, None, None],  # detectron2's default: not what is used
        "pixel_std": torch.ones(3, 1, 1),
        "proj": draw.normal(8, 8, std=1),
        "global_proj": draw.normal(8, 8, std=1),
        "projection.weight": draw.normal(8, 8, std=1),
        "projection_global": draw.normal(8, 8, std=1),
    }
    for prefix in ("backbone_unchanged.enc", "frozen_clip_model.visual", "clip_im_predictor.model.visual"):
        dead |= under(prefix, {"conv1.weight": draw.conv(width // 2, 3, 3)} | under("bn1", draw.batch_norm(width // 2)))
    dead["frozen_clip_model.positional_embedding"] = draw.normal(context, text_width, std=0.01)
    dead["frozen_clip_model.logit_scale"] = torch.tensor(4.6052)
    dead["roi_heads.res5.0.conv1.weight"] = draw.conv(width, width, 1)
    dead["roi_heads.res5.0.conv1.norm.weight"] = torch.ones(width)
    return (
        under("backbone.enc", tower)
        | under("proposal_generator.rpn_head", rpn)
        | under("roi_heads.box_predictor.cls_score.model", clip)
        | under("roi_heads.box_predictor.bbox_pred", box)
        # Large: added at test time by mistake, they would show. Their spatial mean is not zero.
        | {
            "offsets": draw.normal(prompts, features.shape[1], 14, 14, std=1)
            + draw.normal(prompts, features.shape[1], 1, 1, std=1)
        }
        | dead
    )


def write_synthetic_checkpoint(
    path: str | Path,
    *,
    classes: int = 7,
    prompts: int = 15,
    seed: int = 0,
    numpy_arrays: bool = False,
    layers: Sequence[int] = (3, 4, 23, 3),
    width: int = 64,
    image_size: int = 224,
    embed_dim: int = 512,
    text_width: int = 512,
    text_layers: int = 12,
    text_heads: int = 8,
    vocab: int = 49408,
    context: int = 77,
) -> Path:
    """Write a detectron2-style file and return its path.

    `.pkl`: a plain pickle of numpy arrays, like detectron2's model zoo. Anything else: `torch.save` of tensors, or of
    numpy arrays with `numpy_arrays=True`.
    """
    path = Path(path)
    state: dict[str, Any] = synthetic_state_dict(
        classes=classes,
        prompts=prompts,
        seed=seed,
        layers=layers,
        width=width,
        image_size=image_size,
        embed_dim=embed_dim,
        text_width=text_width,
        text_layers=text_layers,
        text_heads=text_heads,
        vocab=vocab,
        context=context,
    )
    if numpy_arrays or path.suffix == ".pkl":
        state = {key: value.numpy() for key, value in state.items()}
    if path.suffix == ".pkl":
        with path.open("wb") as file:
            pickle.dump({"model": state, "__author__": "clipgap tests"}, file, protocol=2)
        return path
    checkpoint = {
        "model": state,
        "optimizer": {
            "state": {0: {"momentum_buffer": torch.zeros(3)}},
            "param_groups": [{"lr": 1e-3, "momentum": 0.9, "weight_decay": 1e-4, "params": [0]}],
        },
        "scheduler": {"last_epoch": 99_999, "_last_lr": [1e-4]},
        "iteration": 99_999,
    }
    torch.save(checkpoint, path)
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Write a random checkpoint in the authors' layout (RN101).")
    parser.add_argument("--out", type=Path, default=Path("synthetic_authors.pth"))
    parser.add_argument("--classes", type=int, default=7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--numpy-arrays", action="store_true", help="store numpy arrays instead of tensors")
    options = parser.parse_args(arguments)
    path = write_synthetic_checkpoint(
        options.out, classes=options.classes, seed=options.seed, numpy_arrays=options.numpy_arrays
    )
    size = path.stat().st_size / 1e6
    print(f"wrote {path}: random RN101 weights in the authors' layout, {options.classes} classes, {size:.0f} MB")


if __name__ == "__main__":
    main()
