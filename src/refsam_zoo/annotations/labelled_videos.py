"""What labelling tools export, whatever the tool: sentences about videos, with the shapes drawn for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from refsam_zoo.annotations.files import Entry
from refsam_zoo.file_names import FRAMES, find_files
from refsam_zoo.types import VideoSource
from refsam_zoo.video.readers import open_video
from refsam_zoo.video.run_lengths import Segmentation

SENTENCE_KEYS = ("text", "expression", "description", "caption")
"""Attributes of an object that say it in a sentence; the first that is there and not blank counts."""


def sentence_in(attributes: Entry | None) -> str | None:
    """Finds the sentence among the attributes of an object, a mapping; None where there is none."""
    if attributes is None or not isinstance(attributes.value, dict):
        return None
    values = (attributes.get(key) for key in SENTENCE_KEYS)
    return next((e.text() for e in values if e and isinstance(e.value, str) and e.value.strip()), None)


def refuse_shape(entry: Entry, kind: object) -> NoReturn:
    """Says that something drawn is no mask: a box taken for one would be wrong ground truth."""
    entry.fail(f"'{kind}' is no mask; draw a polygon or a mask")


def read_corners(points: Entry) -> list[tuple[float, float]]:
    """Reads a polygon that is a list of at least three pairs of numbers."""
    corners = [corner.list() for corner in points.list()]
    if len(corners) < 3 or any(len(corner) != 2 for corner in corners):
        points.fail("a polygon is a list of at least three pairs of numbers")
    return [(corner[0].number(), corner[1].number()) for corner in corners]


def frame_names(video: Path, entry: Entry) -> tuple[str, ...]:
    """Names of the frames: of the pictures of a folder, or their numbers in a video file."""
    if video.is_dir():
        names = find_files(video)
        if not names:
            entry.fail(f"{video} holds no {', '.join(FRAMES)} frames")
        return tuple(names)
    with open_video(VideoSource(video)) as reader:
        return tuple(f"{number:05d}" for number in range(len(reader)))


@dataclass
class LabelledVideo:
    """A video that somebody went through frame by frame.

    Attributes:
        path: A folder of pictures or a video file.
        frames: Names of the frames that were looked at, with or without shapes: those of their pictures, or their
            numbers in the file. Each with its entry, for messages.
        sentences: Sentence -> frame -> shapes, whose union is the mask.
    """

    path: Path
    frames: dict[str, Entry] = field(default_factory=dict)
    sentences: dict[str, dict[str, list[Segmentation]]] = field(default_factory=dict)

    def draw(self, sentence: str, frame: str, shape: Segmentation) -> None:
        """Adds a shape to the mask of a sentence in a frame."""
        self.sentences.setdefault(sentence, {}).setdefault(frame, []).append(shape)

    def shapes(self, sentence: str, frames: tuple[str, ...]) -> tuple[tuple[Segmentation | None, ...], ...]:
        """The shapes of a sentence in some frames, in as many rows as the fullest frame needs."""
        drawn = [self.sentences[sentence].get(frame, []) for frame in frames]
        rows = max(map(len, drawn), default=0)
        return tuple(tuple(shapes[row] if row < len(shapes) else None for shapes in drawn) for row in range(rows))


class LabelledVideos:
    """The videos below a folder that an export speaks of, in the order in which it comes to them.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.found: dict[Path, LabelledVideo] = {}

    def video(self, path: Path) -> LabelledVideo:
        """The video of a path."""
        return self.found.setdefault(path, LabelledVideo(path))

    def picture(self, entry: Entry) -> tuple[LabelledVideo, str]:
        """Notes that a frame was looked at, and gives its video and its name.

        Args:
            entry: Path of the picture, `<video>/<frame>.jpg`, where `<video>` may be a video file and `<frame>` a
                number in it.

        Raises:
            InputError: The path leaves the root, or there is no such video.
        """
        folder, _, file = entry.string().replace("\\", "/").rpartition("/")
        if folder in ("", "."):
            entry.fail("the picture is in no folder; each video has a folder of its pictures")
        name = Entry(file.rpartition(".")[0] or file, entry.file, entry.key).name()
        video = self.video(Entry(folder, entry.file, entry.key).path(self.root))
        video.frames.setdefault(name, entry)
        return video, name
