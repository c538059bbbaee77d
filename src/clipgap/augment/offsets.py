"""The semantic augmentations: one offset A_j for each target prompt, and what step two does with them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from clipgap.augment.sometimes import Sometimes
from clipgap.augment.statistics import Cells, spatial_mean
from clipgap.clip import Backbone
from clipgap.errors import WeightsError
from clipgap.files import write_then_rename
from clipgap.parse import UnreadableError, parse_json
from clipgap.prompts import PromptSet
from clipgap.weights import bytes_of, require_finite

FORMAT, METADATA = "clipgap semantic augmentations 2", "clipgap"
UNCHECKED = "clipgap semantic augmentations 1"
"""What older versions wrote: the same without a hash."""
KINDS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
"""Numbers that offsets may be of."""


@dataclass(frozen=True)
class SemanticAugmentations:
    """Offsets (M, C, h, w) in the space of CLIP's C4 features, one for each target prompt, and their origin.

    Examples:
        >>> augmentations = clipgap.SemanticAugmentations.load("aug.safetensors")  # `clipgap.fit` wrote it
        >>> augmentations.prompts.targets[0], augmentations.pooled.shape
        ('an image taken on a snow day', torch.Size([15, 256]))
    """

    offsets: Tensor
    prompts: PromptSet
    clip_name: str
    clip_hash: str
    """SHA-256 of the weights the offsets were fitted with (`Clip.weights_hash`)."""
    record: dict[str, Any] = field(default_factory=dict)
    """How they were fitted: settings, seed, final losses."""
    scales: Tensor | None = None
    """Factors (M, C) on every channel's deviation from its spatial mean, of `fit.offsets: deviation`."""

    @property
    def pooled(self) -> Tensor:
        """mean_hw(A_j) (M, C): all that step two uses (METHOD, section 4)."""
        return self.offsets.mean((2, 3))

    def save(self, path: str | Path) -> None:
        """Write the file that `load` reads: safetensors with everything else in its metadata."""
        origin = {
            "format": FORMAT,
            "source_prompt": self.prompts.source,
            "target_prompts": self.prompts.targets,
            "clip_name": self.clip_name,
            "clip_hash": self.clip_hash,
            "record": self.record,
        }
        tensors = {"offsets": self.offsets.detach().cpu().contiguous()}
        if self.scales is not None:
            tensors["scales"] = self.scales.detach().cpu().contiguous()
        origin["hash"] = _hash(origin, tensors)
        metadata = {METADATA: json.dumps(origin)}  # one key: safetensors writes several in an order of its own
        write_then_rename(
            Path(path), lambda temporary: save_file(tensors, temporary, metadata), needs=bytes_of(tensors)
        )

    @classmethod
    def load(cls, path: str | Path) -> SemanticAugmentations:
        """Read a file that `save` wrote.

        Raises:
            WeightsError: there is no such file, it is none of ours, damaged, or not finite.
        """
        if not Path(path).is_file():
            raise WeightsError(f"{path}: no such file of semantic augmentations; `clipgap fit` makes one")
        try:
            with safe_open(path, framework="pt") as file:
                origin = parse_json((file.metadata() or {}).get(METADATA, "{}"))
                names = [name for name in ("offsets", "scales") if name in file.keys()]  # noqa: SIM118 (no mapping)
                tensors = {name: file.get_tensor(name) for name in names}
        except (SafetensorError, OSError, UnreadableError):
            origin, tensors = {}, {}
        if not (_says_all(origin) and _fit_together(tensors, len(origin["target_prompts"]))):
            raise WeightsError(f"{path}: not a file of semantic augmentations; `clipgap fit` makes one")
        if origin["format"] == FORMAT and origin.pop("hash", None) != _hash(origin, tensors):
            raise WeightsError(f"{path}: damaged: its hash is not that of what it holds; fit again, or copy it anew")
        require_finite(tensors, path, "fit again with a lower fit.lr")
        prompts = PromptSet(origin["source_prompt"], tuple(origin["target_prompts"]))
        about = (origin["clip_name"], origin["clip_hash"], origin["record"])
        return cls(tensors["offsets"], prompts, *about, tensors.get("scales"))

    def check_fits(self, clip: Backbone, where: str) -> None:
        """Refuse a CLIP other than the one the offsets were fitted with.

        Raises:
            WeightsError: says which of shape and weights differ.
        """
        channels = clip.tower_spec.c4_channels
        if self.offsets.shape[1] != channels:
            raise WeightsError(
                f"{where}: fitted for {self.offsets.shape[1]} channels (CLIP {self.clip_name}), "
                f"but CLIP {clip.name} has {channels}; fit again with this CLIP"
            )
        if self.clip_hash != clip.weights_hash:
            raise WeightsError(
                f"{where}: fitted with other weights (CLIP {self.clip_name}, hash {self.clip_hash[:12]}) than "
                f"{clip} (hash {clip.weights_hash[:12]}); fit again with this CLIP, or name the other with clip.*"
            )


def _says_all(origin: object) -> bool:
    """Whether a file says all that is needed, and each in its kind: anybody can write such a file."""
    if not isinstance(origin, dict) or origin.get("format") not in (FORMAT, UNCHECKED):
        return False
    targets = origin.get("target_prompts")
    texts = [origin.get(key) for key in ("source_prompt", "clip_name", "clip_hash")]
    texts += targets if isinstance(targets, list) else [None]
    return bool(targets) and all(isinstance(text, str) for text in texts) and isinstance(origin.get("record"), dict)


def _fit_together(tensors: dict[str, Tensor], targets: int) -> bool:
    """Whether there are offsets (M, C, h, w) for M target prompts, and scales (M, C) or none."""
    offsets = tensors.get("offsets", torch.empty(0))
    fits = offsets.ndim == 4 and offsets.numel() > 0 and len(offsets) == targets
    fits &= all(tensor.dtype in KINDS for tensor in tensors.values())
    return fits and tensors.get("scales", offsets[..., 0, 0]).shape == offsets.shape[:2]


def _hash(origin: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    """SHA-256 of offsets and origin, whatever order they are in."""
    whole = hashlib.sha256(json.dumps(origin, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        whole.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        whole.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return whole.hexdigest()


def scale_deviation(features: Tensor, scales: Tensor, cells: Cells | None = None) -> Tensor:
    """Features (N, C, h, w) with every channel's deviation from its spatial mean times `scales` (..., C, 1, 1).

    The half of adaptive instance normalisation that a shift of the mean leaves out (PODA, ICCV 2023, equation 3).
    `cells` are (rows, columns) of every image without its padding, over which the mean is taken; the whole map if None.
    """
    mean = spatial_mean(features, cells)
    return mean + scales * (features - mean)


def random_like(pooled: Tensor, seed: int) -> Tensor:
    """For every prompt a random direction of the same norm: pooled offsets (M, C) as a control for the fitted ones."""
    noise = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(seed))
    norms: Tensor = torch.linalg.vector_norm(pooled, dim=1, keepdim=True)
    return F.normalize(noise, dim=1) * norms


def permute_channels(pooled: Tensor, seed: int) -> Tensor:
    """The same offsets (M, C) with their channels in another order: as large and as alike, but without meaning."""
    order = torch.randperm(pooled.shape[1], generator=torch.Generator().manual_seed(seed))
    return pooled[:, order]


class OffsetFeatures(Sometimes):
    """Step two's augmentation: with a probability a batch, every image's features move by an offset of its own.

    A forward hook of the detector's backbone calls it, in training only: V_a(image_i) + mean_hw(A_{j_i}), with j_i
    drawn uniformly for every image (METHOD, section 4). RPN and RoI heads both see the moved features. Where there are
    `scales` (M, C), the features' deviation is scaled first.
    """

    def __init__(self, pooled: Tensor, probability: float, scales: Tensor | None = None) -> None:
        super().__init__(probability)
        self.pooled: Tensor
        self.scales: Tensor | None
        self.register_buffer("pooled", pooled)
        self.register_buffer("scales", scales)

    def move(self, features: Tensor, generator: torch.Generator, cells: Cells | None) -> Tensor:
        """C4 features (N, C, h, w) -> the same, moved."""
        everyone = torch.randint(len(self.pooled), (len(features) * self.group.size,), generator=generator)
        drawn = self.for_own(everyone).to(self.pooled.device)
        if self.scales is not None:
            features = scale_deviation(features, self.scales[drawn, :, None, None].to(features.dtype), cells)
        return features + self.pooled[drawn, :, None, None].to(features.dtype)
