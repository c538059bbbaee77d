"""The miniature weather world: streets with the seven classes of Diverse Weather, drawn from a seed, in any weather."""

from clipgap.world.album import Album, Crop, cut, draw_album
from clipgap.world.canvas import HEIGHT, WIDTH
from clipgap.world.captions import CONDITIONS, Caption, truth, write_caption
from clipgap.world.kinds import DOMAINS, KINDS, TARGETS, Kind
from clipgap.world.optics import WEATHERS_OF_PICTURES, Condition, PictureWeather, photograph, weathered
from clipgap.world.second import SECOND
from clipgap.world.sets import write_domain, write_world
from clipgap.world.street import Scene, Thing, draw_street
from clipgap.world.style import STREETS, WEB, Style
from clipgap.world.things import CLASSES

__all__ = [
    "CLASSES",
    "CONDITIONS",
    "DOMAINS",
    "HEIGHT",
    "KINDS",
    "SECOND",
    "STREETS",
    "TARGETS",
    "WEATHERS_OF_PICTURES",
    "WEB",
    "WIDTH",
    "Album",
    "Caption",
    "Condition",
    "Crop",
    "Kind",
    "PictureWeather",
    "Scene",
    "Style",
    "Thing",
    "cut",
    "draw_album",
    "draw_street",
    "photograph",
    "truth",
    "weathered",
    "write_caption",
    "write_domain",
    "write_world",
]
