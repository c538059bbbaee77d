"""An exported detector in a process that has neither torch nor clipgap: ONNX Runtime, numpy and PIL are enough.

clipgap export RUN --out exported
python examples/onnx_numpy.py exported PICTURE [PICTURE ...]
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

LEAST = 0.3


def read(file, short_side, long_side):
    """The image (1, 3, H, W) in [0, 1], resized as for training, and how much smaller it is than the picture."""
    picture = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
    scale = min(short_side / min(picture.size), long_side / max(picture.size))
    size = tuple(max(int(side * scale + 0.5), 1) for side in picture.size)
    pixels = np.asarray(picture.resize(size, Image.Resampling.BILINEAR), dtype=np.float32) / 255
    return pixels.transpose(2, 0, 1)[None], np.array([size[0] / picture.width, size[1] / picture.height] * 2)


folder, *files = sys.argv[1:]
about = json.loads(Path(folder, "detector.json").read_text())
session = onnxruntime.InferenceSession(Path(folder, "detector.onnx"), providers=["CPUExecutionProvider"])
for file in files:
    image, scale = read(file, **about["image"])
    sizes = np.array([image.shape[2:]], dtype=np.int64)  # in a padded batch: of each image without its padding
    (boxes,), (scores,), (labels,) = session.run(None, {"images": image, "sizes": sizes})
    for box, score, label in zip(boxes / scale, scores, labels, strict=True):
        if score >= LEAST:
            print(file, about["classes"][label], f"{score:.3f}", *(f"{side:.1f}" for side in box))
