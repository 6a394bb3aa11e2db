"""What `segment` writes: one file per format.

Every module of this folder is imported when `OUTPUTS` is first asked, so a new format is one new file.
"""

from refsam_zoo.inference.outputs.base import OUTPUTS, Output, SegmentedFrame, VideoFacts

__all__ = ["OUTPUTS", "Output", "SegmentedFrame", "VideoFacts"]
