"""What choosing the right object is worth on RefShapes: J&F of answers that know every object's mask, but not all else.

Nothing is learned here. Each row is a rule that chooses among the true masks of a video's objects: by the looks that
the sentence names, by the true paths so far, by the truth from some frame on. Where several objects fit a rule the mean
over them counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from measure import parser, report

from refsam_zoo.evaluation.counts import contour_accuracy, count_pixels, region_similarity
from refsam_zoo.model.image_encoders import IMAGE_ENCODERS
from refsam_zoo.synthesis.expressions import CLAUSES, Expression
from refsam_zoo.synthesis.facts import RELATIONS, ObjectFacts
from refsam_zoo.synthesis.options import SynthesisOptions
from refsam_zoo.synthesis.videos import Video, make_video

KNOWN_FROM = (1, 2, 4, 6)
SPLITS = ("test", "motion", "relation")
Choice = Callable[[int], Sequence[int]]
"""Number of a frame -> indices of the objects that fit."""


class Scene:
    """A video's objects: masks, paths, and what each is worth as the answer for another."""

    def __init__(self, video: Video, coarse: int) -> None:
        self.video = video
        self.masks = np.stack([video.labels == number for number in range(1, len(video.looks) + 1)])
        self.coarse = np.stack([[_through(mask, coarse) for mask in masks] for masks in self.masks])
        self.facts = [ObjectFacts(look, look.size, None, None, True, False) for look in video.looks]
        self.paths = np.stack([[_centre(mask) for mask in masks] for masks in self.masks])

    def fitting(self, expression: Expression) -> list[int]:
        """Tells which objects look as the sentence says."""
        return [index for index, facts in enumerate(self.facts) if expression.phrase.holds(facts) is not False]

    def so_far(self, expression: Expression, frame: int) -> Sequence[int]:
        """Chooses among these by their true paths up to a frame, or by where they are in it."""
        rivals = self.fitting(expression)
        if expression.kind == "motion":
            said = {clause.template.format(expression.phrase): clause.word for clause in CLAUSES}
            word = said[expression.sentence]
            values = [_moves(self.paths[index, : frame + 1], word) for index in rivals]
        else:
            word = next(word for word in RELATIONS if f" {word} the " in expression.sentence)
            named = expression.sentence.rpartition(f" {word} the ")[2].split()
            (anchor,) = (index for index, look in enumerate(self.video.looks) if {*named} <= {look.colour, look.shape})
            offsets = self.paths[anchor, frame] - self.paths[rivals, frame]
            direction = np.array(RELATIONS[word])
            values = list(offsets @ direction - np.abs(offsets @ direction[::-1]))
        best = np.nanmax([*values, -np.inf])
        return [index for index, value in zip(rivals, values, strict=True) if value == best] or rivals


def _through(mask: np.ndarray, side: int) -> np.ndarray:
    """A mask as a decoder of `side` x `side` pixels can say it."""
    small = cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, mask.shape[::-1], interpolation=cv2.INTER_LINEAR) > 0.5)


def _centre(mask: np.ndarray) -> np.ndarray:
    """x and y of what is visible, in image sides; NaN where nothing is."""
    places = np.argwhere(mask)
    return places.mean(0)[::-1] / mask.shape[0] if len(places) else np.full(2, np.nan)


def _moves(path: np.ndarray, word: str) -> float:
    """How well a path, float `[t, 2]`, fits a word of motion; the same for all before there are two frames of it."""
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
    (x, y), (right, down) = path[-1] - path[0], {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}[word]
    return float(x * right + y * down - abs(x * down) - abs(y * right)) / (len(path) * max(length, 0.002))


def worth(scene: Scene, expression: Expression, choice: Choice, coarse: bool = False) -> float:
    """J&F in percent of the masks that a rule chooses."""
    answers = scene.coarse if coarse else scene.masks
    truth = scene.masks[[number - 1 for number in expression.object_ids]].any(0)
    found = []
    for frame in range(len(truth)):
        chosen = choice(frame)
        guesses = answers[list(chosen), frame]
        counts = count_pixels(guesses, np.broadcast_to(truth[frame], guesses.shape))
        found.append((region_similarity(counts) + contour_accuracy(counts)).mean() / 2)
    return 100 * float(np.mean(found))


def rules(scene: Scene, expression: Expression) -> Iterator[tuple[str, float]]:
    """What each rule is worth for a sentence about one object."""
    right = [number - 1 for number in expression.object_ids]
    everything, looks = range(len(scene.facts)), scene.fitting(expression)
    hard = expression.kind in ("motion", "relation")
    yield "the right object, its mask as coarse as the demo's decoder", worth(scene, expression, lambda _: right, True)
    for known in KNOWN_FROM:
        name = f"any that looks right in {known} frame{'s' * (known > 1)}, then the right one"
        yield name, worth(scene, expression, lambda frame, known=known: looks if hard and frame < known else right)
    decide = (lambda frame: scene.so_far(expression, frame)) if hard else lambda _: right
    yield "by the true paths so far", worth(scene, expression, decide)
    last = len(scene.video.labels) - 1
    whole = scene.so_far(expression, last) if expression.kind == "motion" else None
    yield "by the true paths of the whole video", worth(scene, expression, decide if whole is None else lambda _: whole)
    yield "any that looks right", worth(scene, expression, lambda _: looks if hard else right)
    yield "any object", worth(scene, expression, lambda _: everything)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--videos", type=int, default=24, help="of each split")
    arguments.add_argument("--seed", type=int, default=0, help="of the generator")
    options = arguments.parse_args()
    encoder = IMAGE_ENCODERS.build("vit_tiny")
    side = 4 * (encoder.image_size // encoder.stride)
    table: dict[str, dict[str, list[float]]] = {}
    for split in SPLITS:
        for number in range(options.videos):
            scene = Scene(make_video(split, number, SynthesisOptions(seed=options.seed)), side)
            for expression in scene.video.expressions:
                if len(expression.object_ids) != 1:
                    continue
                for rule, value in rules(scene, expression):
                    table.setdefault(rule, {}).setdefault(split, []).append(value)
    rows = []
    for rule, splits in table.items():
        means = {split: float(np.mean(values)) for split, values in splits.items()}
        rows.append({"label": rule, "ratio": means["motion"], **means})
    report("ceilings", "J&F on the test of motion, where objects are chosen among the true masks", options, rows)


if __name__ == "__main__":
    main()
