"""A whole CLIP: image tower, text tower, and where its weights come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import open_clip
import torch
from open_clip.model import CLIPTextCfg, CLIPVisionCfg
from pydantic import ValidationError
from torch import Tensor
from torch.nn import functional as F

from clipgap.clip.backbone import Backbone, hash_of
from clipgap.clip.places import require_places
from clipgap.clip.towers.modified_resnet import ModifiedResNetSpec, ResNetRoiPart, ResNetTrunk
from clipgap.errors import ConfigError, WeightsError


@dataclass(frozen=True)
class ClipSpec:
    """The shape of a whole CLIP."""

    tower: ModifiedResNetSpec
    text: CLIPTextCfg
    quick_gelu: bool

    def build(self) -> open_clip.CLIP:
        """A CLIP with open_clip's initial weights."""
        tower = self.tower
        vision = CLIPVisionCfg(layers=list(tower.layers), width=tower.width, image_size=tower.image_size)
        return open_clip.CLIP(tower.embed_dim, vision, self.text, quick_gelu=self.quick_gelu).eval()


class Clip(Backbone):
    """A frozen CLIP: its two image parts, its text embeddings, and where it comes from.

    Examples:
        >>> clip = clipgap.load_clip(clipgap.load_config("mini_world").clip)
        >>> day, fog = clip.embed_text(["an image taken during the day", "an image taken on a fog day"])
        >>> bool(day @ fog < 1)  # the cosine of unit vectors
        True
    """

    trunk: ResNetTrunk
    roi_part: ResNetRoiPart

    def __init__(self, model: open_clip.CLIP, spec: ClipSpec, name: str, weights: str) -> None:
        self.model = model.eval().requires_grad_(False)
        self.spec = spec
        super().__init__(model.visual, spec.tower, name, weights)

    def to(self, device: torch.device) -> Self:
        """The same CLIP, moved to a device."""
        self.model.to(device)
        return self

    @torch.no_grad()
    def embed_text(self, prompts: Sequence[str]) -> Tensor:
        """Text embeddings unit(T(p)) (N, D), float32.

        Raises:
            ConfigError: a prompt is too long; open_clip would cut off its end without a word.
        """
        length = self.spec.text.context_length
        tokens = open_clip.tokenize(list(prompts), context_length=length + 1)
        for prompt, last in zip(prompts, tokens[:, length].tolist(), strict=True):
            if last:
                raise ConfigError(
                    f"prompt {prompt[:60]!r}...: longer than the {length} tokens that CLIP reads; shorten it"
                )
        tokens = tokens[:, :length]
        return F.normalize(self.model.encode_text(tokens.to(self.model.logit_scale.device)), dim=-1)

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 of all weights in float32 and of the activation: the same from every file format."""
        return hash_of(self.model, f"quick_gelu={self.spec.quick_gelu}")

    def __str__(self) -> str:
        return f"CLIP {self.name}, weights: {self.weights}"


def spec_of(weights: Mapping[str, Tensor], quick_gelu: bool, where: str) -> ClipSpec:
    """Read a CLIP's shape off its state dict.

    Raises:
        WeightsError: it is no CLIP, or one whose image tower is not a ResNet.
    """
    if "visual.proj" in weights:
        raise WeightsError(f"{where}: a CLIP with a ViT image tower; clipgap needs a ResNet one (RN50, RN101, ...)")
    try:
        blocks = [{name.split(".")[2] for name in weights if name.startswith(f"visual.layer{i}.")} for i in range(1, 5)]
        grid = round(max(weights["visual.attnpool.positional_embedding"].shape[0] - 1, 0) ** 0.5)
        embed_dim = weights["text_projection"].shape[1]
        width = weights["visual.layer1.0.conv1.weight"].shape[0]
        text_width = weights["ln_final.weight"].shape[0]
        context, vocabulary = weights["positional_embedding"].shape[0], weights["token_embedding.weight"].shape[0]
    except (KeyError, IndexError) as error:
        raise WeightsError(f"{where}: no CLIP ResNet: it has no usable {error}") from None
    text = CLIPTextCfg(
        context_length=context,
        vocab_size=vocabulary,
        width=text_width,
        heads=max(1, text_width // 64),
        layers=len({name.split(".")[2] for name in weights if name.startswith("transformer.resblocks.")}),
    )
    layers = (len(blocks[0]), len(blocks[1]), len(blocks[2]), len(blocks[3]))
    try:
        tower = ModifiedResNetSpec(embed_dim=embed_dim, image_size=grid * 32, layers=layers, width=width)
    except ValidationError as error:
        sizes = ", ".join(str(detail["loc"][0]) for detail in error.errors())
        raise WeightsError(f"{where}: no CLIP ResNet: its tensors are of no size for {sizes}") from None
    return ClipSpec(tower, text, quick_gelu)


def _places(spec: ClipSpec, where: str) -> dict[str, Tensor]:
    """A CLIP's tensors by name, without their numbers: the sizes are a file's, and may be beyond any memory.

    Raises:
        WeightsError: there is no CLIP of these sizes.
    """
    try:
        with torch.device("meta"):
            return dict(spec.build().state_dict())
    except Exception as error:  # noqa: BLE001 (open_clip and torch each refuse sizes in ways of their own)
        raise WeightsError(
            f"{where}: no CLIP ResNet: no model has its tensors' sizes ({type(error).__name__})"
        ) from None


def clip_from_weights(weights: Mapping[str, Tensor], quick_gelu: bool, name: str, where: str) -> Clip:
    """A CLIP from a state dict in OpenAI's and open_clip's key names.

    Raises:
        WeightsError: keys are missing, unknown or of other shapes: the first one is named.
    """
    spec = spec_of(weights, quick_gelu, where)
    own = _places(spec, where)
    logit_scale = {} if "logit_scale" in weights else {"logit_scale": own["logit_scale"]}
    require_places({**logit_scale, **weights}, own, where, "a CLIP ResNet", "one")
    model = spec.build()
    model.load_state_dict({key: tensor.float() for key, tensor in weights.items()}, strict=False)
    return Clip(model, spec, name, where)
