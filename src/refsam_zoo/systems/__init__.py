"""Systems that turn frames and sentences into masks: one file each.

Every module of this folder is imported, so a new entry is one new file.
"""

import importlib
import pkgutil

from refsam_zoo.systems.base import SYSTEMS, FrameMasks, VideoSegmenter

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["SYSTEMS", "FrameMasks", "VideoSegmenter"]
