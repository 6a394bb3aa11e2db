"""What a visitor asks about a clip: sentences, and marks in frames where masks should be other ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from refsam_zoo.errors import InputError
from refsam_zoo.systems.corrections import Correction
from refsam_zoo.systems.inputs import checked_sentences

LONGEST_SENTENCE = 500
MOST_MARKS = 200
"""Points and boxes on a clip."""


@dataclass(frozen=True)
class Mark:
    """What a visitor shows of one sentence's target in one frame.

    Attributes:
        frame: The frame, from 0.
        sentence: The sentence, from 0.
        points: x and y of points in pixels.
        wanted: Whether each is on the target.
        box: Left, upper, right and lower edge, or None.
    """

    frame: int
    sentence: int
    points: tuple[tuple[float, float], ...]
    wanted: tuple[bool, ...]
    box: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class Question:
    """What is asked about a clip.

    Attributes:
        sentences: What to look for.
        marks: What was shown, in the order of frames.
    """

    sentences: tuple[str, ...]
    marks: tuple[Mark, ...] = ()

    def of(self, frame: int) -> tuple[Mark, ...]:
        """Gives the marks of a frame."""
        return tuple(mark for mark in self.marks if mark.frame == frame)

    def differs_from(self, earlier: Question) -> int | None:
        """Gives the first frame whose masks may be others than those of an earlier question; None if there is none."""
        if self.sentences != earlier.sentences:
            return 0
        return min((mark.frame for mark in {*self.marks} ^ {*earlier.marks}), default=None)


def read_question(
    asked: Mapping[str, Any], size: tuple[int, int], length: int, most_sentences: int, takes_marks: bool
) -> Question:
    """Reads the body of a request.

    Args:
        asked: `{"sentences": [...], "marks": [{"frame": 3, "sentence": 0, "points": [[x, y]], "wanted": [true],
            "box": null}]}`, marks only where there are some.
        size: Height and width of the clip's frames.
        length: How many there are.
        most_sentences: How many are taken.
        takes_marks: Whether the system can be corrected.

    Raises:
        InputError: It is something else, too much, or outside the clip.
    """
    sentences = _sentences(asked.get("sentences"), most_sentences)
    given = asked.get("marks", [])
    if not isinstance(given, list) or len(given) > MOST_MARKS:
        raise InputError(f"marks must be a list of at most {MOST_MARKS}")
    if given and not takes_marks:
        raise InputError("this system takes no corrections")
    marks = [_mark(one, size, length, len(sentences)) for one in given]
    return Question(sentences, tuple(sorted(marks, key=lambda mark: mark.frame)))


def _sentences(given: object, most: int) -> tuple[str, ...]:
    if not isinstance(given, list):
        raise InputError('say what to look for: {"sentences": ["the red car"]}')
    sentences = checked_sentences(given)
    if len(sentences) > most:
        raise InputError(f"at most {most} sentences are taken, not {len(sentences)}")
    if max(map(len, sentences)) > LONGEST_SENTENCE:
        raise InputError(f"a sentence has at most {LONGEST_SENTENCE} characters")
    return tuple(sentences)


def _mark(given: object, size: tuple[int, int], length: int, sentences: int) -> Mark:
    if not isinstance(given, dict):
        raise InputError('a mark is {"frame": 0, "sentence": 0, "points": [[x, y]], "wanted": [true], "box": null}')
    frame, sentence = (given.get(name) for name in ("frame", "sentence"))
    if type(frame) is not int or not 0 <= frame < length:
        raise InputError(f"a mark is in frame 0 to {length - 1}, not {str(frame)[:20]}")
    if type(sentence) is not int or not 0 <= sentence < sentences:
        raise InputError(f"a mark is of sentence 0 to {sentences - 1}, not {str(sentence)[:20]}")
    shown = Correction.of(size, given.get("points", []), given.get("wanted"), given.get("box"))
    points = tuple((x, y) for x, y in shown.points.tolist())
    if len(points) > MOST_MARKS:
        raise InputError(f"at most {MOST_MARKS} points are taken, not {len(points)}")
    box = None if shown.box is None else tuple(shown.box.tolist())
    return Mark(frame, sentence, points, tuple(shown.labels.tolist()), box)
