"""The words of a data file: prompts for step one, and what CLIP reads for a class and for the background."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clipgap.config.section import Section, Words

SomeWords = Annotated[list[Words], Field(min_length=1)]


class PromptsConfig(Section):
    """The words: a built-in set by name, or the prompts themselves."""

    set: Literal["weather", "art"] | None = None
    """A built-in set (METHOD, section 3), in place of `source` and `targets`."""
    source: Words | None = None
    """The source prompt."""
    targets: list[Words] = []
    """The target prompts: each gets an offset of its own."""
    class_template: Words | SomeWords = "a photo of a {}"
    """What CLIP reads for a class; {} is its name. Of several in a list a class's text embedding is the unit mean
    (prompt ensembling: CLIP, Radford et al. 2021, section 3.1.4)."""
    class_names: dict[Words, SomeWords] = {}
    """What CLIP reads in place of a class's name: `{motor: [motorcycle, motorbike]}`; the mean goes over these too."""
    background: Words | SomeWords = "a photo of a street"
    """What CLIP reads for the background, where `detector.background` is `text`; of several in a list the unit mean."""

    @model_validator(mode="after")
    def _one_or_the_other(self) -> PromptsConfig:
        if self.set and (self.source or self.targets):
            raise ValueError("give either `set` or `source` with `targets`, not both")
        if bool(self.source) != bool(self.targets):
            raise ValueError("`source` and `targets` belong together: give both")
        return self

    @model_validator(mode="after")
    def _templates_have_a_place_for_the_name(self) -> PromptsConfig:
        wrong = [template for template in self.class_templates if template.count("{}") != 1]
        if wrong:
            of_which = f" ({wrong[0]!r} has not)" if isinstance(self.class_template, list) else ""
            raise ValueError(f"`class_template` needs one {{}} where the class name goes{of_which}")
        return self

    @model_validator(mode="after")
    def _words_are_there_once(self) -> PromptsConfig:
        lists = {"`class_template`": self.class_templates, "`background`": self.backgrounds}
        lists |= {f"`class_names` of {name}": words for name, words in self.class_names.items()}
        for key, words in lists.items():
            twice = [word for place, word in enumerate(words) if word in words[:place]]
            if twice:
                raise ValueError(f"{key}: {twice[0]!r} is there twice")
        return self

    @property
    def class_templates(self) -> list[str]:
        """`class_template` as a list."""
        return [self.class_template] if isinstance(self.class_template, str) else self.class_template

    @property
    def backgrounds(self) -> list[str]:
        """`background` as a list."""
        return [self.background] if isinstance(self.background, str) else self.background
