"""Protocols by name: which frames and pixels count, what is matched with what, and over what the mean is taken."""

from __future__ import annotations

from dataclasses import replace

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.evaluation import images as image_scores
from refsam_zoo.evaluation import tracks
from refsam_zoo.evaluation.expression_scores import long_rvos_scores, mevis_v2_scores, typed_scores
from refsam_zoo.evaluation.protocols.base import Evaluation
from refsam_zoo.evaluation.protocols.expressions import ExpressionProtocol
from refsam_zoo.evaluation.protocols.images import ImageProtocol
from refsam_zoo.evaluation.protocols.label_maps import AnnotatorsProtocol, LabelMapProtocol

__all__ = [
    "PROTOCOLS",
    "AnnotatorsProtocol",
    "Evaluation",
    "ExpressionProtocol",
    "ImageProtocol",
    "LabelMapProtocol",
    "Protocol",
    "get_protocol",
]

Protocol = ExpressionProtocol | LabelMapProtocol | AnnotatorsProtocol | ImageProtocol

_UNSUPERVISED = LabelMapProtocol(
    "davis17_unsupervised",
    # of DAVIS, and of Ref-DAVIS17 as it comes and as it is converted
    ("Annotations_unsupervised/480p", "DAVIS/Annotations_unsupervised/480p", "valid/Annotations"),
    tracks.davis_unsupervised,
    "DAVIS 2017 unsupervised: all frames, void ignored, tracks matched to objects; mean over objects",
)

_ALL: tuple[Protocol, ...] = (
    ExpressionProtocol(
        "ref_youtube_vos",
        "Annotations",
        "Ref-YouTube-VOS with local ground truth (its own is not public): mean over frames, then expressions",
    ),
    ExpressionProtocol("ref_shapes", "", "RefShapes: the rule of mevis"),
    ExpressionProtocol(
        "mevis", "", "MeViS: union of the targets, absent targets included; mean over frames, then expressions"
    ),
    ExpressionProtocol(
        "mevis_v2",
        "",
        "MeViS v2, our reading of its server: the rule of mevis, N-acc, T-acc and the mean of the three",
        mevis_v2_scores,
    ),
    ExpressionProtocol(
        "long_rvos",
        "",
        "Long-RVOS: J, F, tIoU and vIoU; means over expressions, in total and for each type of sentence",
        long_rvos_scores,
    ),
    ExpressionProtocol(
        "reason_vos", "", "ReasonVOS: frames that the folder of the object has; mean over frames, then expressions"
    ),
    ExpressionProtocol(
        "groundmore",
        "",
        "GroundMoRe: nothing is to be found outside the action; means over questions, in total and for each type",
        typed_scores,
    ),
    ExpressionProtocol("inter_rvos", "", "InterRVOS: actors, or targets alone; mean over frames, then expressions"),
    ExpressionProtocol(
        "ref_davis17_expressions",
        "",
        "Ref-DAVIS17 as VISA scores it: each expression alone, all annotators pooled; not comparable with ref_davis17",
    ),
    AnnotatorsProtocol(
        "ref_davis17",
        _UNSUPERVISED,
        "Ref-DAVIS17 as its authors, ReferFormer and RefSAM score it: davis17_unsupervised, mean over 4 annotators",
    ),
    AnnotatorsProtocol(
        "ref_davis17_without_matching",
        replace(_UNSUPERVISED, rule=tracks.davis_without_matching),
        "Ref-DAVIS17 with object k scored against the k-th object named, where ref_davis17 forgives exchanged ones",
    ),
    _UNSUPERVISED,
    LabelMapProtocol(
        "davis17",
        ("Annotations/480p",),
        tracks.davis_semi_supervised,
        "DAVIS 2017 semi-supervised: objects of the first frame, first and last frame (by name, as text) not scored; "
        "mean over objects",
    ),
    LabelMapProtocol(
        "vos_benchmark",
        ("Annotations/480p",),
        tracks.vos_benchmark,
        "vos-benchmark: objects from their first appearance, first and last frame (by name, as text) not scored; "
        "mean over objects",
    ),
    LabelMapProtocol(
        "vos_benchmark_all_frames",
        ("Annotations/480p",),
        tracks.vos_benchmark_all_frames,
        "vos-benchmark without skipping frames",
    ),
    ImageProtocol(
        "a2d_sentences", image_scores.a2d_scores, "A2D-Sentences: P@X, IoU, mAP over all queries and best query"
    ),
    ImageProtocol("jhmdb_sentences", image_scores.a2d_scores, "JHMDB-Sentences: the rule of a2d_sentences"),
    ImageProtocol("refcoco", image_scores.refcoco_scores, "RefCOCO/+/g as LAVT scores it: IoU and P@X with >="),
    ImageProtocol(
        "refcoco_cris", image_scores.refcoco_cris_scores, "RefCOCO/+/g as CRIS scores it: mean IoU and P@X with >"
    ),
    ImageProtocol("grefcoco", image_scores.grefcoco_scores, "gRefCOCO as ReLA scores it: gIoU, cIoU, N-acc, T-acc"),
    ImageProtocol("reason_seg", image_scores.reasoning_scores, "reasoning segmentation as LISA scores it: gIoU, cIoU"),
)

PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in _ALL}
"""Every protocol by its name."""


def get_protocol(name: str) -> Protocol:
    """Gives the protocol of a name.

    Raises:
        InputError: Unknown name; the message suggests the nearest one.
    """
    if name not in PROTOCOLS:
        raise InputError(f"unknown protocol '{name}'{nearest_name(name, PROTOCOLS)}")
    return PROTOCOLS[name]
