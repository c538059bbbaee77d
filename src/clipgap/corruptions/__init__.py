"""The common corruptions of Hendrycks and Dietterich (ICLR 2019, arXiv 1903.12261): 15 standard ones, and 4 extra ones.

For detection they are used as Michaelis et al. do (arXiv 1907.07484). The parameters of every severity are those of
the published benchmark code (package imagecorruptions-imaug 1.1.5); the code is our own, needs numpy, OpenCV and PIL
alone, and takes its random numbers from a generator that is passed in.
"""

from clipgap.corruptions.parts import LEAST_SIDE, Pixels
from clipgap.corruptions.registry import CORRUPTIONS, EXTRA, STANDARD, Corruption, corrupt

__all__ = ["CORRUPTIONS", "EXTRA", "LEAST_SIDE", "STANDARD", "Corruption", "Pixels", "corrupt"]
