"""A2D-Sentences: YouTube videos of actors and actions, masks on three to five frames of each.

Download the videos (A2D, University of Michigan) and the sentences (kgavrilyuk.github.io/publication/actor_action) to

    a2d_sentences/Release/{videoset.csv, clips320H/<video>.mp4}
    a2d_sentences/text_annotations/{a2d_annotation.txt, a2d_missed_videos.txt}
    a2d_sentences/text_annotations/a2d_annotation_with_instances/<video>/<frame>.h5

A referral has the annotated frames in which its instance exists; frames are numbered from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from refsam_zoo.annotations.files import Entry, read_lines, read_table, separately
from refsam_zoo.data_modules.base import DataCard
from refsam_zoo.data_modules.holdout import HoldoutDataModule
from refsam_zoo.errors import InputError
from refsam_zoo.file_names import find_files
from refsam_zoo.types import Referral, VideoSource

VIDEO_COLUMNS = (
    "video_id", "label", "start", "end", "height", "width", "total_frames", "annotated_frames", "subset",
)  # fmt: skip
MASK_FILES = (".h5",)
ANNOTATIONS = "a2d_annotation.txt"
SUBSETS = {"train": "0", "test": "1"}
UNUSABLE_INSTANCE = "1 (copy)"
"""An instance id that stands in the published table by mistake; everybody drops its row."""

T = TypeVar("T")


class A2DSentences(HoldoutDataModule):
    """A2D-Sentences; validation uses videos held out from training. Options are those of `HoldoutDataModule`."""

    title = "A2D-Sentences"
    page = "a2d_sentences.md"
    card = DataCard(
        videos="3782", sentences="6656", train="train less a holdout", evaluation="the holdout; test", prediction="test"
    )
    how_to_get = "download A2D (Release) and the A2D-Sentences text_annotations into this folder"
    protocols = ("a2d_sentences",)

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`."""
        root = Path(root)
        there = (root / "text_annotations" / ANNOTATIONS).is_file()
        return {split: partial(parse_a2d_sentences, root, split) for split in SUBSETS} if there else {}

    def referrals(self, role: str) -> list[Referral]:
        """Parses the training videos, the holdout or the test videos (for `test` and `predict`)."""
        if role not in ("train", "val"):
            return parse_a2d_sentences(self.root, "test")
        found = parse_a2d_sentences(self.root, "train")
        return self.train_share(found) if role == "train" else self.held_out_share(found)


def parse_a2d_sentences(root: str | Path, split: str) -> list[Referral]:
    """Reads the sentences of `train` or `test`; opens every mask file of the split to see which instances it has.

    Raises:
        InputError: A file is missing or wrong, or an instance exists in no frame.
    """
    root = Path(root)
    texts = root / "text_annotations"
    unusable = {line.string() for line in read_lines(texts / "a2d_missed_videos.txt")}
    videos = read_table(root / "Release" / "videoset.csv", VIDEO_COLUMNS, header=False)
    in_split = {row["video_id"].name() for row in videos if row["subset"].value == SUBSETS[split]} - unusable
    instances: dict[str, dict[str, list[int]]] = {}
    found: list[Referral] = []
    for number, row in enumerate(read_table(texts / ANNOTATIONS, ("video_id", "instance_id", "query"))):
        with separately():
            video_id = row["video_id"].name()
            if video_id not in in_split or row["instance_id"].value == UNUSABLE_INSTANCE:
                continue
            if video_id not in instances:
                instances[video_id] = _instances(texts / "a2d_annotation_with_instances" / video_id, row)
            found.append(_parse_row(root, row, str(number), instances[video_id]))
    return found


def _parse_row(root: Path, row: Entry, expression_id: str, instances: dict[str, list[int]]) -> Referral:
    video_id, object_id = row["video_id"].name(), row["instance_id"].integer()
    names = tuple(name for name, there in instances.items() if object_id in there)
    if not names:
        row.fail(f"instance {object_id} exists in no mask file of {video_id}")
    path = root / "Release" / "clips320H" / f"{video_id}.mp4"
    if not path.is_file():
        row.fail(f"the video file is missing: {path}")
    return Referral(
        video_id=video_id,
        expression_id=expression_id,
        expression=row["query"].text(),
        object_ids=(object_id,),
        frames=names,
        source=VideoSource(path, tuple(int(name) - 1 for name in names)),
        masks=InstanceMasks(root / "text_annotations" / "a2d_annotation_with_instances" / video_id, names, object_id),
    )


def _instances(folder: Path, row: Entry) -> dict[str, list[int]]:
    """Which instances each annotated frame of a video has, in temporal order."""
    if not folder.is_dir():
        row.fail(f"the folder of its masks is missing: {folder}")
    there: dict[str, list[int]] = {}
    for name, file in find_files(folder, MASK_FILES).items():
        with separately():
            if not name.isdecimal() or int(name) < 1:
                raise InputError(f"{file}: a mask file must be named by its frame, counted from 1")
            there[name] = _read_h5(file, lambda file: np.ravel(file["instance"]).tolist())
    return there


@dataclass(frozen=True)
class InstanceMasks:
    """Masks of one instance in A2D-Sentences' HDF5 files; a `MaskSource`.

    Attributes:
        folder: Where `<name>.h5` are; see `find_files`.
        names: One name per frame of the referral.
        instance: Which instance.
    """

    folder: Path
    names: tuple[str, ...]
    instance: int

    def read(self, positions: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """Reads masks, see `MaskSource.read`."""
        found = find_files(self.folder, MASK_FILES)
        names = [self.names[position] for position in positions]
        return np.stack([self._read(found.get(name, self.folder / f"{name}.h5"), size) for name in names])

    def _read(self, path: Path, size: tuple[int, int]) -> np.ndarray:
        instances, masks = _read_h5(path, lambda file: (np.ravel(file["instance"]), np.asarray(file["reMask"])))
        # A single instance comes without the leading axis, and every mask is stored column by column.
        masks = np.moveaxis(masks.reshape(-1, *masks.shape[-2:]), -1, -2)
        if masks.shape[1:] != size:
            raise InputError(
                f"{path}: the mask is {masks.shape[1]}x{masks.shape[2]} pixels, its frame {size[0]}x{size[1]}"
            )
        if len(masks) != len(instances) or self.instance not in instances:
            raise InputError(
                f"{path}: {len(masks)} masks for the instances {instances.tolist()}, {self.instance} wanted"
            )
        return masks[instances.tolist().index(self.instance)] > 0


def _read_h5(path: Path, take: Callable[[dict[str, np.ndarray]], T]) -> T:
    try:
        import h5py
    except ImportError as error:
        raise InputError("A2D-Sentences needs h5py: pip install refsam-zoo[formats]") from error
    try:
        with h5py.File(path) as file:
            return take(file)
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a readable mask file: {' '.join(str(error).split())}") from error
