"""InterRVOS-127K: sentences about interactions, with masks of who acts and of whom or what it is done to.

Download it from the hub (wooj0216/InterRVOS-127K), to

    InterRVOS/{train,val}/{meta_expressions.json, mask_dict.json, JPEGImages/<video>/<frame>.jpg}

or with the names that its evaluator looks for, `new_meta_expressions.json` and `new_mask_dict.json`.

An expression has `exp`, `caption_type` and `subject/object`: `obj_id` and `anno_id`, each with the lists `subject`
(the actor) and `object` (the target, empty or null where there is none).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from refsam_zoo.annotations.files import Entry
from refsam_zoo.annotations.meta_expressions import FrameFolders, parse_meta_expressions, unpacked
from refsam_zoo.data_modules.base import DataCard, ReferringDataModule
from refsam_zoo.data_modules.lv_vis import LVVIS
from refsam_zoo.data_modules.mevis import MaskDict
from refsam_zoo.types import Referral

Role = Literal["actor", "target"]
ROLES: Mapping[Role, str] = {"actor": "subject", "target": "object"}
"""Role in an interaction -> its key."""


class InterRVOS(ReferringDataModule):
    """InterRVOS-127K; validation, test and prediction use its val split.

    Args:
        root: Folder of the data set.
        role: Whose mask is wanted: that of the `actor`, or of the `target` in the sentences that have one, asked with
            the same words. `test` scores the targets as a further subset.
        **kwargs: Options of `ReferringDataModule`.
    """

    title = "InterRVOS-127K"
    page = "inter_rvos.md"
    card = DataCard(sentences="127 000", evaluation="val", prediction="val")
    how_to_get = "download wooj0216/InterRVOS-127K from the hub"
    protocols = ("inter_rvos",)
    contains = (LVVIS,)

    def __init__(self, root: str | Path, role: Role = "actor", **kwargs: Any) -> None:
        root = Path(root)
        super().__init__(root, **kwargs)
        self.role: Role = role

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`; actors and targets apart. A tree with `train` alone counts as LV-VIS."""
        root = Path(root)
        there = [name for name in ("train", "val") if _file(root / name, "meta_expressions.json").is_file()]
        if "val" not in there:
            return {}
        return {f"{name} {role}": partial(parse_inter_rvos, root, name, role) for name in there for role in ROLES}

    def hard_tests(self) -> Sequence[str]:
        """See `ReferringDataModule.hard_tests`."""
        return ["target"] if self.role == "actor" else []

    def referrals(self, role: str) -> list[Referral]:
        """Parses the train or the val split; `target` gives the targets of val."""
        asked: Role = "target" if role == "target" else self.role
        return parse_inter_rvos(self.root, "train" if role == "train" else "val", asked)


def parse_inter_rvos(root: str | Path, split: str, role: Role = "actor") -> list[Referral]:
    """Reads the sentences of a split with the masks of one role, without those that have nobody in it.

    The kind of a sentence (`caption_type`) becomes the tag `type`.

    Raises:
        InputError: An annotation file is missing or wrong, or a video or frame it names is missing.
    """
    folder = Path(root) / split
    pictures, objects = FrameFolders(unpacked(folder / "JPEGImages")), MaskDict(_file(folder, "mask_dict.json"))
    complete = partial(_complete, objects, ROLES[role])
    found = parse_meta_expressions(_file(folder, "meta_expressions.json"), pictures, complete)
    return [referral for referral in found if referral.object_ids]


def _complete(objects: MaskDict, key: str, entry: Entry, referral: Referral) -> Referral:
    roles, kind = entry["subject/object"], entry.get("caption_type")
    named, annotated = (roles[ids][key] for ids in ("obj_id", "anno_id"))
    if named.value is None or annotated.value is None:
        return referral
    return replace(
        referral,
        object_ids=tuple(number.integer() for number in named.list()),
        masks=objects.union(annotated, len(referral.frames)),
        tags={} if kind is None else {"type": kind.text()},
    )


def _file(folder: Path, name: str) -> Path:
    """A file by its name, or else by that which the evaluator looks for."""
    other = folder / f"new_{name}"
    return other if other.is_file() and not (folder / name).is_file() else folder / name
