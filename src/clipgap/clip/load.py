"""Find and load a CLIP: by name and tag, from a local file, or with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.pretrained import download_pretrained, get_pretrained_cfg, list_pretrained_tags_by_model
from torch import Tensor

from clipgap.clip.model import Clip, ClipSpec, clip_from_weights, family_of, spec_of
from clipgap.clip.tiny import TINIES, shipped_file
from clipgap.clip.tower import TowerSpec, redraw_norms
from clipgap.clip.towers import FAMILIES
from clipgap.config import CLIPS, SIGLIPS, TEXTLESS, ClipConfig, validate
from clipgap.errors import ConfigError, WeightsError, there_are
from clipgap.unpickle import is_torchscript
from clipgap.weights import read_file, require_finite, tensors_of

OPENAI_MARKS = ("input_resolution", "context_length", "vocab_size")
"""Entries that only OpenAI's own files hold beside the weights."""
CACHE = Path("~/.cache/clip")
"""Where open_clip and OpenAI's own code keep what they download."""


def load_clip(config: ClipConfig) -> Clip:
    """The CLIP that the settings describe.

    Raises:
        ConfigError: it names a backbone without text.
        WeightsError: unknown name or tag, weights neither on this machine nor to be downloaded, or a file that does
            not hold them.

    Examples:
        >>> print(clipgap.load_clip(clipgap.load_config("mini_world").clip))
        CLIP tiny, weights: miniature world
    """
    if config.name in TEXTLESS:
        raise ConfigError(f"clip.name={config.name} has no text, which is needed here: name a CLIP (RN101, tiny, ...)")
    if config.file:
        clip = _from_file(Path(config.file), config)
    else:
        clip = _random(config) if config.pretrained == "random" else _from_tag(config)
    clip.tokenize.place = config.tokenizer or clip.tokenize.place
    return clip


def names_with(tag: str) -> list[str]:
    """The models that fit and have weights of a tag."""
    return [name for name in CLIPS if tag in list_pretrained_tags_by_model(name)]


def cached_weights(name: str, tag: str) -> Path | None:
    """The downloaded file of a name's and tag's weights, if it is on this machine; asks no network."""
    path = CACHE.expanduser() / Path(str(_tag(name, tag)["url"])).name
    return path if path.is_file() else None


def _from_file(path: Path, config: ClipConfig) -> Clip:
    content = read_file(path)
    nested = content.get("state_dict")
    nested = nested if isinstance(nested, Mapping) else content
    weights = {name.removeprefix("module."): tensor for name, tensor in tensors_of(nested).items()}
    from_openai = is_torchscript(path) or any(mark in weights for mark in OPENAI_MARKS)
    weights = {name: tensor for name, tensor in weights.items() if name not in OPENAI_MARKS}
    require_finite(weights, path, "the file is damaged, or of a training that diverged; fetch or save it again")
    quick_gelu = _quick_gelu(path, config, from_openai)
    expected = _spec(config, quick_gelu).tower
    _refuse_other_family(weights, expected, config, path)
    clip = clip_from_weights(weights, quick_gelu, config.name, path.name, _known(config))
    held = clip.spec.tower
    if config.name not in TINIES and held != expected:
        raise WeightsError(f"{path}: holds {held}, but clip.name={config.name} is {expected}; name the model it is of")
    return clip


def _quick_gelu(path: Path, config: ClipConfig, from_openai: bool) -> bool:
    if config.quick_gelu is not None:
        return config.quick_gelu
    if config.name in SIGLIPS:
        return False
    if from_openai or config.name.endswith("-quickgelu") or config.name in TINIES:
        return True
    if config.pretrained:
        return bool(_tag(config.name, config.pretrained).get("quick_gelu", False))
    raise WeightsError(
        f"{path}: the file does not say which activation its text tower was trained with; "
        "set clip.quick_gelu=true (OpenAI's, yfcc15m and cc12m weights) or false"
    )


def _refuse_other_family(weights: Mapping[str, Tensor], expected: TowerSpec, config: ClipConfig, path: Path) -> None:
    family = family_of(weights, str(path))
    if not isinstance(expected, family):
        held = next(name for name, one in FAMILIES.items() if one is family)
        raise WeightsError(f"{path}: holds a {held}, but clip.name={config.name} is a {expected.family}")


def _random(config: ClipConfig) -> Clip:
    spec = _spec(config, bool(config.quick_gelu))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.random_seed)
        model = spec.build()
    redraw_norms(model.visual, torch.Generator().manual_seed(config.random_seed))
    return Clip(model, spec, config.name, f"random (seed {config.random_seed})")


def _from_tag(config: ClipConfig) -> Clip:
    if config.name in TINIES:
        return _shipped(config)
    tag = config.pretrained or "openai"
    if not config.pretrained and not get_pretrained_cfg(_base(config.name), tag):
        raise WeightsError(f"clip.pretrained: say which weights of {config.name} ({_tags(config.name, '')})")
    known = _tag(config.name, tag)
    clip = _from_file(_download(config.name, tag, known), config.model_copy(update={"pretrained": tag}))
    clip.weights = tag
    return clip


def _shipped(config: ClipConfig) -> Clip:
    if config.pretrained not in (None, "world"):
        raise WeightsError(
            f"clip.pretrained={config.pretrained}: no such weights of {config.name} ("
            f"{there_are(config.pretrained, ('world', 'random'))})"
        )
    file = shipped_file(config.name)
    if not file.is_file():
        raise WeightsError(
            f"clip.name={config.name}: its weights are not shipped; `clipgap world pretrain` makes them: name the file "
            "with clip.file, or set clip.pretrained=random"
        )
    clip = _from_file(file, config)
    clip.weights = "miniature world"
    return clip


def _download(name: str, tag: str, known: dict[str, Any]) -> Path:
    try:
        return Path(download_pretrained(known, prefer_hf_hub=False))  # checks the SHA-256 of what it finds or fetches
    except Exception as error:  # noqa: BLE001 (urllib, hub and hash errors: all mean that the file is not to be had)
        fault = f"the weights {name} / {tag} are not on this machine and cannot be downloaded ({type(error).__name__})"
        if not known.get("url"):
            hub = f"https://huggingface.co/{known['hf_hub'].strip('/')}"
            raise WeightsError(
                f"{fault}. Fetch open_clip_model.safetensors of {hub}, and name it with clip.file=PATH"
            ) from None
        wanted = str(known["url"])
        raise WeightsError(
            f"{fault}. Fetch {wanted} elsewhere and put it at {CACHE / Path(wanted).name}, "
            "or name it with clip.file=PATH"
        ) from None


def _tag(name: str, tag: str) -> dict[str, Any]:
    known = get_pretrained_cfg(_base(name), tag)
    if not known:
        raise WeightsError(f"clip.pretrained={tag}: no such weights of {name} ({_tags(name, tag)})")
    return dict(known)


def _tags(name: str, asked: str) -> str:
    return there_are(asked, [*list_pretrained_tags_by_model(_base(name)), "random"])


def _known(config: ClipConfig) -> dict[str, Any]:
    """Settings of a CLIP that no tensor tells."""
    tiny = TINIES.get(config.name)
    known = {"vision_cfg": tiny.tower.model_dump()} if tiny else open_clip_config(config.name)
    vision = known["vision_cfg"]
    cut = {"roi_blocks": config.roi_blocks or vision.get("roi_blocks"), "window": config.window}
    return {**known, "vision_cfg": {**vision, **cut}}


def _spec(config: ClipConfig, quick_gelu: bool) -> ClipSpec:
    """The shape of the CLIP that a name stands for."""
    if config.name in TINIES:
        spec, cut = TINIES[config.name], _known(config)["vision_cfg"]
        own = {key: value for key, value in cut.items() if key in type(spec.tower).model_fields}
        return replace(spec, tower=validate(type(spec.tower), own, f"clip.name={config.name}"))
    sizes = open_clip_config(config.name)
    quick_gelu |= config.name.endswith("-quickgelu")
    parts = {key: value for key, value in sizes.items() if key in ("embed_dim", "vision_cfg", "text_cfg")}
    make = open_clip.CustomTextCLIP if sizes.get("custom_text") else open_clip.CLIP
    with torch.device("meta"):
        weights = make(**parts, quick_gelu=quick_gelu).state_dict()
    return spec_of(weights, quick_gelu, f"clip.name={config.name}", _known(config))


def _base(name: str) -> str:
    return name.removesuffix("-quickgelu")


def open_clip_config(name: str) -> dict[str, Any]:
    """open_clip's settings of a model."""
    config = open_clip.get_model_config(_base(name))
    assert config is not None, name  # the settings know no other names
    return dict(config)
