"""`prompts.json`: what is shown of targets in frames of a video, before it is segmented.

    [
      {"frame": 0, "object": "the ball", "points": [[320, 180]]},
      {"frame": "2.5", "expression": "the red car", "points": [[40, 50], [90, 20]], "labels": [1, 0]},
      {"frame": 40, "expression": "the red car", "mask": "car_40.png"}
    ]

An `object` needs no sentence. `frame` is the number of a frame of the file, from 0, or as text a moment as `--start`
takes it; what it says counts in the first frame looked at that is not before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.systems.base import FrameMasks
from refsam_zoo.systems.corrections import Correction
from refsam_zoo.systems.session import VideoSession
from refsam_zoo.video.entries import Entry, read_json
from refsam_zoo.video.frame_stream import Frame
from refsam_zoo.video.masks import read_indexed
from refsam_zoo.video.moments import Moment

KEYS = ("frame", "expression", "object", "points", "labels", "box", "mask")


@dataclass(frozen=True)
class Prompt:
    """One thing that is shown.

    Attributes:
        place: Where in the file it stands, for messages.
        moment: When it counts.
        target: The sentence or the name of the object.
        shown: Arguments of `VideoSession.correct`.
    """

    place: str
    moment: Moment
    target: str
    shown: Mapping[str, Any]


class Prompts:
    """What is shown in a video, handed out frame by frame.

    Args:
        prompts: In any order; those of one frame count in this order.
        objects: Names of the targets without a sentence.

    Attributes:
        objects: As given.
    """

    def __init__(self, prompts: Sequence[Prompt] = (), objects: Sequence[str] = ()) -> None:
        self.objects = list(objects)
        self._all = tuple(prompts)
        self._waiting = list(prompts)

    def __str__(self) -> str:
        return "; ".join(f"{each.moment.text} {each.target} {dict(each.shown)}" for each in self._all) or "none"

    def due(self, frame: Frame) -> list[Prompt]:
        """Takes out what counts in a frame; frames come in order."""
        due = [each for each in self._waiting if not each.moment.is_after(frame.position, frame.time)]
        self._waiting = [each for each in self._waiting if each not in due]
        return due

    def apply(self, frame: Frame, session: VideoSession, found: FrameMasks) -> FrameMasks:
        """Corrects a frame that was just segmented.

        Raises:
            InputError: The system takes no corrections.
        """
        for prompt in self.due(frame):
            found = session.correct(prompt.target, **prompt.shown)
        return found

    def require_all_used(self) -> None:
        """Refuses what is shown after the last frame; to be called after it.

        Raises:
            InputError: There is something.
        """
        if self._waiting:
            late = self._waiting[0]
            raise InputError(
                f"{late.place}: the video ended before the frame {late.moment.text}; all else is done and written"
            )


def read_prompts(path: Path, sentences: Sequence[str], size: tuple[int, int]) -> Prompts:
    """Reads `prompts.json`.

    Args:
        path: The file; masks are files beside it or in folders there.
        sentences: What is asked in words.
        size: Height and width of the frames that are segmented; points, boxes and masks are in their pixels.

    Raises:
        InputError: Missing, not JSON, or an entry of it is wrong; the message names it.
    """
    prompts, objects = [], dict[str, None]()
    for entry in read_json(path).list():
        for name in entry.mapping():
            if name not in KEYS:
                entry.fail(f"the key '{name}' is unknown{nearest_name(name, KEYS)}")
        target = _target(entry, sentences, objects)
        prompts.append(
            Prompt(f"{path}: {entry.key}", _moment(entry["frame"]), target, _shown(entry, path.parent, size))
        )
    return Prompts(prompts, list(objects))


def _target(entry: Entry, sentences: Sequence[str], objects: dict[str, None]) -> str:
    named, spoken = entry.get("object"), entry.get("expression")
    if (named is None) == (spoken is None):
        entry.fail("each needs either an 'expression' of the command line or the name of an 'object'")
    if spoken is not None:
        sentence = spoken.string()
        if sentence not in sentences:
            spoken.fail(f"'{sentence}' is no sentence of the command line{nearest_name(sentence, sentences)}")
        return sentence
    assert named is not None
    name = named.text()
    if name in sentences:
        named.fail(f"'{name}' is a sentence of the command line, too; give the object another name")
    objects[name] = None
    return name


def _moment(entry: Entry) -> Moment:
    if not isinstance(entry.value, str):
        return Moment.parse(f"{entry.integer()}f")
    try:
        return Moment.parse(entry.value, "frame")
    except InputError as error:
        _fail(entry, error)


def _shown(entry: Entry, folder: Path, size: tuple[int, int]) -> dict[str, Any]:
    shown: dict[str, Any] = {name: entry[name].value for name in ("points", "labels", "box") if name in entry}
    mask = entry.get("mask")
    if mask is not None:
        shown["mask"] = read_indexed(mask.path(folder), size) > 0
    try:
        Correction.of(size, **shown)
    except InputError as error:
        _fail(entry, error)
    except TypeError:
        entry.fail("points must be x and y of each, as [[320, 180]], labels 1 or 0 for each, box four numbers")
    return shown


def _fail(entry: Entry, error: InputError) -> NoReturn:
    entry.fail(str(error))
