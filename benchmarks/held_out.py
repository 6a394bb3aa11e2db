"""Is what a model learned on RefShapes real? The same checkpoint on videos and sentences unlike those it learned from.

Every row changes one thing about the tests: who drew the scenes, how many objects there are, how long and slow videos
are, whether the camera pans, in which words and which order of words is asked, and whether the sentence says anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from measure import parser, report

from refsam_zoo import Predictor
from refsam_zoo.evaluation.counts import contour_accuracy, count_pixels, region_similarity
from refsam_zoo.synthesis import SynthesisOptions
from refsam_zoo.synthesis.expressions import CLAUSES
from refsam_zoo.synthesis.videos import Video, make_video

SPLITS = ("test", "motion", "relation")
NOTHING = "the object"
"""A sentence that says nothing."""
OTHER_WORDS = {
    "moving left": "heading to the left side", "moving right": "heading to the right side",
    "moving up": "rising towards the top", "moving down": "sinking towards the bottom",
    "circling": "going round in a circle", "that is still": "which does not move at all",
    "moving slowly": "creeping along", "left of": "on the left hand side of", "right of": "on the right hand side of",
    "above": "over", "below": "under", "big": "large", "small": "little",
}  # fmt: skip
"""What the sentences of training say, and what they never say."""

Sentence = Callable[[str], str]


def other_order(sentence: str) -> str:
    """Puts what a thing does before what it is: "moving left, the red circle"."""
    for ending in (clause.template.partition("{}")[2].strip() for clause in CLAUSES):
        if ending and sentence.endswith(ending):
            return f"{ending}, {sentence.removesuffix(ending).strip()}"
    for word in ("left of", "right of", "above", "below"):
        subject, found, anchor = sentence.partition(f" {word} ")
        if found:
            return f"{word} {anchor}, {subject}"
    return sentence


def other_words(sentence: str) -> str:
    """Says the same in words that training has not."""
    for ours, theirs in OTHER_WORDS.items():
        sentence = sentence.replace(ours, theirs)
    return sentence


def variants(longest: int, photographs: str | None) -> Mapping[str, tuple[dict[str, Any], Sentence]]:
    """What each row changes: options of the data set, and sentences."""
    rows: dict[str, tuple[dict[str, Any], Sentence]] = {
        "as in training": ({}, str),
        "a sentence that says nothing": ({}, lambda sentence: NOTHING),
        "scenes of another seed": ({"seed": 1}, str),
        "six to eight objects": ({"objects_min": 6, "objects_max": 8}, str),
        "the camera always pans": ({"pan_probability": 1.0}, str),
        "twice as many frames, half the speed": ({"frames": 24}, str),
        "half as many frames, twice the speed": ({"frames": 6}, str),
        "another order of words": ({}, other_order),
        "other words": ({}, other_words),
    }
    rows |= {f"{longest} frames": ({"frames": longest}, str)} if longest else {}
    return rows | ({"photographs behind": ({"photographs": photographs}, str)} if photographs else {})


def quality(system: Predictor, video: Video, said: Sentence) -> list[float]:
    """J&F of every sentence about a video."""
    sentences = [said(item.sentence) for item in video.expressions]
    masks = np.stack([frame.masks for frame in system.stream([video.pictures], sentences)], axis=1)
    scores = []
    for found, item in zip(masks, video.expressions, strict=True):
        counts = count_pixels(found, np.isin(video.labels, item.object_ids))
        scores.append(float((region_similarity(counts) + contour_accuracy(counts)).mean() / 2))
    return scores


def main() -> None:
    """Prints J&F of every row, and how much is lost."""
    options = parser(__doc__)
    options.add_argument("checkpoint", help="of refsam-zoo fit")
    options.add_argument("--videos", type=int, default=24, help="of each test")
    options.add_argument("--longest", type=int, default=60, help="frames of the longest videos; 0 leaves them out")
    options.add_argument("--photographs", help="folder of pictures to take backgrounds from")
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    system = Predictor.from_pretrained(chosen.checkpoint)
    system.model.eval()
    rows, known = [], {}
    for label, (changes, said) in variants(chosen.longest, chosen.photographs).items():
        synthesis = replace(SynthesisOptions(), **changes)
        found = {}
        for split in SPLITS:
            videos = [make_video(split, index, synthesis) for index in range(chosen.videos)]
            found[split] = 100 * float(np.mean([score for video in videos for score in quality(system, video, said)]))
        known = known or found
        shown = {split: f"{value:.1f} ({value - known[split]:+.1f})" for split, value in found.items()}
        rows.append({"label": label, "ratio": found["motion"] / known["motion"], **shown})
    report("held_out", "J&F on motion against that of videos as in training", chosen, rows)


if __name__ == "__main__":
    main()
