"""Several data sets in one run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from refsam_zoo.clips.samplers import MixingSampler
from refsam_zoo.data_modules.base import DataCard, DataModule, ReferringDataModule
from refsam_zoo.errors import InputError
from refsam_zoo.number_types import PositiveFloat, PositiveInt, Seed, Workers
from refsam_zoo.types import Referral

if TYPE_CHECKING:
    from refsam_zoo.clips.loading import ClipLoader, TrainingLoader


class Mixture(DataModule):
    """Trains on several data sets at once and evaluates on the first of them.

    Each part keeps its own clips, augmentation and treatment of bad samples; batches mix them.

    Args:
        parts: The data sets; all with the same `clip_frames`.
        weights: Share of the clips from each, in any unit; by their numbers of items if not given.
        epoch_length: Clips per epoch over all processes; the items of all parts if not given.
        batch_size: Clips per batch and process.
        workers: Worker processes of the training loader.
        seed: Decides the order.

    Attributes:
        subset_names: Name of each test loader of the first part.
    """

    title = "several at once"
    page = "mixture.md"
    card = DataCard(train="all parts", evaluation="the first part", prediction="the first part")
    protocols = ()

    def __init__(
        self,
        parts: list[ReferringDataModule],
        weights: list[PositiveFloat] | None = None,
        epoch_length: PositiveInt | None = None,
        batch_size: PositiveInt = 1,
        workers: Workers = 2,
        seed: Seed = 0,
    ) -> None:
        super().__init__()
        if not parts:
            raise InputError("a mixture needs at least one part")
        if weights is not None and (len(weights) != len(parts) or min(weights) <= 0):
            raise InputError(f"weights must be {len(parts)} positive numbers, one for each part, not {weights}")
        frames = [part.clip_frames for part in parts]
        if len(set(frames)) > 1:
            raise InputError(f"the parts of a mixture must have the same clip_frames, not {frames}")
        self.parts = parts
        self.weights = weights
        self.epoch_length = epoch_length
        self.batch_size = batch_size
        self.workers = workers
        self.seed = seed

    @property
    def root(self) -> Path:
        """Folder of the first part."""
        return self.parts[0].root

    @property
    def protocol(self) -> str | None:
        """The protocol that papers report for the first part."""
        return self.parts[0].protocol

    def referrals(self, role: str) -> list[Referral]:
        """Parses what serves as `val`, `test` or `predict`, or a hard test, of the first part.

        Raises:
            InputError: As `ReferringDataModule.referrals`.
        """
        return self.parts[0].referrals(role)

    @property
    def subset_names(self) -> list[str]:
        """Name of each test loader, after `setup("test")`."""
        return self.parts[0].subset_names

    def prepare_data(self) -> None:
        """Prepares every part."""
        for part in self.parts:
            part.prepare_data()

    def setup(self, stage: str) -> None:
        """Parses the annotation files of every part for training, otherwise of the first.

        Raises:
            InputError: As `ReferringDataModule.setup`.
        """
        for part in self.parts[: None if stage == "fit" else 1]:
            part.trainer = self.trainer
            part.setup(stage)

    def train_dataloader(self) -> TrainingLoader:
        """Random clips of all parts."""
        from refsam_zoo.clips.clips import MixedClips
        from refsam_zoo.clips.loading import TrainingLoader, feeds_gpu, overfits

        clips = MixedClips([part.training_clips() for part in self.parts])
        sizes = [len(part) for part in clips.parts]
        length, repeats = self.epoch_length or len(clips), overfits(self.trainer)
        process = self.parts[0].process()
        sampler = MixingSampler(sizes, self.weights or sizes, length, self.seed, *process, repeats=repeats)
        return TrainingLoader(clips, sampler, self.batch_size, self.workers, feeds_gpu(self.trainer))

    def val_dataloader(self) -> ClipLoader:
        """Windows of the first part's validation videos."""
        return self.parts[0].val_dataloader()

    def test_dataloader(self) -> Sequence[ClipLoader]:
        """Windows of the first part's test subsets."""
        return self.parts[0].test_dataloader()

    def predict_dataloader(self) -> ClipLoader:
        """Windows of the first part's videos to predict."""
        return self.parts[0].predict_dataloader()
