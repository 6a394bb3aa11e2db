"""What `segment` writes: one file per format.

Every module of this folder is imported, so a new format is one new file.
"""

import importlib
import pkgutil

from refsam_zoo.inference.outputs.base import OUTPUTS, Output, SegmentedFrame, VideoFacts

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["OUTPUTS", "Output", "SegmentedFrame", "VideoFacts"]
