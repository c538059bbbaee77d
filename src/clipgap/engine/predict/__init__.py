"""`predict`: a detector over files, folders and videos; what it finds, written as it goes, and drawn."""

from clipgap.engine.predict.inputs import find_inputs
from clipgap.engine.predict.job import Predictions, Predictor, PredictSettings, predict
from clipgap.engine.predict.truth import Truth

__all__ = ["PredictSettings", "Predictions", "Predictor", "Truth", "find_inputs", "predict"]
