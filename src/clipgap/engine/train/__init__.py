"""Step two: train the detector on source images (METHOD, section 4), by whichever levers the settings name."""

from clipgap.engine.train.batches import training_batches
from clipgap.engine.train.job import Trained, train

__all__ = ["Trained", "train", "training_batches"]
