"""An exported detector in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from clipgap.config import DetectionPrecision
from clipgap.data import as_numbers
from clipgap.detector.pictures import in_original
from clipgap.detector.predicting import Predicting
from clipgap.errors import ConfigError
from clipgap.export.folder import FORMS, ExportedSpec, read_exported


class OnnxDetector(Predicting):
    """`Detector` without PyTorch's networks: the same boxes, from the folder that `export_onnx` wrote."""

    def __init__(self, folder: Path, spec: ExportedSpec, threads: int = 0) -> None:
        self.spec = spec
        self._form = FORMS[spec.graphs](folder, spec, threads)

    @classmethod
    def load(cls, folder: str | Path, threads: int = 0) -> OnnxDetector:
        """Read an exported folder.

        Args:
            folder: what `export_onnx` wrote.
            threads: of ONNX Runtime; 0: one a core.

        Raises:
            WeightsError: a file is missing, not one of ours or not as it was exported.
            ClipgapError: ONNX Runtime is not installed.
        """
        spec = read_exported(Path(folder))
        fewer_bits = "" if spec.precision == "float32" else f" in {spec.precision}"
        described = f"{spec.description}; exported to ONNX{fewer_bits}"
        return cls(Path(folder), spec.model_copy(update={"description": described}), threads)

    def for_inference(self, precision: DetectionPrecision = "32-true", proposals: int | None = None) -> OnnxDetector:
        """Itself: it was folded when it was exported.

        Raises:
            ConfigError: another precision than float32, or another number of proposals than its own.
        """
        own = self.spec.detector.rpn_post_nms_top_n_test
        if proposals not in (None, own):
            raise ConfigError(
                f"proposals {proposals}: an exported detector looks at as many as it was exported for, {own}; leave it "
                f"out here, and say it when it is exported (`clipgap export --proposals {proposals}`)"
            )
        if precision != "32-true":
            raise ConfigError(
                f"precision {precision}: an exported detector computes as it was exported; set 32-true here, and the "
                "precision when it is exported (`clipgap export --precision float16`)"
            )
        return self

    def detect(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[dict[str, Tensor]]:
        """Detections in original images, as `Detector.detect` gives them.

        Args:
            images: resized images (3, H, W) in [0, 1], or bytes.
            sizes: (height, width) of the originals.
        """
        results = []
        arrays = [as_numbers(image).cpu().numpy() for image in images]
        for image, size, found in zip(arrays, sizes, self._form.detect(arrays), strict=True):
            boxes, scores, labels = map(torch.from_numpy, found)
            results.append(in_original({"boxes": boxes, "scores": scores, "labels": labels + 1}, image.shape[1:], size))
        return results
