"""`predict`: a detector over files, folders and videos; what it finds, written as it goes, and drawn.

The names are looked up when they are asked for: what can be wrong with inputs and folders is told without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipgap.engine.predict.job import Predictor, PredictSettings, predict
    from clipgap.engine.predict.outcome import Predictions
    from clipgap.engine.predict.truth import Truth

_HOMES = dict.fromkeys(("PredictSettings", "Predictor", "predict"), "job") | {
    "Predictions": "outcome",
    "Truth": "truth",
}

__all__ = ["PredictSettings", "Predictions", "Predictor", "Truth", "predict"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
