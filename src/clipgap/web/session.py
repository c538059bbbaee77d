"""What one visitor of the page has brought, and what was found in it. Two visitors share nothing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from PIL import Image

from clipgap.data import read_image
from clipgap.data.video import Video
from clipgap.engine.predict.drawing import draw, marks_of
from clipgap.engine.predict.inputs import is_video
from clipgap.engine.predict.job import coco_results
from clipgap.errors import ClipgapError
from clipgap.web.contender import Contender
from clipgap.world import STREETS, WEATHERS_OF_PICTURES, Condition, draw_street, photograph, weathered

MOST_PICTURES, MOST_FRAMES = 8, 24
"""That are looked at, and of one video."""
LONGEST_SIDE = 1600
"""Pixels to which larger pictures are brought down."""
NO_WEATHER = "as it is"
CHOICES = (NO_WEATHER, *WEATHERS_OF_PICTURES)


@dataclass
class Found:
    """One picture under one weather as one detector sees it."""

    picture: Image.Image
    contender: str
    classes: list[str]
    detections: list[dict[str, Any]]
    """COCO results without ids."""


@dataclass
class Session:
    """The pictures of one visitor, by name, and the last look at them."""

    pictures: list[tuple[str, Image.Image]] = field(default_factory=list)
    looks: list[tuple[str, list[Found]]] = field(default_factory=list)
    """Of every picture what each detector found."""
    key: str = field(default_factory=lambda: uuid4().hex)
    """Which visitor it is."""


def read(files: Sequence[str | Path]) -> tuple[list[tuple[str, Image.Image]], list[str]]:
    """Pictures and frames of what a visitor has uploaded, and a line for everything that was not taken."""
    pictures: list[tuple[str, Image.Image]] = []
    frames: list[tuple[str, Image.Image]] = []
    said: list[str] = []
    for path in map(Path, files):
        video = is_video(path)
        if frames if video else len(pictures) >= MOST_PICTURES:
            said.append(f"{path.name}: left out: at most {MOST_PICTURES} pictures and one video at a time")
            continue
        try:
            if video:
                frames = _frames(path, said)
            else:
                pictures.append((path.name, _small(read_image(path))))
        except ClipgapError as error:
            said.append(str(error).replace(str(path), path.name))  # where it lies on the server is nobody's business
    return [*pictures, *frames], said


def draw_streets(seed: int, count: int = 2) -> list[tuple[str, Image.Image]]:
    """Pictures of the drawn world by clear day."""
    found = []
    for number in range(count):
        random = np.random.default_rng((seed, number))
        scene = draw_street(random, STREETS)
        pixels = photograph(scene, Condition("clear", "day"), STREETS, random)
        found.append((f"street {seed}-{number}", Image.fromarray(pixels)))
    return found


def look(
    session: Session,
    contenders: Sequence[Contender],
    weather: str,
    strength: float,
    words: str,
    report: Callable[[int, int], None],
) -> None:
    """Have every detector look at every picture, under a weather.

    Args:
        session: whose pictures; its looks are replaced.
        contenders: the detectors.
        weather: one of `CHOICES`.
        strength: of it, 0 to 1.
        words: class names with commas; none: each detector's own.
        report: is called with how many looks of how many are done.

    Raises:
        ClipgapError: the words cannot be used.
    """
    session.looks = []
    lookers = [(one.name, one.looking_for(words)) for one in contenders]
    looks = []
    for number, (name, picture) in enumerate(session.pictures):
        seen = _under(picture, weather, strength, number)
        results = []
        for place, (contender, detector) in enumerate(lookers):
            detections = coco_results(detector.predict(seen))
            results.append(Found(seen, contender, detector.classes, detections))
            report(number * len(lookers) + place + 1, len(session.pictures) * len(lookers))
        looks.append((name, results))
    session.looks = looks


def drawn(session: Session, least: float) -> list[tuple[Image.Image, str]]:
    """Every look with its detections of at least a score, and what is to be said below it."""
    return [
        (
            draw(one.picture, marks_of(one.detections, one.classes, least)),
            f"{name}: {one.contender}: {_count(one, least)}",
        )
        for name, looks in session.looks
        for one in looks
    ]


def packed(session: Session, least: float) -> bytes:
    """A zip file of `detections.json` (COCO results, all scores), `images.json` and the pictures as they are shown."""
    results: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        shown = iter(drawn(session, least))
        number = 0
        for name, looks in session.looks:
            for one in looks:
                number += 1
                file = f"pictures/{number:03d}.jpg"
                about = {"picture": name, "detector": one.contender, "classes": one.classes}
                size = {"width": one.picture.width, "height": one.picture.height}
                images.append({"id": number, "file_name": file, **size, **about})
                results += [{"image_id": number, **detection} for detection in one.detections]
                encoded = BytesIO()
                next(shown)[0].save(encoded, "JPEG", quality=92)
                archive.writestr(file, encoded.getvalue())
        archive.writestr("detections.json", json.dumps(results))
        archive.writestr("images.json", json.dumps({"images": images}, indent=1))
    return content.getvalue()


def _count(one: Found, least: float) -> str:
    count = sum(detection["score"] >= least for detection in one.detections)
    return f"{count} detection{'' if count == 1 else 's'}"


def _under(picture: Image.Image, weather: str, strength: float, seed: int) -> Image.Image:
    kind = next((one for one in WEATHERS_OF_PICTURES if one == weather), None)
    return Image.fromarray(weathered(np.asarray(picture), kind, strength, seed)) if kind else picture


def _frames(path: Path, said: list[str]) -> list[tuple[str, Image.Image]]:
    """Frames of a video, evenly apart."""
    video = Video(path)
    every = max(1, -(-video.announced // MOST_FRAMES))
    frames: list[tuple[str, Image.Image]] = []
    for frame in video.frames():
        if len(frames) >= MOST_FRAMES:
            break
        if frame.number % every == 0 and frame.picture is not None:
            frames.append((f"{path.name}, {frame.time:.1f} s", _small(frame.picture)))
    if every > 1:
        said.append(f"{path.name}: every {every}th frame is looked at, {len(frames)} in all")
    return frames


def _small(picture: Image.Image) -> Image.Image:
    if max(picture.size) > LONGEST_SIDE:
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BILINEAR)
    return picture
