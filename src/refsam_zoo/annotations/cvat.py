"""CVAT's export "CVAT for video 1.1": an XML file of tracks.

The sentence of a track is an attribute of its shapes, see `SENTENCE_KEYS`, or else its label. Every frame of a track is
in the file, also those between the frames that somebody drew.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np

from refsam_zoo.annotations.files import Entry, separately
from refsam_zoo.annotations.labelled_videos import LabelledVideo, LabelledVideos, frame_names, refuse_shape, sentence_in
from refsam_zoo.errors import InputError
from refsam_zoo.video.run_lengths import Polygons, RunLengths, Segmentation
from refsam_zoo.video.segmentations import LARGEST_SIDE

PICTURES = "images"
"""Folder of the pictures in CVAT's archives."""


def read_cvat(file: Path, root: Path) -> LabelledVideos:
    """Reads an export.

    Args:
        file: The XML file.
        root: Folder of the archive's pictures, `images`, or else of the video that the file names as its source.

    Raises:
        InputError: The file is wrong, or the video is missing.
    """
    videos = LabelledVideos(root)
    annotations = _parse(file)
    meta = next((found for name in ("task", "job") if (found := annotations.find(f"meta/{name}")) is not None), None)
    if meta is None:
        raise InputError(f"{file}: meta: no task or job is described")
    told = [*meta, *meta.iterfind("original_size/*")]
    facts = Entry({child.tag: (child.text or "").strip() for child in told}, file, "meta")
    source = facts.get("source") or Entry("", file, "meta.source")
    path = root / PICTURES if (root / PICTURES).is_dir() else source.path(root)
    video, names = videos.video(path), frame_names(path, source)
    for number in _frames(facts, len(names)):
        video.frames[names[number]] = Entry(number, file, "meta")
    for track in annotations.iterfind("track"):
        with separately():
            _read_track(Entry(dict(track.attrib), file, f"track {track.get('id')}"), track, video, names, facts)
    return videos


def _parse(file: Path) -> ElementTree.Element:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: cannot read the annotation file: {error.strerror}") from error
    if b"<!" in content.replace(b"<!--", b""):
        raise InputError(f"{file}: XML with declarations of its own (<!DOCTYPE ...>) is not read")
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(f"{file}: not XML: {' '.join(str(error).split())}") from error


def _frames(facts: Entry, length: int) -> range:
    """Numbers of the frames that the task is about, in the video or among its pictures."""
    if not (facts.get("start_frame") and facts.get("stop_frame")):
        return range(min(facts["size"].integer(), length))
    chosen = str((facts.get("frame_filter") or Entry("", "")).value).rpartition("=")[2]
    step = Entry(chosen or 1, facts.file, f"{facts.key}.frame_filter").integer(1)
    return range(facts["start_frame"].integer(), min(facts["stop_frame"].integer() + 1, length), step)


def _read_track(
    facts: Entry, track: ElementTree.Element, video: LabelledVideo, names: tuple[str, ...], task: Entry
) -> None:
    shapes = [shape for shape in track if shape.get("frame") is not None]
    attributes = [{each.get("name", ""): each.text for each in shape.iterfind("attribute")} for shape in shapes]
    said = (sentence_in(Entry(each, facts.file, facts.key)) for each in attributes)
    sentence = next((text for text in said if text is not None), None) or facts["label"].text()
    video.sentences.setdefault(sentence, {})
    for shape in shapes:
        entry = Entry(dict(shape.attrib), facts.file, f"{facts.key}.{shape.tag}")
        frame = names[entry["frame"].integer(0, len(names) - 1)]
        if entry.get("outside") is None or entry["outside"].value != "1":
            video.draw(sentence, frame, _shape(shape.tag, entry, task))


def _shape(kind: str, entry: Entry, task: Entry) -> Segmentation:
    if kind == "polygon":
        words = entry["points"].string().replace(";", ",").split(",")
        if len(words) < 6 or len(words) % 2:
            entry["points"].fail("a polygon has at least three points")
        return Polygons((tuple(_number(entry["points"], word) for word in words),), entry.key)
    if kind != "mask":
        refuse_shape(entry, kind)
    return _mask(entry, (task["height"].integer(1, LARGEST_SIDE), task["width"].integer(1, LARGEST_SIDE)))


def _number(entry: Entry, word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        entry.fail(f"{word[:20]!r} is no number")
    return Entry(value, entry.file, entry.key).number()


def _mask(entry: Entry, size: tuple[int, int]) -> RunLengths:
    """Run lengths of a box, row by row from background on, as those of its frame."""
    left, top = (entry[side].integer(0, LARGEST_SIDE) for side in ("left", "top"))
    width, height = (entry[side].integer(1, LARGEST_SIDE) for side in ("width", "height"))
    if left + width > size[1] or top + height > size[0]:
        entry.fail(f"the box reaches outside its frame of {size[0]}x{size[1]} pixels")
    words = entry["rle"].string().split(",")
    runs = [Entry(word.strip(), entry.file, f"{entry.key}.rle").integer(0, width * height) for word in words]
    if sum(runs) != width * height:
        entry["rle"].fail(f"the runs do not add up to the box of {width}x{height} pixels")
    mask = np.zeros(size, bool)
    mask[top : top + height, left : left + width] = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(
        height, width
    )
    return RunLengths.of(mask)
