"""Ref-YouTube-VOS, and every data set written in its layout.

Download the videos and the sentences after registration at youtube-vos.org (referring track) and unpack them to

    ref-youtube-vos/train/JPEGImages/<video>/<frame>.jpg
    ref-youtube-vos/train/Annotations/<video>/<frame>.png       palette PNG, pixel = object id
    ref-youtube-vos/{valid,test}/JPEGImages/<video>/<frame>.jpg
    ref-youtube-vos/meta_expressions/{train,valid,test}/meta_expressions.json
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from refsam_zoo.annotations.files import Entry, read_json, separately
from refsam_zoo.data_modules.base import DataCard
from refsam_zoo.data_modules.holdout import HoldoutDataModule
from refsam_zoo.file_names import find_files, natural_order
from refsam_zoo.types import Referral, VideoSource
from refsam_zoo.video.masks import PaletteMasks

LARGEST_OBJECT_ID = 255


class ReferYouTubeVOS(HoldoutDataModule):
    """Ref-YouTube-VOS.

    The ground truth of its "valid" and "test" splits is not public. Validation and test therefore score a holdout of
    training videos, chosen by a hash of their names; never call such a number a result on "valid". Prediction writes
    masks for the 202 videos of "valid", those that "test" does not list as well, to be sent to the server.

    Options are those of `HoldoutDataModule`.
    """

    title = "Ref-YouTube-VOS"
    page = "refer_youtube_vos.md"
    card = DataCard("-", "-", "3978", "15 009", "train less a holdout", "the holdout")
    how_to_get = "Ref-YouTube-VOS is available after registration at https://youtube-vos.org (track: referring)"
    protocols = ("ref_youtube_vos",)

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`."""
        root = Path(root)
        return layout_splits(root, ("train", "valid", "test"))

    def referrals(self, role: str) -> list[Referral]:
        """Parses what serves as `train`, `val`, `test` (both the holdout) or `predict` ("valid")."""
        if role == "predict":
            return self._valid()
        found = parse_refer_youtube_vos(self.root, "train")
        return self.train_share(found) if role == "train" else self.held_out_share(found)

    def _valid(self) -> list[Referral]:
        found = parse_refer_youtube_vos(self.root, "valid")
        test = expressions_file(self.root, "test")
        hidden = read_json(test)["videos"].mapping() if test.is_file() else {}
        return [referral for referral in found if referral.video_id not in hidden]


def expressions_file(root: Path, split: str) -> Path:
    """Where the sentences of a split are."""
    return root / "meta_expressions" / split / "meta_expressions.json"


def layout_splits(root: Path, names: Sequence[str]) -> dict[str, Callable[[], list[Referral]]]:
    """The splits of these names that have an `expressions_file`, with their parsers."""
    there = [name for name in names if expressions_file(root, name).is_file()]
    return {name: partial(parse_refer_youtube_vos, root, name) for name in there}


def parse_refer_youtube_vos(root: str | Path, split: str) -> list[Referral]:
    """Reads the sentences of a split.

    Besides the official keys, an expression may have `obj_ids`, a list of object ids (empty for an absent target), in
    the place of `obj_id`, and a `kind`, which becomes a tag.

    Args:
        root: Folder with `meta_expressions/<split>/meta_expressions.json` and
            `<split>/{JPEGImages,Annotations}/<video>/<frame>.{jpg,png}`.
        split: `train`, `valid`, `test` or another one in this layout.

    Returns:
        One referral per sentence, in the order of the file; without masks where no object is named.

    Raises:
        InputError: The file is missing or wrong, or a video or frame it names is missing.
    """
    root = Path(root)
    found: list[Referral] = []
    for video_id, video in read_json(expressions_file(root, split))["videos"].items():
        with separately():
            found += parse_video(root / split, video_id, video)
    return found


def parse_video(folder: Path, video_id: str, video: Entry) -> list[Referral]:
    """Reads the sentences about one video.

    Args:
        folder: Folder with `JPEGImages` and `Annotations`.
        video_id: Name of the video.
        video: Entry with `frames` and `expressions`.
    """
    Entry(video_id, video.file, video.key).name()
    frames = tuple(sorted(parse_frames(video), key=natural_order))
    pictures = folder / "JPEGImages" / video_id
    check_frames(video, pictures, frames)
    masks = folder / "Annotations" / video_id
    found: list[Referral] = []
    for expression_id, expression in video["expressions"].items():
        with separately():
            found.append(_parse_expression(expression_id, expression, video_id, frames, pictures, masks))
    return found


def _parse_expression(
    expression_id: str, entry: Entry, video_id: str, frames: tuple[str, ...], pictures: Path, annotations: Path
) -> Referral:
    Entry(expression_id, entry.file, entry.key).name()
    object_ids = _object_ids(entry)
    kind = entry.get("kind")
    return Referral(
        video_id=video_id,
        expression_id=expression_id,
        expression=entry["exp"].text(),
        object_ids=object_ids or (),
        frames=frames,
        source=VideoSource(pictures),
        masks=None if object_ids is None else PaletteMasks(annotations, frames, object_ids),
        tags={} if kind is None else {"kind": kind.text()},
    )


def _object_ids(entry: Entry) -> tuple[int, ...] | None:
    several, one = entry.get("obj_ids"), entry.get("obj_id")
    if several is not None:
        return tuple(number.integer(1, LARGEST_OBJECT_ID) for number in several.list())
    return None if one is None else (one.integer(1, LARGEST_OBJECT_ID),)


def parse_frames(video: Entry) -> tuple[str, ...]:
    """Reads the names of a video's `frames`, at least one and none twice."""
    frames = tuple(frame.name() for frame in video["frames"].list())
    if not frames:
        video.fail("the list of its frames is empty")
    if len(set(frames)) < len(frames):
        video.fail("a frame is listed twice")
    return frames


def check_frames(video: Entry, pictures: Path, frames: Sequence[str]) -> None:
    """Makes sure that the pictures of a video's frames exist.

    Args:
        video: Entry to name in the error.
        pictures: Folder of `<frame>.jpg` or other pictures, see `find_files`.
        frames: Names to find there.
    """
    if not pictures.is_dir():
        video.fail(f"its folder of frames is missing: {pictures}")
    there = find_files(pictures)
    for frame in frames:
        if frame not in there:
            with separately():
                video.fail(f"frame {frame} is missing in {pictures}")
