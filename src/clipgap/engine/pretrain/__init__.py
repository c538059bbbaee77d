"""Pre-train a tiny CLIP on crops and captions of a drawn world: it plays the part of CLIP's web pre-training.

The contrast is CLIP's, with one change: a caption counts as right for every picture of the batch that it is true of
(UniCL, CVPR 2022), because in a small world many pictures share a caption.
"""

from clipgap.engine.pretrain.contrast import contrast
from clipgap.engine.pretrain.job import pretrain
from clipgap.engine.pretrain.recipe import Pretraining

__all__ = ["Pretraining", "contrast", "pretrain"]
