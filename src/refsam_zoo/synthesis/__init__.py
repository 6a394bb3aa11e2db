"""RefShapes: a generated data set for referring video object segmentation, true to the byte and to the word."""

from refsam_zoo.synthesis.dataset import synthesize
from refsam_zoo.synthesis.options import SPLITS, SynthesisOptions

__all__ = ["SPLITS", "SynthesisOptions", "synthesize"]
