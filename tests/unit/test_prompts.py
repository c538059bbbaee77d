from __future__ import annotations

import pytest

from clipgap.config import PromptsConfig
from clipgap.errors import ConfigError
from clipgap.prompts import BUILT_IN, PromptSet, class_prompts


def test_the_built_in_sets_are_the_papers() -> None:
    weather, art = BUILT_IN["weather"], BUILT_IN["art"]
    assert (weather.source, len(set(weather.targets))) == ("an image taken during the day", 15)
    assert weather.targets[:4] == (
        "an image taken on a snow day",
        "an image taken on a snow evening",
        "an image taken on a snow night",
        "an image taken on a fog day",
    )
    assert weather.targets[-1] == "an image taken on a stormy night"
    assert art == PromptSet(
        "a realistic image",
        (
            "an image in the comics style",
            "an image in the painting style",
            "an image in the cartoon style",
            "an image in the digital-art style",
            "an image in the sketch style",
            "an image in the watercolor painting style",
            "an image in the oil painting style",
        ),
    )


@pytest.mark.parametrize("name", ["weather", "art"])
def test_a_set_by_name(name: str) -> None:
    assert PromptSet.from_config(PromptsConfig.model_validate({"set": name})) is BUILT_IN[name]


def test_prompts_spelt_out_keep_their_order() -> None:
    assert PromptSet.from_config(PromptsConfig(source="day", targets=["night", "fog"])) == PromptSet(
        "day", ("night", "fog")
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (PromptsConfig(), "data.prompts: no prompts; give `source` and `targets`, or a built-in set: weather, art"),
        (PromptsConfig(source="day", targets=["fog", "night", "fog"]), "data.prompts: 'fog' is there twice"),
        (PromptsConfig(source="day", targets=["fog", "day"]), "data.prompts: 'day' is there twice"),
    ],
)
def test_prompts_that_cannot_be_used(config: PromptsConfig, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        PromptSet.from_config(config)
    assert str(error.value) == message


def test_class_prompts() -> None:
    assert class_prompts(["car", "digital {art}"]) == [["a photo of a car"], ["a photo of a digital {art}"]]
    config = PromptsConfig(class_template=["the {}", "a {} at night"], class_names={"bus": ["coach", "bus"]})
    assert class_prompts(["car", "bus"], config) == [
        ["the car", "a car at night"],
        ["the coach", "the bus", "a coach at night", "a bus at night"],
    ]


@pytest.mark.parametrize("template", ["a {} in {weather}", "{{}}", "a {} {", "{0} {}"])
def test_other_braces_of_a_template_are_words(template: str) -> None:
    config = PromptsConfig(class_template=template)
    assert class_prompts(["car"], config) == [["car".join(template.split("{}"))]]
