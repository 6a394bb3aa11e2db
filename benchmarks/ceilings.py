"""What J&F a model reaches on RefShapes that always finds whole objects and only lacks something in choosing them.

Every row chooses among the true masks; where it cannot know, it guesses evenly, and the expected J&F is given. Objects
are alike if the words for their looks, without those for motion and relation, are true of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from measure import parser, report

from refsam_zoo.evaluation.counts import contour_accuracy, count_pixels, region_similarity
from refsam_zoo.synthesis import SynthesisOptions
from refsam_zoo.synthesis.expressions import CLAUSES, Expression
from refsam_zoo.synthesis.facts import RELATIONS
from refsam_zoo.synthesis.scenes import Look
from refsam_zoo.synthesis.videos import Video, make_video

SPLITS = ("test", "motion", "relation")
COARSE = 48
"""Pixels along a side of the mask that the demo's decoder makes."""
Ids = tuple[int, ...]


def alike(item: Expression, looks: Sequence[Look]) -> list[Ids]:
    """Gives the answers between which the words for looks leave the choice."""
    if item.kind not in ("motion", "relation"):
        return [item.object_ids]
    asked = (item.phrase.size, item.phrase.colour, item.phrase.shape)
    shown = [(look.size, look.colour, look.shape) for look in looks]
    return [
        (number,)
        for number, look in enumerate(shown, start=1)
        if all(word in (None, other) for word, other in zip(asked, look, strict=True))
    ]


def placed(item: Expression, video: Video) -> list[Ids]:
    """Narrows `alike` by a relation as the first frame shows it: whose centroid lies on that side of the anchor."""
    answers = alike(item, video.looks)
    word = next((word for word in RELATIONS if f" {word} the " in item.sentence), None)
    if word is None:
        return answers
    anchor = item.sentence.partition(f" {word} the ")[2].split()
    centres = {number: centroid(video.labels[0] == number) for number in range(1, len(video.looks) + 1)}
    others = [
        centres[number]
        for number, look in enumerate(video.looks, start=1)
        if all(name in (look.size, look.colour, look.shape, "object") for name in anchor)
    ]
    narrowed = [ids for ids in answers if any(((other - centres[ids[0]]) @ RELATIONS[word]) > 0 for other in others)]
    return narrowed or answers


def centroid(mask: np.ndarray) -> np.ndarray:
    """Gives x and y in pixels, float `[2]`; not-a-number, which lies nowhere, for an empty mask."""
    places = np.argwhere(mask)
    return places.mean(axis=0)[::-1] if len(places) else np.full(2, np.nan)


def quality(ids: Ids, item: Expression, video: Video) -> np.ndarray:
    """Gives the mean of J and F of answering with some objects, float `[T]`."""
    counts = count_pixels(np.isin(video.labels, ids), np.isin(video.labels, item.object_ids))
    return (region_similarity(counts) + contour_accuracy(counts)) / 2


def expected(answers: Sequence[Ids], item: Expression, video: Video) -> np.ndarray:
    """Gives J&F, float `[T]`, expected of guessing evenly between answers."""
    return np.mean([quality(ids, item, video) for ids in answers], axis=0)


def every_object(video: Video) -> list[Ids]:
    """Gives every object as an answer."""
    return [(number,) for number in range(1, len(video.looks) + 1)]


def known_after(frames: int) -> Callable[[Expression, Video], np.ndarray]:
    """Guesses between what looks alike in so many frames and is right from then on."""

    def scores(item: Expression, video: Video) -> np.ndarray:
        found = expected([item.object_ids], item, video)
        found[:frames] = expected(alike(item, video.looks), item, video)[:frames]
        return found

    return scores


def coarse(item: Expression, video: Video) -> np.ndarray:
    """Gives J&F of the right object, its mask as a decoder of few pixels can say it."""
    masks = np.isin(video.labels, item.object_ids)
    small = [cv2.resize(mask.astype(np.float32), (COARSE, COARSE), interpolation=cv2.INTER_AREA) for mask in masks]
    large = np.stack([cv2.resize(mask, masks.shape[:0:-1]) > 0.5 for mask in small])
    counts = count_pixels(large, masks)
    return (region_similarity(counts) + contour_accuracy(counts)) / 2


def moves(path: np.ndarray, word: str) -> float:
    """Tells how well a path, x and y in image sides, float `[t, 2]`, fits a word of motion; 0 without two places."""
    path = path[~np.isnan(path[:, 0])]
    if len(path) < 2:
        return 0.0
    steps = np.diff(path, axis=0)
    length = float(np.linalg.norm(steps, axis=1).mean())
    if word in ("still", "slow", "fast"):
        return length if word == "fast" else -length
    if word == "circling":
        angles = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0])) if length > 0.002 else np.zeros(1)
        return float(abs(angles[-1] - angles[0]))
    direction = np.array({"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}[word])
    way = path[-1] - path[0]
    return float(way @ direction - np.abs(way @ direction[::-1])) / (len(path) * max(length, 0.002))


def by_paths(item: Expression, video: Video, whole: bool) -> np.ndarray:
    """Chooses in every frame whose true path fits best, as far as it was seen or whole; `placed` but for motion."""
    answers = placed(item, video)
    if item.kind != "motion":
        return expected(answers, item, video)
    word = {clause.template.format(item.phrase): clause.word for clause in CLAUSES}[item.sentence]
    paths = [[centroid(label == ids[0]) / label.shape[0] for label in video.labels] for ids in answers]
    qualities = np.stack([quality(ids, item, video) for ids in answers])
    frames = qualities.shape[1]
    ends = [frames if whole else frame + 1 for frame in range(frames)]
    fits = np.array([[moves(np.stack(path[:end]), word) for end in ends] for path in paths])
    best = fits == fits.max(0)
    return (qualities * best).sum(0) / best.sum(0)


CHOICES: dict[str, Callable[[Expression, Video], np.ndarray]] = {
    "right from frame 0": known_after(0),
    "right from frame 0, in coarse masks": coarse,
    "true paths of the whole video": lambda item, video: by_paths(item, video, whole=True),
    "true paths so far": lambda item, video: by_paths(item, video, whole=False),
    "looks, right after 1 frame": known_after(1),
    "looks, right after 3 frames": known_after(3),
    "looks, right after 6 frames": known_after(6),
    "looks, and relations in frame 0": lambda item, video: expected(placed(item, video), item, video),
    "looks alone": lambda item, video: expected(alike(item, video.looks), item, video),
    "without the sentence: an object": lambda item, video: expected(every_object(video), item, video),
    "without the sentence: all objects": lambda item, video: expected(
        [tuple(range(1, len(video.looks) + 1))], item, video
    ),
}


def questions(split: str, videos: int, synthesis: SynthesisOptions) -> Iterator[tuple[Expression, Video]]:
    """Gives every sentence of a split's first videos."""
    for index in range(videos):
        video = make_video(split, index, synthesis)
        for item in video.expressions:
            yield item, video


def main() -> None:
    """Prints J&F of every way to choose for every split."""
    options = parser(__doc__)
    options.add_argument("--videos", type=int, default=24, help="of each split")
    options.add_argument("--seed", type=int, default=0, help="of the data set")
    chosen = options.parse_args()
    synthesis = SynthesisOptions(seed=chosen.seed)
    asked = {split: list(questions(split, chosen.videos, synthesis)) for split in SPLITS}
    rows = []
    for label, scores in CHOICES.items():
        means = {split: 100 * float(np.mean([scores(*pair).mean() for pair in asked[split]])) for split in SPLITS}
        rows.append(
            {"label": label, "ratio": means["motion"] / 100, **{key: f"{mean:.1f}" for key, mean in means.items()}}
        )
    report("ceilings", "J&F on motion of choosing among true masks", chosen, rows)


if __name__ == "__main__":
    main()
