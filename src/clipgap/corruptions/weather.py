"""Weather in front of the lens: snow, frost, fog, and drops of water or mud.

Source: Hendrycks and Dietterich (ICLR 2019), section 3.2 and appendix B; parameters of the published benchmark code.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from clipgap.corruptions.ice import draw_ice
from clipgap.corruptions.parts import Pixels, Values, smear, soften, to_pixels, to_values, zoom_centre

WATER = np.array([175, 238, 238], np.float32) / 255
MUD = np.array([63, 42, 20], np.float32) / 255


def snow(image: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """The scene whitened, and falling flakes: spots of noise, enlarged and drawn out by their motion, two ways."""
    mean, deviation, size, least, radius, sigma, share = (
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    )[severity - 1]
    values = to_values(image)
    noise = np.float32(mean) + np.float32(deviation) * random.standard_normal(values.shape[:2], np.float32)
    flakes = zoom_centre(noise[..., None], size)[..., 0]
    flakes = np.clip(np.where(flakes < least, 0, flakes), 0, 1)
    flakes = smear(flakes, radius, sigma, random.uniform(-135, -45))
    flakes = np.round(flakes * 255)[..., None] / np.float32(255)
    grey = cv2.cvtColor(values, cv2.COLOR_RGB2GRAY)[..., None]
    whitened = np.float32(share) * values + np.float32(1 - share) * np.maximum(values, grey * 1.5 + 0.5)
    return to_pixels(whitened + flakes + np.rot90(flakes, 2))


def frost(image: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Ice on the lens, by 0.4 to 0.75 of it over 1 to 0.6 of the image.

    The published code pastes a piece of one of six photographs of frost. Ours is drawn (`draw_ice`), as bright, as blue
    and as rough on average as those are: figures on this corruption are near to published ones, not equal.
    """
    kept, added = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))[severity - 1]
    ice = draw_ice(image.shape[0], image.shape[1], random)
    return to_pixels(np.float32(kept) * to_values(image) + np.float32(added) * ice)


def fog(image: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """A heap of fog (diamond-square, 1.5 to 3 times as bright as white), then the range fitted to what it was."""
    amount, decay = ((1.5, 2), (2.0, 2), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))[severity - 1]
    values = to_values(image)
    height, width = values.shape[:2]
    side = 1 << (max(height, width) - 1).bit_length()
    cloud = _plasma(side, decay, random)[:height, :width, None]
    most = float(values.max())
    return to_pixels((values + np.float32(amount) * cloud) * np.float32(most / (most + amount)))


def spatter(image: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Drops on the lens: pale water with bright edges up to severity 3, mud from 4 on."""
    mean, deviation, sigma, least, strength = (
        (0.65, 0.3, 4, 0.69, 0.6),
        (0.65, 0.3, 3, 0.68, 0.6),
        (0.65, 0.3, 2, 0.68, 0.5),
        (0.65, 0.3, 1, 0.65, 1.5),
        (0.67, 0.4, 1, 0.65, 1.5),
    )[severity - 1]
    values = to_values(image)
    noise = np.float32(mean) + np.float32(deviation) * random.standard_normal(values.shape[:2], np.float32)
    liquid = soften(noise, sigma)
    liquid[liquid < least] = 0
    if severity <= 3:
        return to_pixels(values + (np.float32(strength) * _drops(liquid))[..., None] * WATER)
    mud = soften((liquid > least).astype(np.float32), strength)
    mud[mud < 0.8] = 0
    return to_pixels(values * (1 - mud[..., None]) + mud[..., None] * MUD)


def _drops(liquid: Values) -> Values:
    """How bright drops of water shine, 0 to 1: more the further from their edges, with light from the upper left."""
    layer = (liquid * 255).astype(np.uint8)
    far = cv2.distanceTransform(255 - cv2.Canny(layer, 50, 150), cv2.DIST_L2, 5)
    far = cv2.equalizeHist(cv2.blur(np.minimum(far, 20), (3, 3)).astype(np.uint8))
    relief = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], np.float32)
    shine = layer * cv2.blur(cv2.filter2D(far, cv2.CV_8U, relief), (3, 3)).astype(np.float32)
    return np.asarray(shine / max(float(shine.max()), 1.0), np.float32)


def _plasma(side: int, decay: float, random: np.random.Generator) -> npt.NDArray[np.float32]:
    """Heights from 0 to 1 of a landscape by the diamond-square rule (Fournier, Fussell and Carpenter, CACM 1982).

    It goes on at its opposite edge. `side` is a power of two. As in the published code, what is added to a mean is
    uniform in plus or minus the square of a spread of 100, divided by `decay` whenever the grid gets finer.
    """
    heights = np.zeros((side, side), np.float32)
    spread, step = 100.0, side

    def displaced(sums: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        noise = random.random(sums.shape, np.float32)
        return sums / 4 + np.float32(spread**2) * (2 * noise - 1)

    while step > 1:
        half = step // 2
        corners = heights[::step, ::step]
        pairs = corners + np.roll(corners, -1, axis=1)
        columns = corners + np.roll(corners, -1, axis=0)
        middle = displaced(pairs + np.roll(pairs, -1, axis=0))
        heights[half::step, half::step] = middle
        heights[::step, half::step] = displaced(pairs + middle + np.roll(middle, 1, axis=0))
        heights[half::step, ::step] = displaced(columns + middle + np.roll(middle, 1, axis=1))
        spread, step = spread / decay, half
    heights -= heights.min()
    heights /= heights.max()
    return heights
