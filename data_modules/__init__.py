"""Data sets: annotation formats on one side, clips and batches on the other.

Every data set is a parser from its annotation files to `Referral`s and a data module with its defaults; sampling,
decoding, augmentation and collation are shared.
"""

from refsam_zoo.data_modules.base import ReferringDataModule
from refsam_zoo.data_modules.ref_shapes import RefShapes
from refsam_zoo.data_modules.refer_youtube_vos import ReferYouTubeVOS
from refsam_zoo.video.augmentation import ClipAugmentation
from refsam_zoo.video.clip_sampling import ConsecutiveSampling, NeighbourSampling, UniformSampling

__all__ = [
    "ClipAugmentation",
    "ConsecutiveSampling",
    "NeighbourSampling",
    "RefShapes",
    "ReferYouTubeVOS",
    "ReferringDataModule",
    "UniformSampling",
]
