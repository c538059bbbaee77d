"""Captions: what a picture of the street could be called, and of which pictures a caption is true.

Captions name a class, a weather, a time of day, or several of these, in many phrasings. They are all the tiny CLIP ever
learns from: no box, no label.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from clipgap.world.optics import TIMES, WEATHERS, Condition
from clipgap.world.things import CLASSES

CLASS_WORDS = {
    "bus": ("bus", "bus", "coach", "city bus"),
    "bike": ("bike", "bike", "bicycle", "push bike"),
    "car": ("car", "car", "automobile", "vehicle of the car kind"),
    "motor": ("motor", "motor", "motorbike", "motorcycle"),
    "person": ("person", "person", "pedestrian", "someone walking"),
    "rider": ("rider", "rider", "cyclist or motorcyclist", "person riding"),
    "truck": ("truck", "truck", "lorry", "freight truck"),
}
WEATHER_WORDS = {
    "clear": ("clear", "sunny", "fine", "dry"),
    "cloudy": ("cloudy", "overcast", "grey", "dull"),
    "fog": ("fog", "foggy", "misty", "hazy"),
    "rain": ("rain", "rainy", "wet", "drizzly"),
    "storm": ("stormy", "storm", "tempestuous", "thunderstorm"),
    "snow": ("snow", "snowy", "wintry", "snowing"),
}
TIME_WORDS = {
    "day": ("day", "day", "daytime", "afternoon"),
    "dusk": ("evening", "evening", "dusk", "twilight"),
    "night": ("night", "night", "night-time", "midnight"),
}
OF_CLASS = (
    "a photo of a {c}",
    "a photo of a {c}",
    "a {c}",
    "a picture of a {c}",
    "a {c} on the street",
    "there is a {c} here",
    "an image of one {c}",
    "the {c} in front of us",
)
OF_BOTH = (
    "an image taken on a {w} {t}",
    "an image taken on a {w} {t}",
    "a photo of a street on a {w} {t}",
    "a {w} {t}",
    "driving on a {w} {t}",
    "a {w} {t} in the city",
    "a street scene, {w}, {t}",
)
OF_WEATHER = ("an image taken in {w} weather", "a street in {w} weather", "{w} weather", "it is {w}")
OF_TIME = (
    "an image taken during the {t}",
    "an image taken during the {t}",
    "a street in the {t}",
    "a {t} picture",
    "it is {t}",
)
OF_ALL = (
    "a photo of a {c} on a {w} {t}",
    "a {c} on a {w} {t}",
    "an image of a {c} taken on a {w} {t}",
    "a {w} {t}, a {c}",
)
CONDITIONS = tuple(Condition(weather, time) for weather, time in product(WEATHERS, TIMES))
TRUE_IN = {weather: (weather,) for weather in WEATHERS} | {"rain": ("rain", "storm")}
"""The weathers of which a word is true: it rains in a storm."""


@dataclass(frozen=True)
class Caption:
    """A caption and what it says; None where it is silent."""

    text: str
    name: str | None
    weather: str | None
    time: str | None


def write_caption(random: np.random.Generator, name: str | None, condition: Condition) -> Caption:
    """A true caption of a picture of a thing of class `name` (None: a piece of street) under a condition."""
    weather, time = condition
    kinds = (
        (("class", OF_CLASS), ("all", OF_ALL))
        if name
        else (("both", OF_BOTH), ("weather", OF_WEATHER), ("time", OF_TIME))
    )
    shares = (0.7, 0.3) if name else (0.64, 0.18, 0.18)
    kind, templates = kinds[int(random.choice(len(kinds), p=shares))]
    says_weather, says_time = kind in ("all", "both", "weather"), kind in ("all", "both", "time")
    words = {
        "c": _pick(random, CLASS_WORDS[name]) if name else "",
        "w": _pick(random, WEATHER_WORDS[weather]),
        "t": _pick(random, TIME_WORDS[time]),
    }
    text = _pick(random, templates).format(**words)
    return Caption(text, name, weather if says_weather else None, time if says_time else None)


def truth(
    captions: list[Caption], names: list[str | None], also: list[frozenset[str]], conditions: list[Condition]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Whether caption j is true of picture i, and whether that is clear: two arrays (pictures, captions).

    A class that is in the picture without being its subject makes a caption neither right nor wrong.
    """
    named = np.array([[c.name is None or c.name == name for c in captions] for name in names])
    beside = np.array([[c.name is not None and c.name in classes for c in captions] for classes in also])
    weathers = np.array([[c.weather is None or w in TRUE_IN[c.weather] for c in captions] for w, _ in conditions])
    times = np.array([[c.time is None or c.time == t for c in captions] for _, t in conditions])
    return named & weathers & times, ~(beside & weathers & times)


def _pick(random: np.random.Generator, words: tuple[str, ...]) -> str:
    return words[int(random.integers(len(words)))]


__all__ = ["CLASSES", "CONDITIONS", "Caption", "truth", "write_caption"]
