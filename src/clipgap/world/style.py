"""What a world's things look like and how strong its weather is: two styles that share no palette and no car body.

`STREETS` is the detector's world. `WEB` is where the tiny CLIP is pre-trained: other bodies, other proportions,
other palettes, wider weather. The two are drawn by the same code from different numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Range = tuple[float, float]
Hues = tuple[tuple[int, int, int], ...]
Outline = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Layout:
    """The camera, the road and what stands along it. Lengths in metres, colours sRGB."""

    focal: Range
    """Pixels."""
    eye: Range
    """Height of the camera."""
    horizon: Range
    """Row of the horizon."""
    road: Range
    """Half the width of the road."""
    pavement: Range
    """From the kerb's edge of the road to the houses."""
    lines: tuple[Range, ...]
    """Where each of the road's dashed lines is, from its middle."""
    verges: Hues
    asphalt: Range
    house_length: Range
    house_height: Range
    gap: Range
    """Between one house and the next."""
    gables: bool
    """Pitched roofs, or flat ones."""
    glass: Hues
    leaves: Hues
    conifers: bool
    """Trees are cones, or round."""


PLAIN = Layout(
    focal=(240.0, 300.0),
    eye=(1.4, 2.3),
    horizon=(66.0, 92.0),
    road=(4.5, 7.0),
    pavement=(2.0, 4.5),
    lines=((-1.5, 1.5),),
    verges=((150, 146, 140), (128, 136, 104), (160, 152, 138)),
    asphalt=(84.0, 122.0),
    house_length=(6.0, 18.0),
    house_height=(5.0, 17.0),
    gap=(0.0, 5.0),
    gables=False,
    glass=((70, 84, 98), (92, 100, 104), (54, 58, 70)),
    leaves=((70, 108, 52), (92, 120, 60), (60, 92, 60)),
    conifers=False,
)


@dataclass(frozen=True)
class Style:
    """The assets of a world, and the ranges its weather is drawn from. Lengths in metres, parts in [0, 1]."""

    name: str
    layout: Layout
    car_outlines: tuple[Outline, ...]
    """Roof lines (x along the car, part of its height), rear to front."""
    paints: Hues
    """Colours of vehicles, sRGB."""
    cloths: Hues
    walls: Hues
    car_length: Range
    bus_length: Range
    truck_length: Range
    person_height: Range
    bus_windows: tuple[int, ...]
    cargo: tuple[str, ...]
    """What trucks carry: box, flat, tank, container."""
    things: tuple[int, int]
    """Least and most things in a street, riders not counted."""
    distance: Range
    """Where they stand, from the camera."""
    shares: dict[str, float]
    """How often a thing is of a class: unequal as in the real set, if less so; riders come with bikes and motors."""
    fog_visibility: Range
    """Meteorological visibility in metres (5 % contrast)."""
    airlight: float
    """Brightness of fog and of the veil of rain, relative to the sky's."""
    night_light: Range
    """Ambient light at night, as a part of the day's."""
    dusk_light: Range
    noise: Range
    """Standard deviation of the sensor's noise at night, as a part of full scale after gain."""
    rain: Range
    """Streaks per 1000 pixels."""
    rain_visibility: Range
    snow: Range
    """Flakes per 1000 pixels."""
    wetness: Range
    """Share of light that a wet road mirrors."""


SEDAN: Outline = ((0.0, 0.52), (0.12, 0.58), (0.27, 1.0), (0.64, 1.0), (0.82, 0.6), (1.0, 0.5))
HATCH: Outline = ((0.0, 0.55), (0.03, 0.62), (0.13, 1.0), (0.66, 1.0), (0.84, 0.6), (1.0, 0.5))
SUV: Outline = ((0.0, 0.6), (0.02, 0.66), (0.06, 1.0), (0.7, 1.0), (0.82, 0.66), (1.0, 0.58))
COUPE: Outline = ((0.0, 0.5), (0.08, 0.58), (0.34, 1.0), (0.58, 1.0), (0.8, 0.56), (1.0, 0.44))
WAGON: Outline = ((0.0, 0.5), (0.02, 0.6), (0.1, 0.97), (0.62, 1.0), (0.8, 0.6), (1.0, 0.5))
VAN: Outline = ((0.0, 0.5), (0.01, 0.95), (0.04, 1.0), (0.76, 1.0), (0.93, 0.58), (1.0, 0.48))
MINI: Outline = ((0.0, 0.55), (0.05, 0.64), (0.16, 1.0), (0.6, 0.98), (0.78, 0.64), (1.0, 0.54))

STREETS = Style(
    name="streets",
    layout=PLAIN,
    car_outlines=(SEDAN, HATCH, SUV),
    paints=(
        (200, 200, 204),
        (42, 44, 50),
        (150, 30, 34),
        (36, 66, 128),
        (228, 228, 224),
        (104, 110, 116),
        (30, 92, 70),
        (196, 160, 60),
        (120, 76, 50),
    ),
    cloths=((170, 50, 50), (44, 60, 110), (70, 70, 74), (200, 190, 170), (50, 110, 90), (210, 160, 50), (110, 60, 120)),
    walls=((168, 150, 132), (142, 120, 110), (178, 172, 164), (128, 132, 140), (160, 128, 100), (188, 176, 150)),
    car_length=(3.9, 4.6),
    bus_length=(9.0, 12.0),
    truck_length=(6.5, 9.0),
    person_height=(1.5, 1.9),
    bus_windows=(5, 6, 7),
    cargo=("box", "flat", "container"),
    things=(3, 7),
    distance=(5.0, 22.0),
    shares={"car": 0.42, "person": 0.18, "truck": 0.1, "bus": 0.1, "bike": 0.1, "motor": 0.1},
    fog_visibility=(70.0, 200.0),
    airlight=0.6,
    night_light=(0.012, 0.03),
    dusk_light=(0.12, 0.3),
    noise=(0.025, 0.05),
    rain=(1.5, 4.0),
    rain_visibility=(150.0, 350.0),
    snow=(2.0, 6.0),
    wetness=(0.25, 0.5),
)
"""The detector's world."""

WEB = Style(
    name="web",
    layout=PLAIN,
    car_outlines=(COUPE, WAGON, VAN, MINI),
    paints=(
        (214, 40, 40),
        (240, 200, 40),
        (60, 130, 220),
        (250, 250, 250),
        (20, 20, 22),
        (80, 160, 80),
        (240, 130, 40),
        (150, 150, 156),
        (120, 40, 110),
        (90, 60, 40),
        (160, 200, 220),
        (60, 70, 90),
        (180, 176, 160),
    ),
    cloths=(
        (230, 60, 60),
        (40, 90, 200),
        (30, 30, 34),
        (240, 240, 236),
        (60, 160, 80),
        (250, 210, 60),
        (160, 60, 160),
        (240, 140, 60),
        (120, 130, 140),
        (90, 60, 40),
    ),
    walls=(
        (200, 120, 90),
        (110, 90, 80),
        (220, 214, 200),
        (100, 110, 124),
        (150, 160, 140),
        (190, 150, 110),
        (90, 84, 90),
        (210, 190, 140),
    ),
    car_length=(3.4, 5.0),
    bus_length=(7.5, 13.0),
    truck_length=(5.5, 10.5),
    person_height=(1.3, 2.0),
    bus_windows=(4, 6, 8, 9),
    cargo=("box", "tank", "flat", "container"),
    things=(3, 9),
    distance=(5.5, 38.0),
    shares={"car": 0.5, "person": 0.17, "truck": 0.1, "bus": 0.07, "bike": 0.08, "motor": 0.08},
    fog_visibility=(20.0, 160.0),
    airlight=1.0,
    night_light=(0.012, 0.09),
    dusk_light=(0.09, 0.4),
    noise=(0.005, 0.05),
    rain=(1.0, 7.0),
    rain_visibility=(60.0, 350.0),
    snow=(1.0, 10.0),
    wetness=(0.15, 0.65),
)
"""The tiny CLIP's world."""


def vary(random: np.random.Generator, colours: tuple[tuple[float, float, float], ...]) -> tuple[float, float, float]:
    """One of the colours, a little lighter or darker."""
    red, green, blue = colours[random.integers(len(colours))]
    light = random.uniform(0.8, 1.12)
    return min(red * light, 255.0), min(green * light, 255.0), min(blue * light, 255.0)


def shaded(colour: tuple[float, float, float], factor: float) -> tuple[float, float, float]:
    """A colour with less light on it."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor
