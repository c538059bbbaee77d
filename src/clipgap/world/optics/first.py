"""The first world's weather and light, by simple optics on the depth map of a scene.

All is computed in linear light. In order: light on the surfaces (sun, overcast, dusk, street and head lamps), wet-road
mirroring, lamps that shine into the camera with bloom, extinction and airlight, streaks and flakes in the air, then the
camera: exposure, shot and read noise, sRGB.

Sources: fog is Koschmieder's law I = J t + A (1 - t), t = exp(-beta d) (Narasimhan and Nayar, IJCV 2002), with
beta = 3.0 / visibility for 5 % contrast (WMO). Rain is streaks (Garg and Nayar, IJCV 2007) under the veil of distant
drops (Halder et al., ICCV 2019). Noise is Poisson-Gaussian (Foi et al., TIP 2008). sRGB is IEC 61966-2-1.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from clipgap.world.canvas import FAR, HEIGHT, WIDTH
from clipgap.world.optics.air import bloom, flakes, snowed, veiled
from clipgap.world.optics.light import CLOUDS, DAYTIME_CLEAR, TO_LINEAR, Condition, Light, Look, draw, exposed, rgb
from clipgap.world.optics.wet import drops, mirrored, streaks
from clipgap.world.street import Scene
from clipgap.world.style import Style

WEATHERS = ("clear", "cloudy", "fog", "rain", "storm", "snow")
TIMES = ("day", "dusk", "night")


def photograph(scene: Scene, condition: Condition, style: Style, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """What a camera sees of a scene under a condition: (H, W, 3) sRGB. Strengths are drawn from the style's ranges."""
    weather, time = condition
    look = _look(condition, style, random)
    surfaces = TO_LINEAR[scene.colour]
    if weather == "snow":
        surfaces = snowed(surfaces, scene, random)
    light = surfaces * _illumination(scene, condition, look, random)
    sky = scene.owner == 0
    light[sky] = _sky(scene, condition, look, random)[sky]
    wet = weather in ("rain", "storm")
    lamps = _lamps(scene, look, random)
    if wet:
        light = mirrored(light, lamps, scene, draw(random, style.wetness))
    light += lamps
    visibility = _visibility(weather, style, random)
    if visibility < FAR:
        light = veiled(light, scene, look, style, visibility, airy=weather == "fog")
    light += bloom(lamps, 2.5 if weather in ("fog", "rain", "storm", "snow") else 1.0)
    if wet:
        light = streaks(light, look, draw(random, style.rain) * (1.5 if weather == "storm" else 1.0), random)
    if weather == "snow":
        light = flakes(light, look, draw(random, style.snow), random)
    gain = {"day": 0.9, "dusk": 1.9, "night": 2.6}[time] * random.uniform(0.85, 1.15)
    read = 0.006 if time == "day" else draw(random, style.noise) * (0.5 if time == "dusk" else 1.0)
    picture = exposed(light, gain, read, random)
    return drops(picture, random) if wet else picture


def _look(condition: Condition, style: Style, random: np.random.Generator) -> Look:
    weather, time = condition
    grey = {"clear": 0.0, "cloudy": 0.85, "fog": 0.9, "rain": 0.95, "storm": 1.0, "snow": 0.85}[weather]
    dim = {"clear": 1.0, "cloudy": 0.75, "fog": 0.8, "rain": 0.6, "storm": 0.4, "snow": 0.75}[weather]
    if time == "day":
        clear = (rgb(1.0, 0.97, 0.92), rgb(0.22, 0.42, 0.82), rgb(0.62, 0.74, 0.9), 0.0)
    elif time == "dusk":
        warm = random.uniform(0.5, 1.0)
        level = draw(random, style.dusk_light)
        ambient = level * rgb(1.0, 0.85 - 0.12 * warm, 0.8 - 0.2 * warm)
        clear = (ambient, level * rgb(0.35, 0.42, 0.75), level * rgb(1.6, 1.0 - 0.2 * warm, 0.6), 0.6)
    else:
        level = draw(random, style.night_light)
        clear = (level * rgb(0.75, 0.85, 1.15), level * rgb(0.12, 0.16, 0.34), level * rgb(0.5, 0.42, 0.4), 1.0)
    ambient, zenith, horizon, lamps = clear
    cloud = 0.75 * float(ambient.mean()) * rgb(0.94, 0.98, 1.04) * (0.3 if time == "night" else 1.0)
    blend = np.float32(grey)
    cool = ambient * (1 - blend) + blend * ambient.mean() * rgb(0.95, 1.0, 1.05)
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
    light += np.float32(0.16 * look.lamps) * own[..., None] * rgb(1.0, 0.95, 0.8)
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
    light += np.float32(0.2 * look.lamps) * np.minimum(pools, 1.5)[..., None] * rgb(1.0, 0.75, 0.45)
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


def _visibility(weather: str, style: Style, random: np.random.Generator) -> float:
    if weather == "fog":
        return draw(random, style.fog_visibility)
    if weather in ("rain", "snow"):
        return draw(random, style.rain_visibility)
    if weather == "storm":
        return 0.7 * draw(random, style.rain_visibility)
    return FAR
