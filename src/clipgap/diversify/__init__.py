"""Changes of source images that leave every object in its place: the image-level levers (METHOD, section 8)."""

from clipgap.diversify.diversifier import Diversifier, ImageLever, make_diversifier

__all__ = ["Diversifier", "ImageLever", "make_diversifier"]
