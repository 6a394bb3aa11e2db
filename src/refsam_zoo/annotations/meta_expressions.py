"""The file of sentences that Ref-YouTube-VOS began with and most data sets follow, and the frames it names.

{"videos": {video: {"frames": [name], "expressions": {id: {"exp": sentence, ...}}}}}
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from refsam_zoo.annotations.files import Entry, read_json, separately
from refsam_zoo.errors import InputError
from refsam_zoo.file_names import find_files, natural_order
from refsam_zoo.types import Referral, VideoSource


def parse_meta_expressions(
    file: Path,
    find: Callable[[Entry, str, tuple[str, ...]], VideoSource],
    complete: Callable[[Entry, Referral], Referral],
) -> list[Referral]:
    """Reads the sentences of a file, in its order, the frames of a video in their natural order.

    Args:
        file: The file.
        find: Says where the pixels of a video are, given its entry, its name and its frames.
        complete: Makes the referral of an expression's entry from what all formats share: the sentence, its names, the
            frames and their source.

    Raises:
        InputError: The file is missing or wrong, or a video or frame it names is missing.
    """
    found: list[Referral] = []
    for video_id, video in read_json(file)["videos"].items():
        with separately():
            Entry(video_id, file, video.key).name()
            frames = tuple(sorted(parse_frames(video), key=natural_order))
            source = find(video, video_id, frames)
            for expression_id, expression in video["expressions"].items():
                with separately():
                    Entry(expression_id, file, expression.key).name()
                    text = expression["exp"].text()
                    found.append(complete(expression, Referral(video_id, expression_id, text, (), frames, source)))
    return found


def parse_frames(video: Entry) -> tuple[str, ...]:
    """Reads the names of a video's `frames`, at least one and none twice."""
    frames = tuple(frame.name() for frame in video["frames"].list())
    if not frames:
        video.fail("the list of its frames is empty")
    if len(set(frames)) < len(frames):
        video.fail("a frame is listed twice")
    return frames


@dataclass(frozen=True)
class FrameFolders:
    """Finds the pixels of a video in `<pictures>/<video>/<frame>.jpg`, or other pictures, see `find_files`."""

    pictures: Path

    def __call__(self, video: Entry, video_id: str, frames: Sequence[str]) -> VideoSource:
        """Gives the folder of a video after making sure that its frames exist."""
        folder = self.pictures / video_id
        if not folder.is_dir():
            video.fail(f"its folder of frames is missing: {folder}")
        there = find_files(folder)
        for frame in frames:
            if frame not in there:
                with separately():
                    video.fail(f"frame {frame} is missing in {folder}")
        return VideoSource(folder)


def unpacked(pictures: Path) -> Path:
    """Gives a folder of pictures back, unless it is still the archive that was downloaded (an `InputError`)."""
    for archive in (pictures.with_suffix(suffix) for suffix in (".tar", ".tar.gz", ".zip")):
        if archive.is_file() and not pictures.is_dir():
            raise InputError(f"{archive}: the pictures are still packed; unpack it to {pictures}/<video>/")
    return pictures
