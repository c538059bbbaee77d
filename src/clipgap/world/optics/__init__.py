"""Weather and light: what a camera sees of a scene under a condition."""

from clipgap.world.optics.first import TIMES, WEATHERS
from clipgap.world.optics.light import Condition
from clipgap.world.optics.photo import photograph
from clipgap.world.optics.picture import WEATHERS_OF_PICTURES, PictureWeather, weathered
from clipgap.world.optics.second import SECOND_WEATHERS

__all__ = [
    "SECOND_WEATHERS",
    "TIMES",
    "WEATHERS",
    "WEATHERS_OF_PICTURES",
    "Condition",
    "PictureWeather",
    "photograph",
    "weathered",
]
