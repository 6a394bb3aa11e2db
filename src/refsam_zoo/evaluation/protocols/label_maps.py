"""Protocols that score label maps in the layout of DAVIS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.completeness import Completeness
from refsam_zoo.evaluation.expression_masks import LEVELS
from refsam_zoo.evaluation.label_maps import VOID, LabelVideo, MergedExpressions
from refsam_zoo.evaluation.mask_archive import MaskArchive, open_masks
from refsam_zoo.evaluation.protocols.base import BaseProtocol, Comparison, Evaluation
from refsam_zoo.evaluation.tracks import Track
from refsam_zoo.types import Referral
from refsam_zoo.video.entries import read_text

ANNOTATORS = ("anno_0", "anno_1", "anno_2", "anno_3")


@dataclass(frozen=True)
class LabelMapProtocol(BaseProtocol):
    """Scores `<video>/<frame>.png` label maps against those of a DAVIS tree.

    Videos, where no list names them, and frames are in the order of their file names as text, as in the official
    evaluators: which frames are the first and the last depends on it where names have no leading zeros.

    Attributes:
        name: What it is called.
        annotations: Folders of the ground truth below the root of the data; the first that has masks is taken.
        rule: Turns a video into tracks with scores.
        description: For a table of protocols.
    """

    name: str
    annotations: tuple[str, ...]
    rule: Callable[[LabelVideo], list[Track]]
    description: str

    def compare(self, predictions: Path, data: Path | Sequence[Referral]) -> Comparison[LabelVideo, list[Track]]:
        """Opens predictions and ground truth, video by video.

        Args:
            predictions: Folder or zip of `<video>/<frame>.png`.
            data: A DAVIS root (or, for the unsupervised rules, the root of Ref-DAVIS17), as a folder or zip: the folder
                of annotations and, where only a part of the videos is meant, `ImageSets/2017/val.txt`.

        Raises:
            InputError: A file is wrong, or the data are not there.
        """
        truth = self.open_truth(require_root(data, self.name))
        archive = open_masks(predictions).spelled_as(truth.files)
        completeness = Completeness.of(truth.files, archive.files, ("videos",))

        def collect(parts: Sequence[list[Track]]) -> Evaluation:
            tracks = [track for part in parts for track in part]
            return Evaluation(self.name, _totals(tracks), [_row(track) for track in tracks], completeness, "object")

        return Comparison(archive.label, completeness, _label_videos(archive, truth), self.rule, collect)

    def open_truth(self, data: Path) -> MaskArchive:
        """Opens the ground truth of the videos that are evaluated."""
        opened = open_masks(data)
        truth = next((part for part in map(opened.below, self.annotations) if part.files), None)
        if truth is None:
            raise InputError(f"there are no masks in '{data / self.annotations[0]}'")
        truth = replace(truth, files=dict(sorted(truth.files.items(), key=lambda named: f"{named[0]}.png")))
        listed = _listed_videos(data)
        if listed is None:
            return truth
        absent = [video for video in listed if video not in truth.videos]
        if absent:
            raise InputError(f"'{truth.label}' has no masks of {len(absent)} listed videos: {', '.join(absent[:5])}")
        # In the order of the list: the last digit of a mean depends on it.
        names = [f"{video}/{frame}" for video in listed for frame in truth.videos[video]]
        return replace(truth, files={name: truth.files[name] for name in names})


@dataclass(frozen=True)
class AnnotatorsProtocol(BaseProtocol):
    """Scores the label maps of the four Ref-DAVIS17 annotators one by one and averages.

    Predictions are label maps, `anno_<a>/<video>/<frame>.png`, or a mask for each expression,
    `<video>/<4 k + a>/<frame>.png` about the k-th object, which are merged as `merge_scores` says.

    Attributes:
        name: What it is called.
        single: How the maps of one annotator are scored.
        description: For a table of protocols.
    """

    name: str
    single: LabelMapProtocol
    description: str

    def compare(self, predictions: Path, data: Path | Sequence[Referral]) -> Comparison[LabelVideo, list[Track]]:
        """Opens `anno_0` to `anno_3` of a folder or zip; see `LabelMapProtocol.compare`.

        The result has the mean of each score over the annotators, and each annotator's own as `anno_0/jf` and so on.
        """
        truth = self.single.open_truth(require_root(data, self.name))
        maps, completeness = _annotators_maps(open_masks(predictions), truth)
        videos = [video for archive in maps.values() for video in _label_videos(archive, truth)]

        def collect(parts: Sequence[list[Track]]) -> Evaluation:
            count = len(parts) // len(maps)
            tracks = {
                annotator: [track for part in parts[start * count : (start + 1) * count] for track in part]
                for start, annotator in enumerate(maps)
            }
            totals = {annotator: _totals(own) for annotator, own in tracks.items()}
            names = next(iter(totals.values()))
            scores = {name: float(np.mean([own[name] for own in totals.values()])) for name in names}
            scores |= {f"{annotator}/{name}": own[name] for annotator, own in totals.items() for name in names}
            rows = [{"annotator": annotator, **_row(track)} for annotator, own in tracks.items() for track in own]
            return Evaluation(self.name, scores, rows, completeness, "object")

        return Comparison(str(predictions), completeness, videos, self.single.rule, collect)


def _label_videos(predictions: MaskArchive | MergedExpressions, truth: MaskArchive) -> list[LabelVideo]:
    """Lays opened predictions beside opened ground truth, video by video."""
    return [LabelVideo(name, frames, truth, predictions) for name, frames in truth.videos.items()]


def require_root(data: Path | Sequence[Referral], protocol: str) -> Path:
    """Makes sure that the ground truth of a protocol is given by its path.

    Raises:
        InputError: It is not.
    """
    if not isinstance(data, Path):
        raise InputError(f"protocol '{protocol}' reads its ground truth itself: give its path as data")
    return data


def _annotators_maps(
    opened: MaskArchive, truth: MaskArchive
) -> tuple[Mapping[str, MaskArchive | MergedExpressions], Completeness]:
    """Finds the label maps of each annotator in predictions, and what is missing."""
    inside = {name.split("/")[0] for name in opened.files}
    if inside & set(ANNOTATORS):
        expected = [f"{annotator}/{name}" for annotator in ANNOTATORS for name in truth.files]
        opened = opened.spelled_as(expected)
        completeness = Completeness.of(expected, opened.files, ("annotators", "videos"))
        return {annotator: opened.below(annotator) for annotator in ANNOTATORS}, completeness
    expressions = {video: _expression_count(truth, video) for video in truth.videos}
    asked = {
        f"{video}/{number}/{frame}": (ANNOTATORS[number % len(ANNOTATORS)], f"{video}/{frame}")
        for video, frames in truth.videos.items()
        for number in range(expressions[video])
        for frame in frames
    }
    opened = opened.spelled_as(asked)
    maps: dict[str, dict[str, list[str]]] = {annotator: {} for annotator in ANNOTATORS}
    for name, (annotator, frame) in asked.items():
        maps[annotator].setdefault(frame, []).append(name)
    completeness = Completeness.of(asked, opened.files, LEVELS)
    return {annotator: MergedExpressions(opened, files) for annotator, files in maps.items()}, completeness


def _expression_count(truth: MaskArchive, video: str) -> int:
    """Four sentences for each object of the first frame."""
    labels = truth.read(f"{video}/{truth.videos[video][0]}")
    return len(ANNOTATORS) * int(labels[labels != VOID].max(initial=0))


def _listed_videos(data: Path) -> list[str] | None:
    lists = (root / "ImageSets" / "2017" / "val.txt" for root in (data, data / "DAVIS"))
    text = next((read_text(path) for path in lists if path.is_file()), None)
    return None if text is None else [line.strip() for line in text.splitlines() if line.strip()]


def _row(track: Track) -> dict[str, object]:
    return {
        "video_id": track.video_id,
        "object_id": track.object_id,
        "frames": len(track.j_frames),
        "jf": track.jf,
        "j": track.j.mean,
        "j_recall": track.j.recall,
        "j_decay": track.j.decay,
        "f": track.f.mean,
        "f_recall": track.f.recall,
        "f_decay": track.f.decay,
    }


def _totals(tracks: Sequence[Track]) -> dict[str, float]:
    """Averages over the objects of all videos together, not per video first."""
    names = ("mean", "recall", "decay")
    j, f = (
        {name: float(np.mean([getattr(getattr(track, measure), name) for track in tracks])) for name in names}
        for measure in ("j", "f")
    )
    totals = {"jf": (j["mean"] + f["mean"]) / 2}
    for measure, values in (("j", j), ("f", f)):
        totals |= {measure: values["mean"], f"{measure}_recall": values["recall"], f"{measure}_decay": values["decay"]}
    return totals
