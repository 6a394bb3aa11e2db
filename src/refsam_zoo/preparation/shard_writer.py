"""Copies a data set into tar files, a few large files instead of very many small ones.

    <output>/<split>/000000.tar ...     WebDataset shards: one sample for each video
    <output>/<split>/index.json         where in them everything is, read by `Shards`

A sample holds `<key>.json` (video, frames and sentences), and for each frame `<key>.<frame>.jpg` (or `.png`) and
`<key>.<frame>.mask.png`, whose pixel values are the `labels` of the sentences. JPEG and PNG files are copied as they
are; other pictures and frames of video files become PNG, so that nothing is lost.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from refsam_zoo.clips.reading import group_by_video
from refsam_zoo.data_modules.recognition import recognise
from refsam_zoo.data_modules.shards import INDEX
from refsam_zoo.errors import InputError
from refsam_zoo.output_files import whole_file
from refsam_zoo.preparation.parallel import Processes, progress, workers_that_pay
from refsam_zoo.types import Referral
from refsam_zoo.video.base import VideoReader
from refsam_zoo.video.frame_folder import FrameFolderReader
from refsam_zoo.video.masks import read_masks
from refsam_zoo.video.readers import open_video

_COPIED = (".jpg", ".jpeg", ".png")
"""Suffixes of pictures that every reader of shards knows."""
_BLOCK = 512
"""Members of a tar file fill whole blocks of this many bytes."""


@dataclass(frozen=True)
class ShardJob:
    """A shard to write: the file, its videos, and the number of the first of them in the split."""

    file: Path
    videos: tuple[tuple[Referral, ...], ...]
    first: int


def write_shards(
    root: str | Path, output: str | Path, videos_per_shard: int = 64, workers: int | None = None
) -> Iterator[str]:
    """Copies a data set into WebDataset shards, to be read from anywhere by the data module `Shards`.

    Args:
        root: Folder of the data set; which one it is is recognised from the tree.
        output: Folder to write; a split that is there already is an error, an unfinished one is written again.
        videos_per_shard: Videos (or images) in a tar file; more for images, so that a file has some hundred megabytes.
        workers: Processes; if not given, one for each processor core where there are enough pictures that starting
            them pays.

    Yields:
        What was written, a line for each split as soon as it is whole.

    Raises:
        InputError: The data set is not known, anything in it is wrong, or the output cannot be written.
    """
    if videos_per_shard < 1:
        raise InputError(f"videos_per_shard must be at least 1, not {videos_per_shard}")
    data_set = recognise(Path(root))
    for split in data_set.splits:
        if (Path(output) / split / INDEX).exists():
            raise InputError(f"{Path(output) / split / INDEX}: is there already; remove it or give another output")
    videos_of = {split: group_by_video(parse()) for split, parse in data_set.splits.items()}
    pictures = sum(len(video[0].frames) for videos in videos_of.values() for video in videos)
    with Processes(workers_that_pay(pictures) if workers is None else workers) as processes:
        for split, videos in videos_of.items():
            folder = Path(output) / split
            jobs = [
                ShardJob(folder / f"{number:06d}.tar", tuple(videos[first : first + videos_per_shard]), first)
                for number, first in enumerate(range(0, len(videos), videos_per_shard))
            ]
            written = progress(processes.map(write_shard, jobs, _crash), split, len(jobs), "shard")
            entries = [entry for shard_entries in written for entry in shard_entries]
            index = {
                "data_set": data_set.data_module.__name__,
                "protocol": data_set.data_module.protocol_of(Path(root), split),
                "videos": entries,
            }
            _write(folder / INDEX, [json.dumps(index).encode()])
            yield f"wrote {len(jobs)} shards with {len(videos)} videos in {folder}"


def write_shard(job: ShardJob) -> list[dict[str, Any]]:
    """Writes one tar file, whole or not at all.

    Returns:
        For each video what the index says about it.

    Raises:
        InputError: A frame or mask is missing or damaged, or the file cannot be written.
    """
    entries: list[dict[str, Any]] = []
    _write(job.file, _tar(job, entries))
    return entries


def _crash(job: ShardJob) -> list[dict[str, Any]]:
    raise InputError(f"{job.file}: reading the files that belong in it crashes; refsam-zoo inspect names them")


def _tar(job: ShardJob, entries: list[dict[str, Any]]) -> Iterator[bytes]:
    """The parts of a tar file; notes in `entries` where everything is."""
    offset = 0
    for number, video in enumerate(job.videos, job.first):
        packing = _Packing(video)
        places: dict[str, list[list[int]]] = {"pictures": [], "masks": []}
        for kind, name, content in packing.members():
            header, padding = _around(f"{number:06d}.{name}", len(content))
            if kind in places:
                places[kind].append([offset + len(header), len(content)])
            offset += len(header) + len(content) + len(padding)
            yield header + content + padding
        entries.append({"shard": job.file.name, **packing.description(), **places})
    yield bytes(2 * _BLOCK)


def _around(name: str, size: int) -> tuple[bytes, bytes]:
    """What a tar file has before and after the content of a member; the same on every machine."""
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.USTAR_FORMAT), bytes(-size % _BLOCK)


class _Packing:
    """One video on its way into a shard."""

    def __init__(self, referrals: Sequence[Referral]) -> None:
        self.referrals = referrals
        masks = [referral.masks for referral in referrals]
        self.distinct = list(dict.fromkeys(mask for mask in masks if mask is not None))
        # (bool of each distinct mask, as bytes) -> pixel value; background is 0
        self._labels: dict[bytes, int] = {bytes(len(self.distinct)): 0}

    def members(self) -> Iterator[tuple[str, str, bytes]]:
        """Kind, name and content of every file; the description, complete only now, comes last."""
        frames = self.referrals[0].frames
        with open_video(self.referrals[0].source, frames) as video:
            for position in range(len(frames)):
                suffix, content = _picture(video, position)
                yield "pictures", f"{position:04d}{suffix}", content
                if self.distinct:
                    masks = read_masks(self.distinct, [position], video.size)[:, 0]
                    yield "masks", f"{position:04d}.mask.png", _png(self._label(masks))
        yield "description", "json", json.dumps(self.description()).encode()

    def description(self) -> dict[str, Any]:
        """Frames and sentences; the labels are complete after `members`."""
        first = self.referrals[0]
        return {
            "video_id": first.video_id,
            "frames": list(first.frames),
            "expressions": [
                {
                    "expression_id": referral.expression_id,
                    "expression": referral.expression,
                    "object_ids": list(referral.object_ids),
                    "labels": None if referral.masks is None else self._labels_of(self.distinct.index(referral.masks)),
                    "tags": referral.tags,
                    **({} if referral.scored is None else {"scored": list(referral.scored)}),
                }
                for referral in self.referrals
            ],
        }

    def _labels_of(self, mask: int) -> list[int]:
        return [label for inside, label in self._labels.items() if inside[mask]]

    def _label(self, masks: np.ndarray) -> np.ndarray:
        """Gives pixels in the same masks (bool `[M, H, W]`) the same value, all over the video: `[H, W]`."""
        groups, inside = group_pixels(masks)
        values = [self._labels.setdefault(row.tobytes(), len(self._labels)) for row in inside]
        return np.array(values, np.uint8 if max(values) < 256 else np.uint16)[groups]


def group_pixels(masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Groups the pixels that are in the same masks.

    Args:
        masks: bool `[M, H, W]`.

    Returns:
        The group of each pixel, int `[H, W]`, and for each group which masks it is in, bool `[groups, M]`.
    """
    groups, count = np.zeros(masks.shape[1:], np.int64), 1
    for mask in masks:
        groups = 2 * groups + mask
        # renumbered at each step, so that numbers stay small and no sorting is needed
        there = np.flatnonzero(np.bincount(groups.ravel(), minlength=2 * count))
        rank = np.zeros(2 * count, np.int64)
        rank[there] = np.arange(len(there))
        groups, count = rank[groups], len(there)
    first = np.zeros(count, np.int64)
    first[groups.ravel()] = np.arange(groups.size)
    return groups, masks.reshape(len(masks), -1)[:, first].T


def _picture(video: VideoReader, position: int) -> tuple[str, bytes]:
    """Suffix and content of a frame's file; decoding it makes sure that it is not damaged."""
    frame = video.read([position])[0]
    file = video.files[position] if isinstance(video, FrameFolderReader) else None
    if file is not None and file.suffix.lower() in _COPIED:
        return file.suffix.lower(), file.read_bytes()
    return ".png", cv2.imencode(".png", frame[..., ::-1])[1].tobytes()


def _png(labels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(labels).save(content, format="PNG")
    return content.getvalue()


def _write(file: Path, parts: Sequence[bytes] | Iterator[bytes]) -> None:
    with whole_file(file) as unfinished, unfinished.open("wb") as stream:
        for part in parts:
            stream.write(part)
