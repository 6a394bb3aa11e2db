"""COCO's JSON files of pictures and YouTube-VIS's of videos, which most labelling tools export.

The sentence of an object is an attribute (CVAT keeps them in `attributes`) or a key of its annotation, see
`SENTENCE_KEYS`, or else the name of its category, as in what `segment --save coco` writes.
"""

from __future__ import annotations

from pathlib import Path

from refsam_zoo.annotations.files import Entry, separately
from refsam_zoo.annotations.labelled_videos import LabelledVideo, LabelledVideos, sentence_in
from refsam_zoo.video.segmentations import parse_segmentation


def read_coco(content: Entry, root: Path) -> LabelledVideos:
    """Reads such a file.

    Args:
        content: `images` or `videos`, `annotations` and `categories`.
        root: Folder that the names of pictures, `<video>/<frame>.jpg`, begin in.

    Raises:
        InputError: It is wrong, or a video it names is missing.
    """
    videos = LabelledVideos(root)
    of_videos = "videos" in content
    frames: dict[int, list[tuple[LabelledVideo, str]]] = {}
    for entry in content["videos" if of_videos else "images"].list():
        with separately():
            names = entry["file_names"].list() if of_videos else [entry["file_name"]]
            number = entry["id"].integer()
            if number in frames:
                entry["id"].fail(f"{number} is there already")
            frames[number] = [videos.picture(name) for name in names]
    categories = {entry["id"].integer(): entry["name"] for entry in content["categories"].list()}
    for annotation in content["annotations"].list():
        with separately():
            owner = annotation["video_id" if of_videos else "image_id"]
            places = frames.get(owner.integer())
            if places is None:
                owner.fail(f"there is no {'video' if of_videos else 'image'} {owner.integer()}")
            shapes = annotation["segmentations"].list() if of_videos else [annotation["segmentation"]]
            if len(shapes) != len(places):
                annotation.fail(f"it has {len(shapes)} masks, its video {len(places)} frames")
            sentence = _sentence(annotation, categories)
            for (video, frame), shape in zip(places, shapes, strict=True):
                if shape.value is None or shape.value == []:
                    video.sentences.setdefault(sentence, {})
                else:
                    video.draw(sentence, frame, parse_segmentation(shape))
    return videos


def _sentence(annotation: Entry, categories: dict[int, Entry]) -> str:
    said = sentence_in(annotation.get("attributes")) or sentence_in(annotation)
    if said is not None:
        return said
    category = annotation["category_id"]
    if category.integer() not in categories:
        category.fail(f"there is no category {category.integer()}")
    return categories[category.integer()].text()
