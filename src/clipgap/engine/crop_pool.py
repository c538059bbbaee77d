"""C4 features of crops, computed once and drawn from again: step one without trunk and without reading images."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from clipgap.data.stream import generator_for
from clipgap.engine.fitter import Fitter, Seen

IN_MEMORY = 2**30
"""Bytes that a pool may take in memory; a larger one lies in a file that is mapped into it."""


class CropPool:
    """Features (P, C, h, w) of P crops, kept in half precision: an error of a two-thousandth, for half the memory."""

    def __init__(self, fitter: Fitter, batches: Iterator[Tensor], count: int) -> None:
        tower = fitter.clip.spec.tower
        shape = (count, tower.c4_channels, tower.roi_size, tower.roi_size)
        self.fitter, self._folder = fitter, None
        size = torch.Size(shape).numel()
        if size * torch.float16.itemsize <= IN_MEMORY:
            self.features = torch.empty(shape, dtype=torch.float16)
        else:
            self._folder = tempfile.TemporaryDirectory(prefix="clipgap_pool_")
            file = str(Path(self._folder.name) / "features")
            self.features = torch.from_file(file, shared=True, size=size, dtype=torch.float16).view(shape)
        filled = 0
        for crops in batches:
            part = fitter.features(crops)[: count - filled]
            self.features[filled : filled + len(part)] = part.half().cpu()
            filled += len(part)

    def draw(self, crops: int, seed: int, step: int) -> Seen:
        """What `Fitter.embed` gives, of so many crops of the pool, another choice for every step; of several processes
        each looks at its share."""
        chosen = torch.randint(len(self.features), (crops,), generator=generator_for(seed, 6, step))
        group = self.fitter.group
        return self.fitter.look(self.features[chosen[group.rank :: group.size]].float())
