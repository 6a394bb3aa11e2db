"""Label Studio's JSON export of pictures with brush or polygon regions.

The sentence of a region is what was written for it (a text area for each region), or what its `meta` says, or else its
label. A task is a picture, and the folder that it is in a video; one without an annotation was not looked at.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from refsam_zoo.annotations.files import Entry, separately
from refsam_zoo.annotations.labelled_videos import LabelledVideos, read_corners, refuse_shape
from refsam_zoo.file_names import FRAMES, find_files
from refsam_zoo.video.run_lengths import Polygons, RunLengths, Segmentation
from refsam_zoo.video.segmentations import LARGEST_SIDE

NO_REGIONS = ("textarea", "choices", "labels", "rating", "number", "taxonomy", "relation", "pairwise", "datetime")
"""Results that say something and show nothing."""


def read_label_studio(content: Entry, root: Path) -> LabelledVideos:
    """Reads an export.

    Args:
        content: A list of tasks.
        root: Folder in which the pictures of the tasks are, `<video>/<frame>.jpg`.

    Raises:
        InputError: It is wrong, or a picture is missing.
    """
    videos = LabelledVideos(root)
    for task in content.list():
        with separately():
            done = [each for each in task["annotations"].list() if each.mapping().get("was_cancelled") is not True]
            if done:
                video, frame = videos.picture(_picture(task["data"], root))
                results = done[0]["result"].list()
                for region in results:
                    with separately():
                        shape = _shape(region)
                        if shape is not None:
                            video.draw(_sentence(region, results), frame, shape)
    return videos


def _picture(data: Entry, root: Path) -> Entry:
    """The path below the root of the picture of a task, whose address has more before it."""
    entries = (data[name] for name in sorted(data.mapping()))
    paths = [(entry, path) for entry in entries if (path := _path(entry.value)) is not None]
    if not paths:
        data.fail("it names no picture")
    entry, path = paths[0]
    names = [part for part in path.parts if part != "/"]
    tails = ("/".join(names[start:]) for start in range(len(names) - 1))
    found = next((tail for tail in tails if _is_there(root / tail)), None)
    if found is None:
        entry.fail(f"there is no such picture in a folder of {root}")
    return Entry(found, entry.file, entry.key)


def _is_there(picture: Path) -> bool:
    return picture.parent.is_dir() and picture.stem in find_files(picture.parent)


def _path(address: object) -> PurePosixPath | None:
    """The path in the address of a picture, which is its query for local files; None for what is no such address."""
    if not isinstance(address, str) or "\0" in address:
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    path = PurePosixPath(parse_qs(parts.query).get("d", [unquote(parts.path)])[0].replace("\\", "/"))
    return path if path.suffix.lower() in FRAMES and ".." not in path.parts else None


def _sentence(region: Entry, results: list[Entry]) -> str:
    name, kind = region["id"].value, region["type"].string()
    texts = (each for each in results if each["type"].value == "textarea")
    written = [each["value"]["text"] for each in texts if each["id"].value == name]
    meta = region.get("meta")
    if not written and meta is not None and "text" in meta:
        written = [meta["text"]]
    if written:
        return _joined(written[0])
    return _joined(region["value"][kind])


def _joined(entry: Entry) -> str:
    lines = [line.string() for line in entry.list()] if isinstance(entry.value, list) else [entry.string()]
    return Entry(" ".join(lines), entry.file, entry.key).text()


def _shape(region: Entry) -> Segmentation | None:
    kind, value = region["type"].string(), region["value"]
    if kind in NO_REGIONS:
        return None
    size = tuple(region[side].integer(1, LARGEST_SIDE) for side in ("original_height", "original_width"))
    if kind == "brushlabels":
        return RunLengths.of(decode_brush(value["rle"], (size[0], size[1])))
    if kind != "polygonlabels":
        refuse_shape(region["type"], kind)
    percent = [(x * size[1], y * size[0]) for x, y in read_corners(value["points"])]
    return Polygons((tuple(part / 100 for corner in percent for part in corner),), region.key)


def decode_brush(entry: Entry, size: tuple[int, int]) -> np.ndarray:
    """Decodes the brush of a picture.

    The bytes are a string of bits: the count of values (32), bits of a value less 1 (5), bits of each of four kinds of
    length less 1 (4 each), then runs, each with a bit that says whether one value is repeated, the kind of the length
    (2), the length less 1, and the value, or as many values. A pixel has four values, of which the last is the mask.

    Args:
        entry: Bytes as numbers.
        size: Height and width of the picture.

    Returns:
        bool `[H, W]`.

    Raises:
        InputError: They are no brush of a picture of this size.
    """
    numbers = entry.list()
    bits = Bits("".join(f"{number.integer(0, 255):08b}" for number in numbers), entry)
    count, width = bits.take(32), bits.take(5) + 1
    if count != 4 * size[0] * size[1]:
        entry.fail(f"it has {count} values, its picture of {size[0]}x{size[1]} pixels four for each")
    lengths = [bits.take(4) + 1 for _ in range(4)]
    values, filled = np.zeros(count, np.uint8), 0
    while filled < count:
        repeated = bits.take(1)
        length = min(bits.take(lengths[bits.take(2)]) + 1, count - filled)
        if repeated:
            values[filled : filled + length] = bits.take(width) > 0
        else:
            values[filled : filled + length] = [bits.take(width) > 0 for _ in range(length)]
        filled += length
    return values.reshape(*size, 4)[..., 3].astype(bool)


class Bits:
    """A string of bits, taken from the front.

    Args:
        text: Characters 0 and 1.
        entry: Where they stand, for messages.
    """

    def __init__(self, text: str, entry: Entry) -> None:
        self.text = text
        self.entry = entry
        self.place = 0

    def take(self, number: int) -> int:
        """The next bits as a number, the highest first."""
        self.place += number
        if self.place > len(self.text):
            self.entry.fail("the brush ends in the middle of a run")
        return int(self.text[self.place - number : self.place], 2)
