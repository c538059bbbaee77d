"""The second world's streets: another camera, wider roads, pitched roofs, conifers, other bodies, sizes and palettes.

Chosen by looking at a few pictures for plausibility alone; no detector and no CLIP was developed on it (docs/world.md).
"""

from __future__ import annotations

from dataclasses import replace

from clipgap.world.style import STREETS, Layout, Outline

PICKUP: Outline = ((0.0, 0.56), (0.02, 0.62), (0.34, 0.62), (0.4, 1.0), (0.63, 1.0), (0.78, 0.64), (1.0, 0.56))
FASTBACK: Outline = ((0.0, 0.54), (0.04, 0.64), (0.3, 0.97), (0.52, 1.0), (0.78, 0.62), (1.0, 0.48))
PEOPLE_CARRIER: Outline = ((0.0, 0.54), (0.01, 0.8), (0.05, 1.0), (0.6, 1.0), (0.86, 0.64), (1.0, 0.54))
CROSSOVER: Outline = ((0.0, 0.58), (0.04, 0.7), (0.14, 0.96), (0.58, 1.0), (0.76, 0.66), (1.0, 0.6))

BOULEVARD = Layout(
    focal=(205.0, 245.0),
    eye=(2.4, 3.1),
    horizon=(52.0, 74.0),
    road=(7.0, 10.0),
    pavement=(2.5, 5.0),
    lines=((-4.2, -2.6), (2.6, 4.2)),
    verges=((118, 132, 88), (146, 150, 112), (134, 122, 112)),
    asphalt=(66.0, 96.0),
    house_length=(8.0, 14.0),
    house_height=(4.0, 9.0),
    gap=(3.0, 9.0),
    gables=True,
    glass=((52, 58, 66), (112, 128, 140)),
    leaves=((44, 82, 58), (58, 96, 62), (72, 94, 48)),
    conifers=True,
)

SECOND = replace(
    STREETS,
    name="second",
    layout=BOULEVARD,
    car_outlines=(PICKUP, FASTBACK, PEOPLE_CARRIER, CROSSOVER),
    paints=(
        (186, 52, 74),
        (70, 146, 150),
        (244, 240, 226),
        (62, 54, 52),
        (146, 132, 112),
        (88, 62, 122),
        (58, 84, 48),
        (222, 116, 54),
        (132, 150, 176),
    ),
    cloths=(
        (216, 96, 96),
        (62, 120, 150),
        (96, 84, 62),
        (232, 226, 214),
        (52, 52, 66),
        (140, 170, 70),
        (190, 110, 160),
    ),
    walls=((214, 186, 142), (172, 92, 74), (226, 222, 206), (146, 164, 170), (196, 150, 140), (120, 106, 92)),
    car_length=(4.2, 5.2),
    bus_length=(10.5, 14.0),
    truck_length=(7.5, 11.0),
    person_height=(1.45, 2.0),
    bus_windows=(3, 4, 8),
    cargo=("tank", "box", "container"),
    things=(4, 8),
    distance=(5.5, 18.0),
    shares={"car": 0.38, "person": 0.2, "truck": 0.12, "bus": 0.08, "bike": 0.12, "motor": 0.1},
)
"""Its weathers come from `clipgap.world.optics.second`; the ranges of weather here are those of the first world."""
