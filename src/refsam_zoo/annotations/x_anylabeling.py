"""Folders labelled with X-AnyLabeling: beside each picture a JSON file in the form that LabelMe began.

The sentence of a shape is its `description`, or else its label.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from refsam_zoo.annotations.files import Entry, read_json, separately
from refsam_zoo.annotations.labelled_videos import LabelledVideos, read_corners, refuse_shape, sentence_in
from refsam_zoo.file_names import FRAMES, find_files, natural_order
from refsam_zoo.video.run_lengths import Polygons


def label_files(root: Path) -> Iterator[Path]:
    """The JSON files in folders of a folder that stand beside a picture of their name, in natural order."""
    for folder in sorted({file.parent for file in root.glob("*/*.json")}, key=lambda path: natural_order(path.name)):
        pictures = set(find_files(folder, FRAMES))
        yield from sorted(
            (file for file in folder.glob("*.json") if file.stem in pictures), key=lambda file: natural_order(file.name)
        )


def read_x_anylabeling(root: Path) -> LabelledVideos:
    """Reads all `<video>/<frame>.json`; a frame without one was not looked at.

    Raises:
        InputError: A file is wrong.
    """
    videos = LabelledVideos(root)
    for file in label_files(root):
        with separately():
            content = read_json(file)
            shapes = content["shapes"].list()
            video, frame = videos.picture(Entry(file.relative_to(root).as_posix(), file, "imagePath"))
            for shape in shapes:
                kind = shape["shape_type"].value
                if kind != "polygon":
                    refuse_shape(shape["shape_type"], kind)
                outline = tuple(value for corner in read_corners(shape["points"]) for value in corner)
                sentence = sentence_in(shape) or shape["label"].text()
                video.draw(sentence, frame, Polygons((outline,), f"{file.relative_to(root).as_posix()}: {shape.key}"))
    return videos
