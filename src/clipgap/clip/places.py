"""Whether a file's weights are those of a model: name by name and shape by shape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from clipgap.errors import WeightsError


def require_places(
    weights: Mapping[str, Tensor], own: Mapping[str, Tensor], where: str | Path, kind: str, there: str
) -> None:
    """Make sure that weights fill a model: every one has a place of its shape, and every place has one of them.

    Args:
        weights: what a file holds, by name.
        own: the model's tensors by the same names; `num_batches_tracked` may be missing in a file.
        where: the file, for messages.
        kind: what the model is: `a CLIP ResNet`.
        there: the word for it behind "has no place in".

    Raises:
        WeightsError: the first name, in alphabetical order, that is missing, has no place, or is of another shape.
    """
    optional = {name for name in own if name.endswith("num_batches_tracked")}
    missing, strays = own.keys() - weights.keys() - optional, weights.keys() - own.keys()
    if missing or strays:
        what = f"{min(missing)} is missing" if missing else f"{min(strays)} has no place in {there}"
        raise WeightsError(f"{where}: not the weights of {kind}: {what}")
    for name, tensor in weights.items():
        if tensor.shape != own[name].shape:
            shape, expected = tuple(tensor.shape), tuple(own[name].shape)
            raise WeightsError(f"{where}: {name} has shape {shape}, expected {expected}")
