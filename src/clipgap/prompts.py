"""The words: a source prompt, target prompts, and what a class is called (METHOD, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from clipgap.config import PromptsConfig
from clipgap.errors import ConfigError


@dataclass(frozen=True)
class PromptSet:
    """A source prompt and the M target prompts, in the order in which the offsets are stored.

    Examples:
        >>> prompts = clipgap.PromptSet("an image taken during the day", ("an image taken on a fog day",))
        >>> clip = clipgap.load_clip(clipgap.load_config("mini_world").clip)
        >>> clip.embed_text(prompts.targets).shape
        torch.Size([1, 128])
    """

    source: str
    targets: tuple[str, ...]

    @classmethod
    def from_config(cls, config: PromptsConfig) -> PromptSet:
        """The prompts that a data file names or spells out.

        Raises:
            ConfigError: the data file has none, one is there twice, or a target is the source prompt itself.
        """
        if config.set:
            return BUILT_IN[config.set]
        if not config.source:
            raise ConfigError(
                "data.prompts: no prompts; give `source` and `targets`, or a built-in set: " + ", ".join(BUILT_IN)
            )
        repeated = [p for i, p in enumerate(config.targets) if p in config.targets[:i] or p == config.source]
        if repeated:
            raise ConfigError(f"data.prompts: {repeated[0]!r} is there twice")
        return cls(config.source, tuple(config.targets))


def class_prompts(classes: Sequence[str], config: PromptsConfig | None = None) -> list[list[str]]:
    """What CLIP's text tower reads for every class: each of its names (or its own) in each of the templates."""
    config = config or PromptsConfig()
    names = [config.class_names.get(own, [own]) for own in classes]
    return [[template.replace("{}", name) for template in config.class_templates for name in some] for some in names]


WEATHERS = ("snow", "fog", "cloudy", "rain", "stormy")
TIMES = ("day", "evening", "night")
STYLES = ("comics", "painting", "cartoon", "digital-art", "sketch", "watercolor painting", "oil painting")
BUILT_IN = {
    "weather": PromptSet(
        "an image taken during the day",
        tuple(f"an image taken on a {weather} {time}" for weather, time in product(WEATHERS, TIMES)),
    ),
    "art": PromptSet("a realistic image", tuple(f"an image in the {style} style" for style in STYLES)),
}
