"""Run lengths in the layout of YouTube-VIS, COCO's for videos."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.inference.growing_json import json_bytes
from refsam_zoo.inference.outputs.base import OUTPUTS, Output, SegmentedFrame, VideoFacts
from refsam_zoo.inference.outputs.tracks import measure
from refsam_zoo.output_files import append_whole
from refsam_zoo.registry import ModelCard
from refsam_zoo.video.run_lengths import RunLengths

KEYS = (b"segmentations", b"bboxes", b"areas")


@OUTPUTS.register(ModelCard("JSON: COCO run lengths in YouTube-VIS's layout"))
class coco(Output):
    """Writes `coco.json`: a video, a category and an annotation per sentence; see `Output`.

    The layout has all frames of a sentence together. Until they are known, each sentence has a file of lines, and as
    much room as these take is taken on the disk for the JSON file.
    """

    file = "coco.json"

    def __init__(self, folder: Path, facts: VideoFacts, kept: int | None = None) -> None:
        super().__init__(folder, facts)
        self._names = self.hidden / "coco.frames"
        self._lines = [self.hidden / f"coco.{number}" for number in facts.numbered]
        self._room = self.hidden / "coco.json"
        files = [self._names, *self._lines]
        self.frames = 0 if kept is None else min(map(_count_lines, files))
        for path in files:
            _cut(path, self.frames)
        self._room.unlink(missing_ok=True)
        taken = sum(path.stat().st_size for path in files if path.exists())
        append_whole(self._room, bytes(taken + sum(map(len, self._content()))))

    def write(self, frame: SegmentedFrame) -> None:
        """See `Output.write`."""
        lines = [json_bytes(f"{self.facts.name}/{frame.name}.jpg") + b"\n"]
        for mask in frame.found.masks:
            measured = measure(mask)
            runs = {"size": self.facts.size, "counts": RunLengths.of(mask).counts}
            values = (runs, measured["box"], measured["area"]) if measured["present"] else (None, None, None)
            lines.append(b"\t".join(map(json_bytes, values)) + b"\n")
        append_whole(self._room, bytes(sum(map(len, lines)) + 3 * len(lines)))
        for path, line in zip([self._names, *self._lines], lines, strict=True):
            append_whole(path, line)

    def close(self, whole: bool) -> None:
        """See `Output.close`."""
        try:
            with self._room.open("r+b") as file:
                file.writelines(self._content())
                file.truncate()
            os.replace(self._room, self.path)
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror or error}") from error

    def _content(self) -> Iterator[bytes]:
        height, width = self.facts.size
        yield b'{"videos": [{"id": 1, "width": %d, "height": %d, "length": %d, ' % (width, height, self.frames)
        yield b'"file_names": ['
        yield from self._listed(self._names, 0)
        categories = [{"id": int(number), "name": text} for number, text in self.facts.numbered.items()]
        yield b']}],\n"categories": ' + json_bytes(categories) + b',\n"annotations": ['
        for number, path in enumerate(self._lines, 1):
            yield b"," * (number > 1) + b'\n{"id": %d, "video_id": 1, "category_id": %d, ' % (number, number)
            yield b'"iscrowd": 0, "length": 1, "width": %d, "height": %d' % (width, height)
            for place, key in enumerate(KEYS):
                yield b', "%s": [' % key
                yield from self._listed(path, place)
                yield b"]"
            yield b"}"
        yield b"\n]}\n"

    def _listed(self, path: Path, place: int) -> Iterator[bytes]:
        """One value of each line, with commas between them."""
        if not self.frames:
            return
        with path.open("rb") as lines:
            for number, line in zip(range(self.frames), lines, strict=False):
                yield b", " * (number > 0) + line.rstrip(b"\n").split(b"\t")[place]


def _count_lines(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(line.endswith(b"\n") for line in file)
    except FileNotFoundError:
        return 0


def _cut(path: Path, lines: int) -> None:
    """Leaves the first lines of a file."""
    with contextlib.suppress(FileNotFoundError), path.open("r+b") as file:
        for _ in range(lines):
            file.readline()
        file.truncate(file.tell())
