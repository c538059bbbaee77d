"""Find and load a CLIP: by name and tag, from a local file, or with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import CLIPTextCfg
from open_clip.pretrained import download_pretrained, get_pretrained_cfg, list_pretrained_tags_by_model

from clipgap.clip.model import Clip, ClipSpec, clip_from_weights
from clipgap.clip.tower import redraw_batch_norm
from clipgap.clip.towers.modified_resnet import ModifiedResNetSpec
from clipgap.config import TEXTLESS, ClipConfig
from clipgap.errors import ConfigError, WeightsError
from clipgap.unpickle import is_torchscript
from clipgap.weights import read_file, require_finite, tensors_of

TINY = ClipSpec(
    ModifiedResNetSpec(embed_dim=128, image_size=128, layers=(1, 2, 3, 1), width=16),
    CLIPTextCfg(context_length=32, vocab_size=49408, width=64, heads=1, layers=2),
    quick_gelu=True,
)
"""A CLIP for demos, tests and the miniature world: 1.5 M image parameters, regions of 8 x 8."""
TINY_FILE = Path(__file__).parent / "tiny_clip" / "tiny_clip.safetensors"
"""Its weights, pre-trained on the miniature world (docs/world.md), with its card and log beside it."""
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
        return _from_file(Path(config.file), config)
    if config.pretrained == "random":
        return _random(config)
    return _from_tag(config)


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
    clip = clip_from_weights(weights, _quick_gelu(path, config, from_openai), config.name, path.name)
    _refuse_other_tower(clip, config, path)
    return clip


def _quick_gelu(path: Path, config: ClipConfig, from_openai: bool) -> bool:
    if config.quick_gelu is not None:
        return config.quick_gelu
    if from_openai or config.name.endswith("-quickgelu") or config.name == "tiny":
        return True
    if config.pretrained:
        return bool(_tag(config.name, config.pretrained).get("quick_gelu", False))
    raise WeightsError(
        f"{path}: the file does not say which activation its text tower was trained with; "
        "set clip.quick_gelu=true (OpenAI's, yfcc15m and cc12m weights) or false"
    )


def _refuse_other_tower(clip: Clip, config: ClipConfig, path: Path) -> None:
    if config.name == "tiny":
        return
    expected = _spec(config.name, quick_gelu=False).tower
    if clip.spec.tower != expected:
        raise WeightsError(f"{path}: holds {clip.spec.tower}, but clip.name={config.name} is {expected}")


def _random(config: ClipConfig) -> Clip:
    spec = TINY if config.name == "tiny" else _spec(config.name, bool(config.quick_gelu))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.random_seed)
        model = spec.build()
    redraw_batch_norm(model.visual, torch.Generator().manual_seed(config.random_seed))
    return Clip(model, spec, config.name, f"random (seed {config.random_seed})")


def _from_tag(config: ClipConfig) -> Clip:
    if config.name == "tiny":
        return _shipped(config)
    tag = config.pretrained or "openai"
    known = _tag(config.name, tag)
    clip = _from_file(_download(config.name, tag, known), config.model_copy(update={"pretrained": tag}))
    clip.weights = tag
    return clip


def _shipped(config: ClipConfig) -> Clip:
    if config.pretrained not in (None, "world"):
        raise WeightsError(f"clip.pretrained={config.pretrained}: no such weights of tiny (there are: world, random)")
    clip = _from_file(TINY_FILE, config)
    clip.weights = "miniature world"
    return clip


def _download(name: str, tag: str, known: dict[str, Any]) -> Path:
    try:
        return Path(download_pretrained(known, prefer_hf_hub=False))  # checks the SHA-256 of what it finds or fetches
    except Exception as error:  # noqa: BLE001 (urllib, hub and hash errors: all mean that the file is not to be had)
        wanted = str(known["url"])
        raise WeightsError(
            f"the weights {name} / {tag} are not on this machine and cannot be downloaded ({type(error).__name__}). "
            f"Fetch {wanted} elsewhere and put it at {CACHE / Path(wanted).name}, or name it with clip.file=PATH"
        ) from None


def _tag(name: str, tag: str) -> dict[str, Any]:
    known = get_pretrained_cfg(_base(name), tag)
    if not known:
        tags = ", ".join([*list_pretrained_tags_by_model(_base(name)), "random"])
        raise WeightsError(f"clip.pretrained={tag}: no such weights of {name} (there are: {tags})")
    return dict(known)


def _spec(name: str, quick_gelu: bool) -> ClipSpec:
    config = open_clip.get_model_config(_base(name))
    assert config is not None, name  # the settings know no other names
    vision = config["vision_cfg"]
    tower = ModifiedResNetSpec(
        embed_dim=config["embed_dim"], image_size=vision["image_size"], layers=vision["layers"], width=vision["width"]
    )
    text = CLIPTextCfg(**{key: value for key, value in config["text_cfg"].items() if key != "hf_model_name"})
    return ClipSpec(tower, text, quick_gelu or name.endswith("-quickgelu"))


def _base(name: str) -> str:
    return name.removesuffix("-quickgelu")
