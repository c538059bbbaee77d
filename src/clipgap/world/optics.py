"""Weather and light, by simple optics on the depth map of a scene.

All is computed in linear light. In order: light on the surfaces (sun, overcast, dusk, street and head lamps), wet-road
mirroring, lamps that shine into the camera with bloom, extinction and airlight, streaks and flakes in the air, then the
camera: exposure, shot and read noise, sRGB.

Sources: fog is Koschmieder's law I = J t + A (1 - t), t = exp(-beta d) (Narasimhan and Nayar, IJCV 2002), with
beta = 3.0 / visibility for 5 % contrast (WMO). Rain is streaks (Garg and Nayar, IJCV 2007) under the veil of distant
drops (Halder et al., ICCV 2019). Noise is Poisson-Gaussian (Foi et al., TIP 2008). sRGB is IEC 61966-2-1.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from clipgap.world.canvas import FAR, HEIGHT, WIDTH
from clipgap.world.street import Scene
from clipgap.world.style import Range, Style

Light = npt.NDArray[np.float32]
"""Linear light (H, W, 3)."""
WEATHERS = ("clear", "cloudy", "fog", "rain", "storm", "snow")
TIMES = ("day", "dusk", "night")
_CODES = np.arange(256, dtype=np.float64) / 255
TO_LINEAR = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)
_STEPS = np.linspace(0, 1, 4096)
TO_SRGB = np.round(
    255 * np.where(_STEPS <= 0.0031308, 12.92 * _STEPS, 1.055 * np.maximum(_STEPS, 1e-9) ** (1 / 2.4) - 0.055)
).astype(np.uint8)
CLOUDS = cv2.resize(
    np.random.default_rng(1).normal(0, 1, (24, 48)).astype(np.float32), (768, 192), interpolation=cv2.INTER_CUBIC
)
NOISE = np.random.default_rng(2).standard_normal((2 * HEIGHT, 2 * WIDTH, 3)).astype(np.float32)
"""Unit noise; every picture takes its own piece, mirrored at random: drawing it anew would cost a third of the time."""


class Condition(NamedTuple):
    """A kind of weather at a time of day."""

    weather: str
    time: str


DAYTIME_CLEAR = Condition("clear", "day")


class Look(NamedTuple):
    """What a time of day does: light on surfaces, the colour of the sky above and at the horizon, lamps or not."""

    ambient: npt.NDArray[np.float32]
    zenith: npt.NDArray[np.float32]
    horizon: npt.NDArray[np.float32]
    lamps: float


def photograph(scene: Scene, condition: Condition, style: Style, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """What a camera sees of a scene under a condition: (H, W, 3) sRGB. Strengths are drawn from the style's ranges."""
    weather, time = condition
    look = _look(condition, style, random)
    surfaces = TO_LINEAR[scene.colour]
    if weather == "snow":
        surfaces = _snowed(surfaces, scene, random)
    light = surfaces * _illumination(scene, condition, look, random)
    sky = scene.owner == 0
    light[sky] = _sky(scene, condition, look, random)[sky]
    wet = weather in ("rain", "storm")
    lamps = _lamps(scene, look, random)
    if wet:
        light = _mirrored(light, lamps, scene, _draw(random, style.wetness))
    light += lamps
    visibility = _visibility(weather, style, random)
    if visibility < FAR:
        light = _veiled(light, scene, look, style, visibility, airy=weather == "fog")
    light += _bloom(lamps, 2.5 if weather in ("fog", "rain", "storm", "snow") else 1.0)
    if wet:
        light = _streaks(light, look, _draw(random, style.rain) * (1.5 if weather == "storm" else 1.0), random)
    if weather == "snow":
        light = _flakes(light, look, _draw(random, style.snow), random)
    picture = _exposed(light, time, style, random)
    return _drops(picture, random) if wet else picture


def _look(condition: Condition, style: Style, random: np.random.Generator) -> Look:
    weather, time = condition
    grey = {"clear": 0.0, "cloudy": 0.85, "fog": 0.9, "rain": 0.95, "storm": 1.0, "snow": 0.85}[weather]
    dim = {"clear": 1.0, "cloudy": 0.75, "fog": 0.8, "rain": 0.6, "storm": 0.4, "snow": 0.75}[weather]
    if time == "day":
        clear = (_rgb(1.0, 0.97, 0.92), _rgb(0.22, 0.42, 0.82), _rgb(0.62, 0.74, 0.9), 0.0)
    elif time == "dusk":
        warm = random.uniform(0.5, 1.0)
        level = _draw(random, style.dusk_light)
        ambient = level * _rgb(1.0, 0.85 - 0.12 * warm, 0.8 - 0.2 * warm)
        clear = (ambient, level * _rgb(0.35, 0.42, 0.75), level * _rgb(1.6, 1.0 - 0.2 * warm, 0.6), 0.6)
    else:
        level = _draw(random, style.night_light)
        clear = (level * _rgb(0.75, 0.85, 1.15), level * _rgb(0.12, 0.16, 0.34), level * _rgb(0.5, 0.42, 0.4), 1.0)
    ambient, zenith, horizon, lamps = clear
    cloud = 0.75 * float(ambient.mean()) * _rgb(0.94, 0.98, 1.04) * (0.3 if time == "night" else 1.0)
    blend = np.float32(grey)
    cool = ambient * (1 - blend) + blend * ambient.mean() * _rgb(0.95, 1.0, 1.05)
    return Look(
        np.float32(dim) * cool,
        np.float32(dim) * (zenith * (1 - blend) + cloud * blend),
        np.float32(dim) * (horizon * (1 - blend) + 1.1 * cloud * blend),
        max(lamps, 0.35 if weather in ("fog", "storm") else 0.2 if weather in ("rain", "snow") else 0.0),
    )


def _illumination(scene: Scene, condition: Condition, look: Look, random: np.random.Generator) -> Light:
    """Light that falls on every surface (H, W, 3): sky and sun, then lamps."""
    sunny = condition == DAYTIME_CLEAR
    light = np.empty((HEIGHT, WIDTH, 3), dtype=np.float32)
    light[:] = look.ambient * np.float32(random.uniform(0.85, 1.1))
    ground = scene.owner == 1
    strength = random.uniform(0.45, 0.65) if sunny else 0.35
    light *= (1 - np.float32(strength) * scene.shadow * ground)[..., None]
    if condition.time == "day":
        return light
    columns = (np.arange(WIDTH, dtype=np.float32) - np.float32(scene.camera.centre))[None] / np.float32(0.3 * WIDTH)
    own = np.exp(-(columns**2)) * np.minimum((9 / scene.depth) ** 2, 1.2)
    light += np.float32(0.16 * look.lamps) * own[..., None] * _rgb(1.0, 0.95, 0.8)
    small = np.zeros((HEIGHT // 4, WIDTH // 4), dtype=np.float32)
    for column, row, radius in scene.pools:
        axes = (max(int(radius / 4), 1), max(int(radius / 12), 1))
        pool = np.zeros_like(small)
        cv2.ellipse(pool, (int(column / 4), int(row / 4)), axes, 0, 0, 360, 1.0, -1)
        cv2.rectangle(
            pool,
            (int(column / 4) - axes[0], int((row - 0.8 * radius) / 4)),
            (int(column / 4) + axes[0], int(row / 4)),
            0.5,
            -1,
        )
        small += pool
    pools = cv2.resize(cv2.GaussianBlur(small, (0, 0), 4), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
    light += np.float32(0.2 * look.lamps) * np.minimum(pools, 1.5)[..., None] * _rgb(1.0, 0.75, 0.45)
    return light


def _sky(scene: Scene, condition: Condition, look: Look, random: np.random.Generator) -> Light:
    rows = np.clip(np.arange(HEIGHT, dtype=np.float32) / np.float32(scene.camera.horizon), 0, 1)[:, None, None]
    sky = look.zenith + (look.horizon - look.zenith) * rows**1.5
    start = int(random.integers(CLOUDS.shape[1] - WIDTH))
    clouds = CLOUDS[:, start : start + WIDTH, None]
    cover = {"clear": 0.12, "cloudy": 0.2, "storm": 0.3}.get(condition.weather, 0.06)
    return np.asarray(sky * np.exp(np.float32(cover) * clouds), dtype=np.float32)


def _lamps(scene: Scene, look: Look, random: np.random.Generator) -> Light:
    """Lamps as the camera sees them, before bloom (H, W, 3)."""
    shine = np.zeros((HEIGHT, WIDTH, 3), dtype=np.float32)
    if look.lamps:
        for lamp in scene.lamps:
            power = look.lamps * random.uniform(1.0, 2.2)
            colour = tuple(power * c for c in lamp.colour)
            centre = (int(lamp.column * 16), int(lamp.row * 16))
            cv2.circle(shine, centre, int(lamp.radius * 16), colour, -1, cv2.LINE_8, 4)
    return shine


def _mirrored(light: Light, lamps: Light, scene: Scene, share: float) -> Light:
    """A wet road: what is above the contact line, upside down and smeared, and long trails of lamps."""
    row = int(scene.camera.horizon) + 14
    above = (light + lamps)[max(row - (HEIGHT - row), 0) : row][::-1]
    mirror = np.zeros_like(light)
    mirror[row : row + len(above)] = above[: HEIGHT - row]
    quarter = cv2.resize(mirror, (WIDTH // 4, HEIGHT // 4), interpolation=cv2.INTER_AREA)
    smeared = cv2.resize(cv2.GaussianBlur(quarter, (0, 0), 1.2, sigmaY=4), (WIDTH, HEIGHT))
    road = (scene.owner == 1)[..., None] * np.float32(share)
    return np.asarray(light * (1 - 0.6 * road) + smeared * road, dtype=np.float32)


def _veiled(light: Light, scene: Scene, look: Look, style: Style, visibility: float, airy: bool) -> Light:
    """Koschmieder's law: surfaces fade into airlight with distance."""
    through = np.exp(np.float32(-3.0 / visibility) * scene.depth)[..., None]
    airlight = (look.horizon + look.ambient * (0.55 if airy else 0.2)) * np.float32(0.8 * style.airlight)
    return np.asarray(light * through + airlight * (1 - through), dtype=np.float32)


def _bloom(lamps: Light, spread: float) -> Light:
    """Light that lens and wet air scatter around lamps."""
    quarter = cv2.resize(lamps, (WIDTH // 4, HEIGHT // 4), interpolation=cv2.INTER_AREA)
    near, wide = cv2.GaussianBlur(quarter, (0, 0), 0.8), cv2.GaussianBlur(quarter, (0, 0), 2.2 * spread)
    glow = np.asarray(cv2.resize(0.5 * near + np.float32(0.7 * spread) * wide, (WIDTH, HEIGHT)), dtype=np.float32)
    return glow


def _streaks(light: Light, look: Look, density: float, random: np.random.Generator) -> Light:
    """Rain in the air: short bright lines, all slanting one way."""
    layer = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    slant = random.normal(0, 0.18)
    count = int(density * WIDTH * HEIGHT / 1000)
    starts = random.uniform((-10, -20), (WIDTH + 10, HEIGHT), (count, 2))
    lengths = random.uniform(5, 18, count)
    ends = starts + np.stack([slant * lengths, lengths], axis=1)
    lines = np.stack([starts, ends], axis=1).astype(np.int32)
    cv2.polylines(layer, list(lines), False, 255, 1, cv2.LINE_AA)
    opacity = layer.astype(np.float32)[..., None] * np.float32(random.uniform(0.15, 0.35) / 255)
    bright = look.ambient * np.float32(0.9) + np.float32(0.05 * look.lamps)
    return np.asarray(light * (1 - opacity) + bright * opacity, dtype=np.float32)


def _flakes(light: Light, look: Look, density: float, random: np.random.Generator) -> Light:
    layer = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    for x, y, size in random.uniform((0, 0, 5), (WIDTH, HEIGHT, 26), (int(density * WIDTH * HEIGHT / 1000), 3)):
        cv2.circle(layer, (int(x * 16), int(y * 16)), int(size), 255, -1, cv2.LINE_AA, 4)
    opacity = cv2.GaussianBlur(layer, (0, 0), 0.7).astype(np.float32)[..., None] * np.float32(0.75 / 255)
    bright = np.maximum(light, look.ambient * np.float32(0.95) + np.float32(0.04 * look.lamps))
    return np.asarray(light * (1 - opacity) + bright * opacity, dtype=np.float32)


def _snowed(surfaces: Light, scene: Scene, random: np.random.Generator) -> Light:
    """Snow that lies on the ground, less on the road's middle than elsewhere."""
    cover = np.float32(random.uniform(0.45, 0.85)) * (scene.owner == 1)[..., None]
    rest = np.float32(random.uniform(0.0, 0.12)) * (scene.owner > 1)[..., None]
    share = cover + rest
    return np.asarray(surfaces * (1 - share) + share * np.float32(0.85), dtype=np.float32)


def _exposed(light: Light, time: str, style: Style, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """The camera: gain, shot and read noise, sRGB."""
    gain = {"day": 0.9, "dusk": 1.9, "night": 2.6}[time] * random.uniform(0.85, 1.15)
    read = 0.006 if time == "day" else _draw(random, style.noise) * (0.5 if time == "dusk" else 1.0)
    row, column = int(random.integers(HEIGHT)), int(random.integers(WIDTH))
    noise = NOISE[row : row + HEIGHT, column : column + WIDTH][:, :: 1 if random.random() < 0.5 else -1]
    exposed = np.clip(light * np.float32(gain), 0, 1)
    exposed += noise * (np.float32(read) * np.sqrt(exposed + np.float32(0.08)))
    codes = np.clip(exposed * 4095, 0, 4095).astype(np.uint16)
    return np.asarray(TO_SRGB[codes])


def _drops(picture: npt.NDArray[np.uint8], random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Drops on the lens: small discs that show a blurred picture upside down."""
    blurred = cv2.GaussianBlur(picture, (0, 0), 3.0)
    result = picture.copy()
    for _ in range(int(random.integers(0, 7))):
        x, y, radius = (
            int(random.integers(8, WIDTH - 8)),
            int(random.integers(8, HEIGHT - 8)),
            int(random.integers(2, 8)),
        )
        mask = np.zeros((2 * radius + 1, 2 * radius + 1), dtype=np.uint8)
        cv2.circle(mask, (radius, radius), radius, 255, -1)
        y1, x1 = max(y - radius, 0), max(x - radius, 0)
        patch = result[y1 : y + radius + 1, x1 : x + radius + 1]
        source = blurred[y1 : y + radius + 1, x1 : x + radius + 1][::-1]
        inside = mask[: patch.shape[0], : patch.shape[1], None] > 0
        np.copyto(patch, source, where=inside)
    return result


def _visibility(weather: str, style: Style, random: np.random.Generator) -> float:
    if weather == "fog":
        return _draw(random, style.fog_visibility)
    if weather in ("rain", "snow"):
        return _draw(random, style.rain_visibility)
    if weather == "storm":
        return 0.7 * _draw(random, style.rain_visibility)
    return FAR


def _draw(random: np.random.Generator, limits: Range) -> float:
    """A strength between two limits, evenly in its logarithm."""
    low, high = limits
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def _rgb(red: float, green: float, blue: float) -> npt.NDArray[np.float32]:
    return np.array((red, green, blue), dtype=np.float32)
