"""Shards of any data set, written by `refsam-zoo shard`, on a disk or wherever fsspec reaches.

A clip is read by byte ranges of the tar files, so that a training step fetches its few frames and not the whole video.
Therefore sampling, mixing, resuming and sharing among processes are those of every other data set: an order drawn over
all samples instead of over the files, each sample once in an epoch whatever the number of files, nodes and workers, and
the same number of steps in every process. Readers that stream tar files from one end to the other give none of this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from refsam_zoo.annotations.files import Entry, Expressions, parse_json, separately
from refsam_zoo.annotations.meta_expressions import parse_frames
from refsam_zoo.data_modules.base import DataCard
from refsam_zoo.data_modules.holdout import HoldoutDataModule
from refsam_zoo.types import Referral
from refsam_zoo.video.byte_ranges import ByteRange, read_file
from refsam_zoo.video.packed_frames import PackedMasks, PackedVideo

INDEX = "index.json"
LARGEST_LABEL = 2**16 - 1
LARGEST_OFFSET, LARGEST_PICTURE = 2**53, 2**28
"""In bytes."""


class Shards(HoldoutDataModule):
    """A data set in shards.

    Args:
        root: What `refsam-zoo shard` wrote: a folder or any address that fsspec understands, such as
            `s3://bucket/mevis`, `https://...` or `simplecache::https://...`, which keeps copies of the files.
        train_split: Split to train on.
        val_split: Split for validation; a holdout of the training split if not given.
        test_split: Split for test; that of validation if not given.
        predict_split: Split for prediction; that of test if not given.
        **kwargs: See `HoldoutDataModule`.
    """

    title = "shards of any of them"
    page = "shards.md"
    card = DataCard(train="a split less a holdout", evaluation="the holdout or a split", prediction="a split")
    how_to_get = "refsam-zoo shard writes it"

    def __init__(
        self,
        root: str,
        train_split: str = "train",
        val_split: str | None = None,
        test_split: str | None = None,
        predict_split: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(Path(root), **kwargs)
        self.url = str(root).rstrip("/")
        test_split = test_split or val_split
        self.splits_by_role = {
            "train": train_split,
            "val": val_split,
            "test": test_split,
            "predict": predict_split or test_split,
        }

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`."""
        root = Path(root)
        there = sorted(file.parent.name for file in root.glob(f"*/{INDEX}") if any(file.parent.glob("*.tar")))
        return {split: partial(parse_shards, str(root), split) for split in there}

    @classmethod
    def protocol_of(cls, root: str | Path, split: str) -> str | None:
        """See `ReferringDataModule.protocol_of`; that of the data set which the shards were written from."""
        protocol = _read_index(str(root), split).get("protocol")
        return None if protocol is None or protocol.value is None else protocol.string()

    @property
    def protocol(self) -> str | None:
        """See `ReferringDataModule.protocol`."""
        return self.protocol_of(self.url, str(self.splits_by_role["test"] or self.splits_by_role["train"]))

    def require_root(self) -> None:
        """Leaves it to the index, since an address may be no folder."""

    def referrals(self, role: str) -> list[Referral]:
        """Parses the index of the split that serves as `train`, `val`, `test` or `predict`."""
        split = self.splits_by_role[role]
        if split and (role != "train" or self.splits_by_role["val"]):
            return parse_shards(self.url, split)
        found = parse_shards(self.url, str(self.splits_by_role["train"]))
        return self.train_share(found) if role == "train" else self.held_out_share(found)


def parse_shards(root: str, split: str) -> list[Referral]:
    """Reads the index of a split.

    Args:
        root: Folder or address.
        split: Name of the split.

    Raises:
        InputError: The index is missing or wrong.
    """
    found: list[Referral] = []
    expressions = Expressions()
    for video in _read_index(root, split)["videos"].list():
        with separately():
            found += _parse_video(f"{root}/{split}", video, expressions)
    return found


def _read_index(root: str, split: str) -> Entry:
    return parse_json(read_file(f"{root}/{split}/{INDEX}"), f"{root}/{split}/{INDEX}")


def _parse_video(folder: str, video: Entry, expressions: Expressions) -> list[Referral]:
    shard = f"{folder}/{video['shard'].name()}"
    video_id = video["video_id"].name()
    frames = parse_frames(video)
    pictures, masks = _ranges(video["pictures"], shard), _ranges(video["masks"], shard)
    if len(pictures) != len(frames) or (masks and len(masks) != len(frames)):
        video.fail(f"{len(pictures)} pictures and {len(masks)} masks for {len(frames)} frames")
    source = PackedVideo(Path(shard), pictures=pictures)
    found: list[Referral] = []
    for said in video["expressions"].list():
        with separately():
            labels = said["labels"]
            if labels.value is not None and not masks:
                labels.fail("there are no masks, so that this must be null")
            found.append(
                Referral(
                    video_id=video_id,
                    expression_id=expressions.add(video_id, said["expression_id"].name(), said),
                    expression=said["expression"].text(),
                    object_ids=tuple(number.integer(largest=2**53) for number in said["object_ids"].list()),
                    frames=frames,
                    source=source,
                    masks=None if labels.value is None else PackedMasks(masks, _labels(labels)),
                    tags={name: tag.text() for name, tag in said["tags"].items()},
                    scored=_scored(said.get("scored"), len(frames)),
                )
            )
    return found


def _scored(positions: Entry | None, frames: int) -> tuple[int, ...] | None:
    return None if positions is None else tuple(place.integer(0, frames - 1) for place in positions.list())


def _ranges(entry: Entry, url: str) -> tuple[ByteRange, ...]:
    ranges = []
    for place in entry.list():
        numbers = place.list()
        if len(numbers) != 2:
            place.fail("expected the offset of the first byte and the number of bytes")
        start, length = numbers[0].integer(0, LARGEST_OFFSET), numbers[1].integer(1, LARGEST_PICTURE)
        ranges.append(ByteRange(url, start, length))
    return tuple(ranges)


def _labels(entry: Entry) -> tuple[int, ...]:
    return tuple(label.integer(1, LARGEST_LABEL) for label in entry.list())
