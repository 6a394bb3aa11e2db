"""Systems that turn frames and sentences into masks: one file each.

Every module of this folder is imported when `SYSTEMS` is first asked, so a new entry is one new file.
"""

from refsam_zoo.systems.base import SYSTEMS, FrameMasks, VideoSegmenter

__all__ = ["SYSTEMS", "FrameMasks", "VideoSegmenter"]
