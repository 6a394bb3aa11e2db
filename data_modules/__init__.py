"""Data sets: annotation formats on one side, clips and batches on the other.

Every data set is a parser from its annotation files to `Referral`s and a data module with its defaults; sampling,
decoding, augmentation and collation are shared.
"""

from refsam_zoo.clips.augmentation import ClipAugmentation, PseudoClipAugmentation
from refsam_zoo.clips.clip_sampling import ConsecutiveSampling, NeighbourSampling, UniformSampling, WholeVideoSampling
from refsam_zoo.data_modules.a2d_sentences import A2DSentences
from refsam_zoo.data_modules.base import ReferringDataModule
from refsam_zoo.data_modules.fevos import FeVOS
from refsam_zoo.data_modules.groundmore import GroundMoRe
from refsam_zoo.data_modules.inter_rvos import InterRVOS
from refsam_zoo.data_modules.jhmdb_sentences import JHMDBSentences
from refsam_zoo.data_modules.long_rvos import LongRVOS
from refsam_zoo.data_modules.lv_vis import LVVIS
from refsam_zoo.data_modules.mevis import MeViS
from refsam_zoo.data_modules.mixture import Mixture
from refsam_zoo.data_modules.reason_vos import ReasonVOS
from refsam_zoo.data_modules.ref_davis import RefDAVIS17
from refsam_zoo.data_modules.ref_sav import RefSAV
from refsam_zoo.data_modules.ref_shapes import RefShapes
from refsam_zoo.data_modules.refcoco import RefCOCO
from refsam_zoo.data_modules.refer_youtube_vos import ReferYouTubeVOS
from refsam_zoo.data_modules.referring_folder import ReferringFolder
from refsam_zoo.data_modules.revos import ReVOS
from refsam_zoo.data_modules.shards import Shards

__all__ = [
    "LVVIS",
    "A2DSentences",
    "ClipAugmentation",
    "ConsecutiveSampling",
    "FeVOS",
    "GroundMoRe",
    "InterRVOS",
    "JHMDBSentences",
    "LongRVOS",
    "MeViS",
    "Mixture",
    "NeighbourSampling",
    "PseudoClipAugmentation",
    "ReVOS",
    "ReasonVOS",
    "RefCOCO",
    "RefDAVIS17",
    "RefSAV",
    "RefShapes",
    "ReferYouTubeVOS",
    "ReferringDataModule",
    "ReferringFolder",
    "Shards",
    "UniformSampling",
    "WholeVideoSampling",
]
