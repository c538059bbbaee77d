"""A whole CLIP: image tower, text tower, and where its weights come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import open_clip
import torch
from open_clip.model import CLIPTextCfg, CLIPVisionCfg
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional as F

from clipgap.clip.backbone import Backbone, hash_of
from clipgap.clip.places import require_places
from clipgap.clip.tokenizer import Tokenizer
from clipgap.clip.tower import TowerSpec
from clipgap.clip.towers import FAMILIES
from clipgap.errors import WeightsError

SIZES = ("context_length", "vocab_size", "width", "layers")
"""Of a text tower, what its tensors tell."""
STAND_IN = CLIPVisionCfg(layers=1, width=64, patch_size=32, image_size=32)
"""A tower that open_clip makes in place of one that it has no settings for."""


@dataclass(frozen=True)
class ClipSpec:
    """The shape of a whole CLIP."""

    tower: TowerSpec
    text: CLIPTextCfg
    quick_gelu: bool

    def build(self) -> open_clip.CLIP | open_clip.CustomTextCLIP:
        """A CLIP with open_clip's initial weights."""
        vision, make, more = self.tower.vision, open_clip.CLIP, {}
        if self.tower.custom_text:
            make, more = open_clip.CustomTextCLIP, {"init_logit_bias": -10.0}
        model = make(self.tower.embed_dim, vision or STAND_IN, self.text, quick_gelu=self.quick_gelu, **more)
        if vision is None:
            model.visual = self.tower.build()
        return model.eval()


class Clip(Backbone):
    """A frozen CLIP: its two image parts, its text embeddings, and where it comes from.

    Examples:
        >>> clip = clipgap.load_clip(clipgap.load_config("mini_world").clip)
        >>> day, fog = clip.embed_text(["an image taken during the day", "an image taken on a fog day"])
        >>> bool(day @ fog < 1)  # the cosine of unit vectors
        True
    """

    def __init__(self, model: Any, spec: ClipSpec, name: str, weights: str) -> None:
        self.model = model.eval().requires_grad_(False)
        self.spec = spec
        self.tokenize = Tokenizer(spec.text)
        super().__init__(model.visual, spec.tower, name, weights)

    def to(self, device: torch.device) -> Self:
        """The same CLIP, moved to a device."""
        self.model.to(device)
        return self

    @torch.no_grad()
    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """Text embeddings unit(T(p)) (N, D), float32.

        Raises:
            ConfigError: a prompt is too long, of which open_clip would cut off the end without a word, or a tokenizer
                of the text tower's own is not to be had.
        """
        tokens = self.tokenize(prompts).to(self.model.logit_scale.device)
        return F.normalize(self.model.encode_text(tokens), dim=-1)

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 of all weights in float32, of the activation and of where a transformer is cut: the same from every
        file format."""
        return hash_of(self.model, f"quick_gelu={self.spec.quick_gelu}{self.spec.tower.cut}")

    def __str__(self) -> str:
        return f"CLIP {self.name}, weights: {self.weights}"


def family_of(weights: Mapping[str, Tensor], where: str) -> type[TowerSpec]:
    """The family of a CLIP's image tower, by its state dict.

    Raises:
        WeightsError: there is none such.
    """
    for family in FAMILIES.values():
        if family.has_text and f"visual.{family.mark}" in weights:
            return family
    families = ", ".join(name for name, one in FAMILIES.items() if one.has_text)
    raise WeightsError(f"{where}: no CLIP with an image tower that fits (there are {families}; docs/towers.md)")


def spec_of(
    weights: Mapping[str, Tensor], quick_gelu: bool, where: str, known: Mapping[str, Any] | None = None
) -> ClipSpec:
    """Read a CLIP's shape off its state dict.

    Args:
        weights: tensors in OpenAI's and open_clip's key names; only their shapes count.
        quick_gelu: the activation, which no tensor tells.
        where: the file, for messages.
        known: open_clip's settings (`vision_cfg`, `text_cfg`), for what else no tensor tells.

    Raises:
        WeightsError: it is no CLIP, or one whose image tower is of no known family.
    """
    family = family_of(weights, where)
    visual = {name.removeprefix("visual."): one for name, one in weights.items() if name.startswith("visual.")}
    known = known or {}
    try:
        text = _custom_text_of(weights, known) if family.custom_text else _text_of(weights)
        tower = family.read(visual, known.get("vision_cfg", {}), quick_gelu)
    except ValidationError as error:
        raise WeightsError(f"{where}: {_no_size(error)}") from None
    except KeyError as error:
        raise WeightsError(f"{where}: no CLIP: it has no usable {error}") from None
    except (IndexError, ValueError):
        raise WeightsError(f"{where}: no CLIP: a tensor has more or fewer dimensions than there should be") from None
    return ClipSpec(tower, text, quick_gelu)


def _no_size(error: ValidationError) -> str:
    """What is wrong with the sizes that a file or the settings give."""
    whole = [fault["msg"].removeprefix("Value error, ") for fault in error.errors() if not fault["loc"]]
    parts = ", ".join(str(fault["loc"][0]) for fault in error.errors() if fault["loc"])
    return whole[0] if whole else f"no CLIP: its tensors are of no size for {parts}"


def _text_of(weights: Mapping[str, Tensor]) -> CLIPTextCfg:
    width = weights["ln_final.weight"].shape[0]
    return CLIPTextCfg(
        context_length=weights["positional_embedding"].shape[0],
        vocab_size=weights["token_embedding.weight"].shape[0],
        width=width,
        heads=max(1, width // 64),
        layers=len({name.split(".")[2] for name in weights if name.startswith("transformer.resblocks.")}),
    )


def _custom_text_of(weights: Mapping[str, Tensor], known: Mapping[str, Any]) -> CLIPTextCfg:
    """Of a text tower with settings of its own: those of the name, and the sizes of the tensors."""
    sizes = _text_of({name.removeprefix("text."): one for name, one in weights.items()})
    return replace(CLIPTextCfg(**known.get("text_cfg", {})), **{key: getattr(sizes, key) for key in SIZES})


def _places(spec: ClipSpec, where: str) -> dict[str, Tensor]:
    """A CLIP's tensors by name, without their numbers: the sizes are a file's, and may be beyond any memory.

    Raises:
        WeightsError: there is no CLIP of these sizes.
    """
    try:
        with torch.device("meta"):
            return dict(spec.build().state_dict())
    except Exception as error:  # noqa: BLE001 (open_clip and torch each refuse sizes in ways of their own)
        raise WeightsError(f"{where}: no CLIP: no model has its tensors' sizes ({type(error).__name__})") from None


def clip_from_weights(
    weights: Mapping[str, Tensor], quick_gelu: bool, name: str, where: str, known: Mapping[str, Any] | None = None
) -> Clip:
    """A CLIP from a state dict; see `spec_of`.

    Raises:
        WeightsError: keys are missing, unknown or of other shapes: the first one is named.
    """
    spec = spec_of(weights, quick_gelu, where, known)
    own = _places(spec, where)
    logit_scale = {} if "logit_scale" in weights else {"logit_scale": own["logit_scale"]}
    require_places({**logit_scale, **weights}, own, where, f"a CLIP ({spec.tower.family})", "one")
    model = spec.build()
    model.load_state_dict({key: tensor.float() for key, tensor in weights.items()}, strict=False)
    return Clip(model, spec, name, where)
