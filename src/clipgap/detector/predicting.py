"""From files, pictures and videos to detections, for whatever detects in tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, overload

from torch import Tensor

from clipgap.data.video import Frame, Video
from clipgap.detector.pictures import ImageLike, as_seen, to_supervision
from clipgap.detector.spec import DetectorSpec

if TYPE_CHECKING:
    import supervision

Item = TypeVar("Item")


class Predicting:
    """`predict` and `stream`, given `spec` and `detect`."""

    spec: DetectorSpec

    def detect(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[dict[str, Tensor]]:
        """Detections in original images, from resized ones: `boxes`, `scores`, and `labels` from 1."""
        raise NotImplementedError

    @property
    def classes(self) -> list[str]:
        """Class names, in the order of `class_id`; label k of a detection in tensors is `classes[k - 1]`."""
        return self.spec.classes

    @overload
    def predict(self, images: ImageLike, *, score: float = ...) -> supervision.Detections: ...
    @overload
    def predict(
        self, images: list[ImageLike], *, batch_size: int = ..., score: float = ...
    ) -> list[supervision.Detections]: ...
    def predict(
        self, images: ImageLike | list[ImageLike], *, batch_size: int = 1, score: float = 0.0
    ) -> supervision.Detections | list[supervision.Detections]:
        """Detections in files, PIL pictures or RGB arrays (H, W, 3) uint8; a list of them for a list.

        A file is turned by its EXIF, laid on white where it is transparent, and scaled down from 16 bits; a PIL picture
        that is not RGB is converted as PIL does it, and not turned.

        `class_id` counts from 0 in the order of `classes`; the names are in `data["class_name"]`.

        Args:
            images: one, or a list of them.
            batch_size: how many of a list are looked at together. Faster on a GPU; the smaller ones are padded to the
                largest, which moves detections a little.
            score: the least of a detection, beside `detector.box_score_thresh`.

        Raises:
            DataError: a file that is no image, or an array of another shape.
        """
        if not isinstance(images, list):
            return self._predict_together([images], score)[0]
        return [found for batch in _batches(images, batch_size) for found in self._predict_together(batch, score)]

    def stream(
        self, video: str | Path, *, batch_size: int = 1, score: float = 0.0
    ) -> Iterator[tuple[Frame, supervision.Detections]]:
        """Detections in a video, as it is read: every frame (`number`, `time` in seconds, `picture`) and what is in it.

        Frames that cannot be decoded are left out; the numbers tell.

        Args:
            video: a file.
            batch_size: how many frames are looked at together.
            score: the least of a detection, beside `detector.box_score_thresh`.

        Raises:
            DataError: a file that is no video.
        """
        frames = Video(Path(video)).frames()
        shown = ((frame, frame.picture) for frame in frames if frame.picture is not None)
        return (
            (frame, found)
            for batch in _batches(shown, batch_size)
            for (frame, _), found in zip(
                batch, self._predict_together([picture for _, picture in batch], score), strict=True
            )
        )

    def _predict_together(self, images: Sequence[ImageLike], score: float) -> list[supervision.Detections]:
        tensors, sizes = zip(*(as_seen(image, self.spec.image) for image in images), strict=True)
        return [to_supervision(one, self.classes, score) for one in self.detect(tensors, sizes)]


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """As many together as asked for; at the end those that are left."""
    if size < 1:
        raise ValueError(f"batch_size: expected 1 or more, got {size}")
    left = iter(items)
    return iter(lambda: list(islice(left, size)), [])
