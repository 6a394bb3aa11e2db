"""How label maps become tracks with scores: one rule per evaluator, each a function of one video."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.counts import COUNTS, contour_accuracy, region_similarity
from refsam_zoo.evaluation.label_maps import VOID, LabelVideo, count_pairs, count_video, present_labels
from refsam_zoo.evaluation.statistics import Statistics

MOST_PROPOSALS = 20


@dataclass(frozen=True, eq=False)
class Track:
    """One object over the scored frames of a video.

    Attributes:
        video_id: Name of the video.
        object_id: Number of the object as the evaluator's own table numbers it.
        j_frames: Region similarity, float64 `[T]` in 0..1.
        f_frames: Contour accuracy, float64 `[T]` in 0..1.
    """

    video_id: str
    object_id: int
    j_frames: np.ndarray
    f_frames: np.ndarray

    @cached_property
    def j(self) -> Statistics:
        """Mean, recall and decay of J."""
        return Statistics.of(self.j_frames)

    @cached_property
    def f(self) -> Statistics:
        """Mean, recall and decay of F."""
        return Statistics.of(self.f_frames)

    @property
    def jf(self) -> float:
        """J&F, the mean of the means of J and F."""
        return (self.j.mean + self.f.mean) / 2


def davis_semi_supervised(video: LabelVideo) -> list[Track]:
    """DAVIS 2017 semi-supervised: the objects of the first frame, scored without the first and the last frame.

    Objects are numbered 1 up to the highest label of the first true map, void not counted; a number without pixels
    counts as found. Void is background.

    Raises:
        InputError: A prediction shows a label above those of the first frame.
    """
    first = video.read_truth(video.frames[0])
    highest = int(first[first != VOID].max(initial=0))
    counts = count_video(replace(video, frames=video.frames[1:-1]))
    shown = [label for label, rows in counts.items() if rows[:, COUNTS.index("predicted_area")].any()]
    if max(shown, default=0) > highest:
        raise InputError(
            f"'{video.predictions.label}/{video.name}' shows object {max(shown)}, but the first frame of the ground "
            f"truth has objects up to {highest}"
        )
    nothing = np.zeros((max(len(video.frames) - 2, 0), len(COUNTS)), np.int64)
    return [_track(video, label, counts.get(label, nothing)) for label in range(1, highest + 1)]


def vos_benchmark(video: LabelVideo) -> list[Track]:
    """The rules of vos-benchmark: every object from the frame on where truth or prediction first shows it.

    The first and the last frame are not scored, objects that only predictions show are ignored, and 255 is a label
    like any other.
    """
    return _from_first_appearance(replace(video, frames=video.frames[1:-1]))


def vos_benchmark_all_frames(video: LabelVideo) -> list[Track]:
    """The rules of vos-benchmark with the first and the last frame scored too."""
    return _from_first_appearance(video)


def davis_unsupervised(video: LabelVideo) -> list[Track]:
    """DAVIS 2017 unsupervised, which Ref-DAVIS17 is scored by: all frames, void ignored, tracks matched to objects.

    Predicted tracks, 1 up to the highest label, are assigned to the objects of the first true frame so that the sum
    of J&F is highest. As in the official table, the matched tracks are numbered in the order of the predictions.

    Raises:
        InputError: More than 20 predicted tracks.
    """
    from scipy.optimize import linear_sum_assignment

    first = video.read_truth(video.frames[0])
    objects = int(first[first != VOID].max(initial=0))
    proposals = max((max(present_labels(predicted), default=0) for predicted, _ in video.chunks()), default=0)
    if proposals > MOST_PROPOSALS:
        raise InputError(
            f"'{video.predictions.label}/{video.name}' has {proposals} tracks; at most {MOST_PROPOSALS} are allowed"
        )
    counts = count_pairs(video, range(1, max(proposals, objects) + 1), range(1, objects + 1))
    j, f = region_similarity(counts), contour_accuracy(counts)
    rows, columns = linear_sum_assignment(-(np.mean(j, axis=2) + np.mean(f, axis=2)) / 2)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [
        Track(video.name, number, j[row, column], f[row, column]) for number, (row, column) in enumerate(pairs, start=1)
    ]


def davis_without_matching(video: LabelVideo) -> list[Track]:
    """The frames and pixels of `davis_unsupervised`, but object k is scored against track k."""
    first = video.read_truth(video.frames[0])
    objects = int(first[first != VOID].max(initial=0))
    counts = (count_pairs(video, [number], [number])[0, 0] for number in range(1, objects + 1))
    return [_track(video, number, rows) for number, rows in enumerate(counts, start=1)]


def _from_first_appearance(video: LabelVideo) -> list[Track]:
    tracks = []
    for label, rows in sorted(count_video(video).items()):
        shown = np.flatnonzero(rows[:, COUNTS.index("predicted_area")] + rows[:, COUNTS.index("true_area")])
        if rows[:, COUNTS.index("true_area")].any():
            tracks.append(_track(video, label, rows[shown[0] :]))
    return tracks


def _track(video: LabelVideo, object_id: int, counts: np.ndarray) -> Track:
    return Track(video.name, object_id, region_similarity(counts), contour_accuracy(counts))
