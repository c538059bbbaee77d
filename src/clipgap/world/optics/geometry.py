"""Where light and snow reach: from the depth map of a scene, edges of what stands there and the shadows it casts."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from clipgap.world.canvas import HEIGHT, WIDTH
from clipgap.world.optics.light import Share
from clipgap.world.street import Scene

WIDEST = 10
"""Most pixels of an edge."""
BEHIND = 0.6
"""Metres that something must be farther, to be seen past an edge."""
STEP = 0.4
"""Metres from one look along a ray to the next, and how thick what stands there is taken to be."""


def sideways(scene: Scene) -> npt.NDArray[np.float32]:
    """Metres to the right of the camera of every pixel (H, W)."""
    columns = np.arange(WIDTH, dtype=np.float32)[None] - np.float32(scene.camera.centre)
    return np.asarray(columns * scene.depth / np.float32(scene.camera.focal), dtype=np.float32)


def houses(scene: Scene) -> npt.NDArray[np.bool_]:
    """Which pixels belong to the houses (H, W)."""
    return np.asarray((scene.owner > 1) & (np.abs(sideways(scene)) > scene.kerb - 0.1))


def edge(scene: Scene, rows: int, columns: int, metres: float | Share) -> Share:
    """The outermost `metres` of whatever stands there, towards the direction (rows, columns) in steps of a pixel."""
    reach = np.asarray(metres, dtype=np.float32) * np.float32(scene.camera.focal) / scene.depth
    padded = np.pad(scene.depth, WIDEST, mode="edge")
    found = np.zeros((HEIGHT, WIDTH), dtype=np.float32)
    for k in range(1, WIDEST + 1):
        top, left = WIDEST + k * rows, WIDEST + k * columns
        past = padded[top : top + HEIGHT, left : left + WIDTH] > scene.depth + np.float32(BEHIND)
        found = np.maximum(found, past * np.clip(reach - (k - 1), 0, 1))
    return np.asarray(found * (scene.owner > 1), dtype=np.float32)


def cast(scene: Scene, bearing: float, elevation: float) -> Share:
    """The ground's shadow of things, trees and posts, by rays from the ground to the sun through the depth map.

    `bearing` is 0 for a sun straight ahead and pi/2 for one to the right, `elevation` its height, both in radians.
    Houses cast none: they would leave no sun on the street.
    """
    camera, (height, width) = scene.camera, (HEIGHT // 2, WIDTH // 2)
    blocks = (scene.owner > 1) & ~houses(scene)
    x, z = sideways(scene)[::2, ::2], scene.depth[::2, ::2]
    shade = np.zeros((height, width), dtype=np.float32)
    longest = min(4.0 / np.sin(elevation), 16.0)
    for t in np.arange(STEP, longest, STEP):
        up, level = t * np.sin(elevation), t * np.cos(elevation)
        ahead = np.maximum(z + level * np.cos(bearing), 0.5)
        column = camera.centre + camera.focal * (x + level * np.sin(bearing)) / ahead
        row = camera.horizon + camera.focal * (camera.height - up) / ahead
        inside = (column >= 0) & (column < WIDTH) & (row >= 0) & (row < HEIGHT)
        at = np.clip(row, 0, HEIGHT - 1).astype(np.intp), np.clip(column, 0, WIDTH - 1).astype(np.intp)
        shade[inside & blocks[at] & (np.abs(scene.depth[at] - ahead) < STEP)] = 1
    soft = cv2.resize(cv2.GaussianBlur(shade, (0, 0), 1.2), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft * (scene.owner == 1), dtype=np.float32)
