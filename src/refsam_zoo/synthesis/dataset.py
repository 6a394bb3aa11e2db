"""Writes RefShapes to disk in the layout of Ref-YouTube-VOS, whole or not at all."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.output_files import whole_folder
from refsam_zoo.synthesis.options import SPLITS, SynthesisOptions
from refsam_zoo.synthesis.videos import Video, make_video

RECORD = "refshapes.json"
"""Name of the file at the root that says what was generated."""

VERSION = 1
"""Raised whenever equal options give other masks, expressions or file layouts than before."""

PALETTE = bytes.fromhex("000000 e41a1c 4daf4a 377eb8 ffd92f 984ea3 ff7f00 17becf f781bf")
"""RGB in which viewers show the ids 0 to 8 of a mask."""


def synthesize(root: str | Path, options: SynthesisOptions, workers: int = 1) -> None:
    """Generates RefShapes, or returns at once where the same data set is already there.

    The layout is that of Ref-YouTube-VOS: `<split>/JPEGImages/<video>/<frame>.jpg`,
    `<split>/Annotations/<video>/<frame>.png` (palette PNG, pixel = object id), `<split>/meta.json` and
    `meta_expressions/<split>/meta_expressions.json`, where an expression has two keys more: `obj_ids`, the list of all
    objects it names (`obj_id` is the first, or "0"), and `kind`. Splits that `options.mp4` names also get
    `<split>/Videos/<video>.mp4`.

    Args:
        root: Folder to make; it may exist if it is empty or holds the same data set.
        options: What to generate.
        workers: Processes to share the work; the data set is the same for any number.

    Raises:
        InputError: The folder holds something else, or cannot be written.
    """
    root = Path(root).resolve()
    if _is_there(root, options):
        return
    try:
        with whole_folder(root) as stage:
            _write_splits(stage, options, workers)
            _write_json(stage / RECORD, _record(options))
    except InputError:
        if not _is_there(root, options):  # another process may have been quicker
            raise


def _record(options: SynthesisOptions) -> dict[str, Any]:
    return {"format": "RefShapes", "version": VERSION, "options": dataclasses.asdict(options)}


def _is_there(root: Path, options: SynthesisOptions) -> bool:
    """Says whether the data set exists; anything else in its place is an error."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    try:
        found = json.loads((root / RECORD).read_text(encoding="utf-8"))
        version, options_found = found["version"], dataclasses.asdict(SynthesisOptions()) | found["options"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{root}: exists and is no RefShapes data set; name a new or empty folder") from error
    if version != VERSION:
        raise InputError(f"{root}: holds RefShapes of version {version}, not {VERSION}; name another folder")
    for key, value in dataclasses.asdict(options).items():
        if options_found[key] != value:  # one that the data set is older than has its default
            raise InputError(
                f"{root}: holds RefShapes with {key} {options_found[key]}, not {value}; name another folder"
            )
    return True


def _write_splits(stage: Path, options: SynthesisOptions, workers: int) -> None:
    from tqdm import tqdm

    videos = [(split, index) for split in SPLITS for index in range(options.videos(split))]
    expressions: dict[str, dict[str, Any]] = {}
    objects: dict[str, dict[str, Any]] = {}
    with _mapping(workers) as run:
        entries = run(partial(_write_video, stage, options), videos)
        for (split, _), (name, asked, shown) in tqdm(
            zip(videos, entries, strict=True), desc="RefShapes", total=len(videos), unit="video"
        ):
            expressions.setdefault(split, {})[name] = asked
            objects.setdefault(split, {})[name] = shown
    for split in expressions:
        _write_json(stage / "meta_expressions" / split / "meta_expressions.json", {"videos": expressions[split]})
        _write_json(stage / split / "meta.json", {"videos": objects[split]})


@contextmanager
def _mapping(workers: int) -> Iterator[Any]:
    """Gives a lazy `map` in this process or over several."""
    if workers <= 1:
        yield map
        return
    # spawn: forking a process that has loaded torch or OpenCV copies their thread pools in an unusable state
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield partial(pool.map, chunksize=4)
    finally:
        pool.shutdown(cancel_futures=True)


def _write_video(stage: Path, options: SynthesisOptions, job: tuple[str, int]) -> tuple[str, dict, dict]:
    """Writes the files of one video and gives its name and its entries in the two JSON files."""
    split, index = job
    video = make_video(split, index, options)
    names = [f"{frame:05d}" for frame in range(options.frames)]
    _write_frames(stage / split / "JPEGImages" / video.name, video, names)
    _write_masks(stage / split / "Annotations" / video.name, video, names)
    if options.writes_mp4(split):
        write_mp4(stage / split / "Videos" / f"{video.name}.mp4", video.pictures, options.fps)
    asked = {
        str(number): {
            "exp": item.sentence,
            "obj_id": str(item.object_ids[0]) if item.object_ids else "0",
            "obj_ids": [str(object_id) for object_id in item.object_ids],
            "kind": item.kind,
        }
        for number, item in enumerate(video.expressions)
    }
    shown = {
        str(number): {
            "category": look.shape,
            "colour": look.colour,
            "size": look.size,
            "frames": [name for name, label in zip(names, video.labels, strict=True) if (label == number).any()],
        }
        for number, look in enumerate(video.looks, start=1)
    }
    return video.name, {"expressions": asked, "frames": names}, {"objects": shown}


def _write_frames(folder: Path, video: Video, names: list[str]) -> None:
    import simplejpeg

    folder.mkdir(parents=True)
    for name, picture in zip(names, video.pictures, strict=True):
        data = simplejpeg.encode_jpeg(picture, quality=video.jpeg_quality, colorspace="RGB", colorsubsampling="420")
        (folder / f"{name}.jpg").write_bytes(data)


def _write_masks(folder: Path, video: Video, names: list[str]) -> None:
    from PIL import Image

    folder.mkdir(parents=True)
    for name, label in zip(names, video.labels, strict=True):
        image = Image.frombytes("P", label.shape[::-1], label.tobytes())
        image.putpalette(PALETTE)
        image.save(folder / f"{name}.png", compress_level=1, bits=8)


def write_mp4(path: Path, pictures: np.ndarray, fps: int) -> None:
    """Writes a video file with closed groups of pictures and no B-frames, so that any decoder can seek in it."""
    import av

    codec: Literal["libx264", "mpeg4"] = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    # with its macroblock tree x264 gives other bytes for the same pictures now and then, on a busy machine
    parameters = "open-gop=0:mbtree=0"
    options = {"preset": "veryfast", "crf": "18", "bf": "0", "g": "12", "x264-params": parameters, "threads": "1"}
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options if codec == "libx264" else {"qscale": "3"})
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content) + "\n", encoding="utf-8")
