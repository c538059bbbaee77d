"""The photograph: the weathers of either world by their names."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clipgap.world.optics import first
from clipgap.world.optics.light import Condition
from clipgap.world.optics.second import SECOND_WEATHERS
from clipgap.world.street import Scene
from clipgap.world.style import Style


def photograph(scene: Scene, condition: Condition, style: Style, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """What a camera sees of a scene under a condition of either world: (H, W, 3) sRGB.

    Strengths of the first world's weathers are drawn from the style's ranges, those of the second's from its own.
    """
    if condition.weather in SECOND_WEATHERS:
        return SECOND_WEATHERS[condition.weather](scene, random)
    return first.photograph(scene, condition, style, random)
