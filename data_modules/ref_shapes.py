"""RefShapes: the generated data set on which any machine can see a model learn."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from refsam_zoo.data_modules.base import DataCard, ReferringDataModule
from refsam_zoo.data_modules.refer_youtube_vos import (
    ReferYouTubeVOS,
    expressions_file,
    layout_splits,
    parse_refer_youtube_vos,
)
from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.synthesis import SPLITS, SynthesisOptions, synthesize
from refsam_zoo.synthesis.dataset import RECORD
from refsam_zoo.types import Referral, VideoSource

MAIN_SPLITS = ("train", "val", "test")


class RefShapes(ReferringDataModule):
    """RefShapes, generated on first use.

    Args:
        synthesis: What to generate where the root is missing; a root that holds something else is an error. If not
            given, an existing root is taken as it is and a missing one is generated with the defaults.
        kinds: Kinds of expressions to train, validate and test on, for instance `attribute`; all if not given. The
            hard tests always have all of theirs.
        frames_from: Whether to read the JPEG frames or the video files, which differ by their compression.
        **kwargs: See `ReferringDataModule`.
    """

    title = "RefShapes"
    page = "ref_shapes.md"
    card = DataCard(licence="generated", evaluation="val; test and hard tests", prediction="test")
    how_to_get = "refsam-zoo synthesize writes it"
    protocols = ("ref_shapes",)
    contains = (ReferYouTubeVOS,)

    def __init__(
        self,
        root: str | Path,
        synthesis: SynthesisOptions | None = None,
        kinds: list[str] | None = None,
        frames_from: Literal["jpeg", "mp4"] = "jpeg",
        **kwargs: Any,
    ) -> None:
        root = Path(root)
        super().__init__(root, **kwargs)
        self.synthesis = synthesis
        self.kinds = kinds
        self.frames_from = frames_from

    def prepare_data(self) -> None:
        """Generates the data set; Lightning calls it in one process per machine."""
        if self.synthesis is not None or not self.root.exists():
            # nothing else runs yet: every core, not only as many as there are loader workers
            synthesize(self.root, self.synthesis or SynthesisOptions(), workers=os.cpu_count() or 1)

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`."""
        root = Path(root)
        return layout_splits(root, SPLITS) if (root / RECORD).is_file() else {}

    def hard_tests(self) -> Sequence[str]:
        """The hard tests that were generated."""
        return [split for split in SPLITS if split not in MAIN_SPLITS and expressions_file(self.root, split).is_file()]

    def referrals(self, role: str) -> list[Referral]:
        """Parses a split; `predict` gives `test`."""
        split = "test" if role == "predict" else role
        found = parse_refer_youtube_vos(self.root, split)
        if self.kinds is not None and split in MAIN_SPLITS:
            found = self._of_kinds(found, self.kinds)
        if self.frames_from == "mp4":
            found = [self._from_video_file(split, referral) for referral in found]
        return found

    def _of_kinds(self, referrals: list[Referral], kinds: list[str]) -> list[Referral]:
        there = {referral.tags.get("kind", "none") for referral in referrals}
        for kind in kinds:
            if kind not in there:
                raise InputError(f"{self.root}: no expressions of kind '{kind}'{nearest_name(kind, there)}")
        return [referral for referral in referrals if referral.tags.get("kind") in kinds]

    def _from_video_file(self, split: str, referral: Referral) -> Referral:
        path = self.root / split / "Videos" / f"{referral.video_id}.mp4"
        if not path.is_file():
            raise InputError(f"{path}: the video file is missing; generate with mp4 = all, or set frames_from: jpeg")
        return replace(referral, source=VideoSource(path))
