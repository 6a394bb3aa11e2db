"""Every format that a data set can have on disk: a small faithful copy of each is written from RefShapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from formats.a2d_sentences import write_a2d_sentences
from formats.jhmdb_sentences import write_jhmdb_sentences
from formats.labelling_tools import WRITERS
from formats.long_rvos import write_long_rvos
from formats.mevis import write_fevos, write_lv_vis, write_mevis, write_mevis_v2, write_ref_sav, write_revos
from formats.reasoning import write_groundmore, write_inter_rvos, write_reason_vos, write_reordered_reason_vos
from formats.ref_davis import write_converted_ref_davis, write_ref_davis
from formats.refcoco import write_grefcoco, write_refcoco
from formats.refer_youtube_vos import copy_ref_shapes, write_refer_youtube_vos
from formats.referring_folder import write_json_referring_folder, write_referring_folder
from formats.shards import write_shards

from refsam_zoo.data_modules import (
    LVVIS,
    A2DSentences,
    FeVOS,
    GroundMoRe,
    InterRVOS,
    JHMDBSentences,
    LongRVOS,
    MeViS,
    ReasonVOS,
    RefCOCO,
    RefDAVIS17,
    ReferringDataModule,
    ReferringFolder,
    ReferYouTubeVOS,
    RefSAV,
    RefShapes,
    ReVOS,
    Shards,
)
from refsam_zoo.types import Referral

FORMATS: dict[str, tuple[type[ReferringDataModule], Callable[[Path, Sequence[Referral]], None]]] = {
    "ref_shapes": (RefShapes, copy_ref_shapes),
    "refer_youtube_vos": (ReferYouTubeVOS, write_refer_youtube_vos),
    "ref_davis": (RefDAVIS17, write_ref_davis),
    "converted_ref_davis": (RefDAVIS17, write_converted_ref_davis),
    "mevis": (MeViS, write_mevis),
    "mevis_v2": (MeViS, write_mevis_v2),
    "fevos": (FeVOS, write_fevos),
    "long_rvos": (LongRVOS, write_long_rvos),
    "reason_vos": (ReasonVOS, write_reason_vos),
    "reordered_reason_vos": (ReasonVOS, write_reordered_reason_vos),
    "groundmore": (GroundMoRe, write_groundmore),
    "inter_rvos": (InterRVOS, write_inter_rvos),
    "lv_vis": (LVVIS, write_lv_vis),
    "revos": (ReVOS, write_revos),
    "ref_sav": (RefSAV, write_ref_sav),
    "a2d_sentences": (A2DSentences, write_a2d_sentences),
    "jhmdb_sentences": (JHMDBSentences, write_jhmdb_sentences),
    "refcoco": (RefCOCO, write_refcoco),
    "grefcoco": (RefCOCO, write_grefcoco),
    "csv_folder": (ReferringFolder, write_referring_folder),
    "json_folder": (ReferringFolder, write_json_referring_folder),
    **{name: (ReferringFolder, write) for name, write in WRITERS.items()},
    "shards": (Shards, write_shards),
}
"""Name -> the data module that reads it and the function that writes it."""
