"""Weather and light: what a camera sees of a scene under a condition."""

from clipgap.world.optics.first import TIMES, WEATHERS, photograph
from clipgap.world.optics.light import Condition

__all__ = ["TIMES", "WEATHERS", "Condition", "photograph"]
