"""Ref-YouTube-VOS, and every data set written in its layout.

Download the videos and the sentences after registration at youtube-vos.org (referring track) and unpack them to

    ref-youtube-vos/train/JPEGImages/<video>/<frame>.jpg
    ref-youtube-vos/train/Annotations/<video>/<frame>.png       palette PNG, pixel = object id
    ref-youtube-vos/{valid,test}/JPEGImages/<video>/<frame>.jpg
    ref-youtube-vos/meta_expressions/{train,valid,test}/meta_expressions.json

The organisers publish no masks of valid. Who has some puts them where the local evaluators of the field look:

    ref-youtube-vos/valid/Annotations/<video>/<expression>/<frame>.png    above 128 is the object; of some frames or all
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from refsam_zoo.annotations.files import Entry, read_json
from refsam_zoo.annotations.meta_expressions import FrameFolders, parse_meta_expressions
from refsam_zoo.data_modules.base import DataCard
from refsam_zoo.data_modules.holdout import HoldoutDataModule
from refsam_zoo.types import Referral
from refsam_zoo.video.masks import BinaryMasks, PaletteMasks

LARGEST_OBJECT_ID = 255
LOCAL_LEVEL = 128
"""Pixels above it are the object in the pictures of valid that local evaluators read."""


class ReferYouTubeVOS(HoldoutDataModule):
    """Ref-YouTube-VOS.

    The ground truth of its "valid" and "test" splits is not public. Validation and test therefore score a holdout of
    training videos, chosen by a hash of their names; never call such a number a result on "valid". Prediction writes
    masks for the 202 videos of "valid", those that "test" does not list as well, to be sent to the server. Where masks
    of these are there, "valid" is a further test.

    Options are those of `HoldoutDataModule`.
    """

    title = "Ref-YouTube-VOS"
    page = "refer_youtube_vos.md"
    card = DataCard(
        videos="3978", sentences="15 009", train="train less a holdout", evaluation="the holdout; valid with masks"
    )
    how_to_get = "Ref-YouTube-VOS is available after registration at https://youtube-vos.org (track: referring)"
    protocols = ("ref_youtube_vos",)

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`."""
        root = Path(root)
        return layout_splits(root, ("train", "valid", "test"))

    def hard_tests(self) -> Sequence[str]:
        """See `ReferringDataModule.hard_tests`; "valid" where it has masks of expressions."""
        return ["valid"] if has_local_truth(self.root) else []

    def referrals(self, role: str) -> list[Referral]:
        """Parses what serves as `train`, `val`, `test` (both the holdout), `predict` or `valid` (both "valid")."""
        if role in ("predict", "valid"):
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


def has_local_truth(root: Path) -> bool:
    """Whether valid has folders of masks for its expressions."""
    return any(path.is_dir() for path in (root / "valid" / "Annotations").glob("*/*"))


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
        One referral per sentence, in the order of the file. One that names no object has the masks of its own folder
        below `Annotations/<video>`, or else none.

    Raises:
        InputError: The file is missing or wrong, or a video or frame it names is missing.
    """
    folder = Path(root) / split
    complete = partial(_complete, folder / "Annotations")
    return parse_meta_expressions(expressions_file(Path(root), split), FrameFolders(folder / "JPEGImages"), complete)


def _complete(annotations: Path, entry: Entry, referral: Referral) -> Referral:
    object_ids, kind = _object_ids(entry), entry.get("kind")
    tagged = replace(referral, tags={} if kind is None else {"kind": kind.text()})
    folder = annotations / referral.video_id
    if object_ids is not None:
        return replace(tagged, object_ids=object_ids, masks=PaletteMasks(folder, referral.frames, object_ids))
    masks = BinaryMasks(folder / referral.expression_id, referral.frames, LOCAL_LEVEL)
    # its id is not in the file, but every sentence of Ref-YouTube-VOS is about one object
    return replace(tagged, object_ids=(1,), masks=masks, scored=masks.there()) if masks.folder.is_dir() else tagged


def _object_ids(entry: Entry) -> tuple[int, ...] | None:
    several, one = entry.get("obj_ids"), entry.get("obj_id")
    if several is not None:
        return tuple(number.integer(1, LARGEST_OBJECT_ID) for number in several.list())
    return None if one is None else (one.integer(1, LARGEST_OBJECT_ID),)
