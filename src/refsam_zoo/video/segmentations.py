"""Masks in COCO's forms as they stand in JSON: run lengths, compressed or not, and polygons."""

from __future__ import annotations

from refsam_zoo.video.entries import Entry
from refsam_zoo.video.run_lengths import Polygons, RunLengths, Segmentation

LARGEST_SIDE = 2**14


def parse_segmentation(entry: Entry) -> Segmentation:
    """Reads run lengths `{"size": [height, width], "counts": text or list}` or a list of polygons `[x, y, x, y, ...]`.

    Raises:
        InputError: It is neither.
    """
    if isinstance(entry.value, list):
        return Polygons(tuple(_parse_polygon(polygon) for polygon in entry.list()), entry.key)
    return _parse_run_lengths(entry)


def _parse_run_lengths(entry: Entry) -> RunLengths:
    size = [side.integer(1, LARGEST_SIDE) for side in entry["size"].list()]
    if len(size) != 2:
        entry.fail("the size must be height and width")
    counts = entry["counts"]
    if isinstance(counts.value, str):
        return RunLengths((size[0], size[1]), counts.value, entry.key)
    numbers = tuple(count.integer(0, LARGEST_SIDE**2) for count in counts.list())
    return RunLengths((size[0], size[1]), numbers, entry.key)


def _parse_polygon(polygon: Entry) -> tuple[float, ...]:
    corners = polygon.list()
    if len(corners) < 6 or len(corners) % 2 or not all(corner.is_number() for corner in corners):
        polygon.fail("a polygon is a list of at least three pairs of numbers")
    return tuple(corner.number() for corner in corners)
