"""Make a Detector of a checkpoint of the authors' code, a detectron2 file (METHOD, section 4, "Key names").

Only what the detector needs is read; aliases and dead branches of that code (`frozen_clip_model`, `roi_heads.res5`,
...) are passed over. The class text embeddings are not in the file: they are computed from its own text tower.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from clipgap.augment import SemanticAugmentations
from clipgap.clip import Clip, clip_from_weights
from clipgap.detector.model import Detector
from clipgap.detector.spec import DetectorSpec
from clipgap.errors import DataError, WeightsError
from clipgap.files import new_folder, require_new
from clipgap.prompts import PromptSet
from clipgap.weights import read_file, require_finite, tensors_of

IMAGE_TOWER = "backbone.enc."
WHOLE_CLIP = "roi_heads.box_predictor.cls_score.model."
TEXT_TOWER = ("transformer.", "token_embedding.", "positional_embedding", "ln_final.", "text_projection")
HEADS = {
    "proposal_generator.rpn_head.conv": "rpn.head.conv.0.0",
    "proposal_generator.rpn_head.objectness_logits": "rpn.head.cls_logits",
    "proposal_generator.rpn_head.anchor_deltas": "rpn.head.bbox_pred",
    "roi_heads.box_predictor.bbox_pred": "roi_heads.box_predictor.bbox_pred",
}
OFFSETS_FILE = "augmentations.safetensors"


def import_authors(file: str | Path, classes: list[str], out: str | Path) -> Detector:
    """Read a detectron2 checkpoint and write a Detector folder with the authors' settings.

    Args:
        file: the checkpoint, tensors or numpy arrays, `.pth` or `.pkl`.
        classes: names in the checkpoint's order.
        out: a new folder; the checkpoint's offsets go there too, as `augmentations.safetensors`.

    Raises:
        WeightsError: the file is no such checkpoint: the first missing, unfitting or not finite key is named.
        DataError: `out` is there already, or a class name is empty or there twice.
    """
    file, out = Path(file), Path(out)
    if any(not name for name in classes) or len(set(classes)) < len(classes):
        raise DataError(f"--classes {','.join(classes)}: every name must be there, and only once")
    require_new(out, "--out")
    content = read_file(file, numpy=True)
    weights = tensors_of(content["model"]) if isinstance(content.get("model"), Mapping) else {}
    if not any(name.startswith(IMAGE_TOWER) for name in weights):
        raise WeightsError(f"{file}: not a checkpoint of the authors' code: no `model` with {IMAGE_TOWER}* in it")
    clip = _clip(weights, file)
    detector = _detector(clip, weights, classes, file)
    require_finite(detector.state_dict(), file, "this training diverged; import an earlier checkpoint")
    with new_folder(out) as half_made:
        if "offsets" in weights:
            _augmentations(clip, weights["offsets"].float(), file).save(half_made / OFFSETS_FILE)
        detector.save(half_made)
    return detector


def _clip(weights: Mapping[str, Tensor], file: Path) -> Clip:
    """The trained image tower with the text tower beside it."""
    image = {f"visual.{k.removeprefix(IMAGE_TOWER)}": t for k, t in weights.items() if k.startswith(IMAGE_TOWER)}
    whole = {k.removeprefix(WHOLE_CLIP): t for k, t in weights.items() if k.startswith(WHOLE_CLIP)}
    text = {k: t for k, t in whole.items() if k.startswith(TEXT_TOWER)}
    return clip_from_weights(image | text, True, "of the authors' checkpoint", file.name)


def _detector(clip: Clip, weights: Mapping[str, Tensor], classes: list[str], file: Path) -> Detector:
    heads = {f"{source}.{kind}": f"{own}.{kind}" for source, own in HEADS.items() for kind in ("weight", "bias")}
    missing = [name for name in heads if name not in weights]
    if missing:
        raise WeightsError(f"{file}: not a checkpoint of the authors' code: {missing[0]} is missing")
    rows = len(weights["roi_heads.box_predictor.bbox_pred.bias"])
    if rows != 4 * len(classes):
        raise WeightsError(f"{file}: was trained with {rows // 4} classes, but --classes names {len(classes)}")
    spec = DetectorSpec(
        classes=classes, tower=clip.spec.tower, description=f"imported from {file.name}", batch_norm="train"
    )
    detector = Detector.from_clip(clip, spec)
    own = detector.state_dict()
    for source, name in heads.items():
        tensor = weights[source].float()
        if name.startswith("roi_heads"):  # torchvision's first class is the background, the authors' last has no row
            tensor = torch.cat([tensor.new_zeros(4, *tensor.shape[1:]), tensor])
        if tensor.shape != own[name].shape:
            shape, expected = tuple(weights[source].shape), tuple(own[name].shape)
            raise WeightsError(f"{file}: {source} has shape {shape}, which does not fit {expected} here")
        own[name].copy_(tensor)
    return detector


def _augmentations(clip: Clip, offsets: Tensor, file: Path) -> SemanticAugmentations:
    """The checkpoint's offsets; their prompts are not in it."""
    names = tuple(f"prompt {j} (not stated in {file.name})" for j in range(1, len(offsets) + 1))
    prompts = PromptSet(f"source prompt (not stated in {file.name})", names)
    return SemanticAugmentations(offsets, prompts, clip.name, clip.weights_hash, {"imported_from": file.name})
