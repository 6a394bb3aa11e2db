"""What every data set has in common: options, splits, loaders. A data set adds its parser and its defaults."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from typing_extensions import Self

from refsam_zoo.clips.augmentation import Augmentation
from refsam_zoo.clips.clip_sampling import ClipSampling, NeighbourSampling
from refsam_zoo.clips.reading import group_by_video
from refsam_zoo.clips.samplers import TrainingSampler, Unit, VideoSampler
from refsam_zoo.clips.text_blind import mismatch_expressions
from refsam_zoo.errors import InputError
from refsam_zoo.lightning_later import is_lightning_later
from refsam_zoo.number_types import ClipLength, PositiveInt, Seed, Workers
from refsam_zoo.types import Referral
from refsam_zoo.video.readers import Backend, VideoOpener

if TYPE_CHECKING:
    from refsam_zoo.clips.clips import TrainingClips
    from refsam_zoo.clips.loading import ClipLoader, TrainingLoader

if TYPE_CHECKING or not is_lightning_later():
    from lightning.pytorch import LightningDataModule as DataModule
else:

    class _NoDataModule:
        trainer = None

    class DataModule(_NoDataModule):
        """Stands before `LightningDataModule`, whose import takes seconds: annotations are read and scored without."""


def join_lightning() -> None:
    """Makes every data module the `LightningDataModule` that a `Trainer` takes, where that was left for later."""
    from lightning.pytorch import LightningDataModule

    if DataModule is not LightningDataModule:
        DataModule.__bases__ = (LightningDataModule,)


TEXT_BLIND = "text_blind"
ATTEMPTS = 10


@dataclass(frozen=True)
class DataCard:
    """What a reader of the table of data sets wants to know about one; "-" where it is not known or there is none.

    Attributes:
        licence: Of the annotations: an SPDX identifier, or what their authors say.
        size: Of the download, packed.
        videos: Their number in all splits that can be downloaded.
        sentences: Likewise.
        train: What serves for training.
        evaluation: What serves for validation and, behind a semicolon where it is something else, for test.
        prediction: What serves for prediction.
    """

    licence: str = "-"
    size: str = "-"
    videos: str = "-"
    sentences: str = "-"
    train: str = "train"
    evaluation: str = "valid"
    prediction: str = "valid"


class ReferringDataModule(DataModule):
    """Referring video object segmentation data.

    Training loaders give random clips as `ClipBatch`es. Evaluation loaders give whole videos as consecutive windows
    with every expression, one window per batch; in several processes each gets whole videos.

    Args:
        root: Folder of the data set.
        clip_frames: Frames per training clip; a list has a number for each epoch, its last for all that follow, since a
            model is cheaper to start on single frames.
        expressions_per_clip: Sentences asked about a training clip; its frames are encoded once for all of them.
        batch_size: Training clips per batch and process.
        workers: Worker processes per loader.
        clip_sampling: How the frames of a clip are picked; the paper's rule if not given.
        augmentation: Changes training clips; none if not given.
        unit: What a pass over the training data visits once: each `video` (sentences and frames are drawn), each
            `expression`, or each (expression, `frame`) pair as in the official code.
        epoch_length: Clips per training epoch over all processes; one pass if not given.
        window: Most frames in an evaluation window.
        seed: Decides order, frames, sentences and augmentation, whatever the number of workers.
        text_blind: Whether testing repeats the main subset with sentences of other videos as a control.
        on_bad_sample: Whether a missing or damaged file stops training, or costs one sample and one warning (at most
            100 different ones). Evaluation always stops, since a score over less would be another number.
        video_backend: Decoder of video files: `auto`, `decord`, `torchcodec` or `pyav`.
        all_objects: Whether training clips also have the masks of every annotated object, not only of those that a
            sentence is about; a tracker such as `candidate_tracks` learns from them.

    Attributes:
        subset_names: Name of each test loader: the main subset, hard tests, and `text_blind`.
    """

    title: ClassVar[str]
    """Its name as papers write it."""
    page: ClassVar[str]
    """Its page in `docs/data`."""
    card: ClassVar[DataCard]
    """Facts about it, for the table of data sets."""
    how_to_get: ClassVar[str] = "see the documentation of the data set"
    protocols: ClassVar[tuple[str, ...]] = ()
    """Protocols that ask for its expressions; papers report the first."""
    contains: ClassVar[tuple[type[ReferringDataModule], ...]] = ()
    """Data sets whose layout its tree has as well: where both could be meant, it is this one."""

    def __init__(
        self,
        root: str | Path,
        clip_frames: ClipLength | list[ClipLength] = 3,
        expressions_per_clip: PositiveInt = 1,
        batch_size: PositiveInt = 1,
        workers: Workers = 2,
        clip_sampling: ClipSampling | None = None,
        augmentation: Augmentation | None = None,
        unit: Unit = "video",
        epoch_length: PositiveInt | None = None,
        window: PositiveInt = 8,
        seed: Seed = 0,
        text_blind: bool = True,
        on_bad_sample: Literal["raise", "skip"] = "raise",
        video_backend: Backend = "auto",
        all_objects: bool = False,
    ) -> None:
        super().__init__()
        frames_per_epoch = [clip_frames] if isinstance(clip_frames, int) else clip_frames
        counts = {
            "clip_frames": min(frames_per_epoch, default=0),
            "expressions_per_clip": expressions_per_clip,
            "batch_size": batch_size,
            "window": window,
            "epoch_length": 1 if epoch_length is None else epoch_length,
        }
        for name, count in counts.items():
            if count < 1:
                raise InputError(f"{name} must be at least 1, not {count}")
        self.root = Path(root)
        self.clip_frames = tuple(frames_per_epoch)
        self.expressions_per_clip = expressions_per_clip
        self.batch_size = batch_size
        self.workers = workers
        self.clip_sampling = clip_sampling or NeighbourSampling()
        self.augmentation = augmentation
        self.unit: Unit = unit
        self.epoch_length = epoch_length
        self.window = window
        self.seed = seed
        self.text_blind = text_blind
        self.on_bad_sample = on_bad_sample
        self.opener = VideoOpener(video_backend)
        self.all_objects = all_objects
        self.subset_names: list[str] = []
        self._referrals: dict[str, list[Referral]] = {}

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """Tells what a folder holds from the names of its files alone.

        Args:
            root: Any folder.

        Returns:
            Name of each split that is there -> its parser; empty where the tree is not that of this data set.
        """
        return {}

    @classmethod
    def of_folder(cls, root: str | Path) -> Self:
        """Makes one with the default options, or those that fit what the folder holds."""
        return cls(root, text_blind=False)

    @classmethod
    def protocol_of(cls, root: str | Path, split: str) -> str | None:
        """Names the protocol that papers report for a split, as `splits` names it; None for one without."""
        return cls.protocols[0] if cls.protocols else None

    @property
    def protocol(self) -> str | None:
        """The protocol that papers report for the data set; None for one without."""
        return self.protocol_of(self.root, "test")

    def referrals(self, role: str) -> list[Referral]:
        """Parses what serves as `train`, `val`, `test` or `predict`, or a hard test of `hard_tests`.

        Raises:
            InputError: An annotation file is missing or wrong.
        """
        raise NotImplementedError

    def hard_tests(self) -> Sequence[str]:
        """Names of further test subsets that are there, empty by default."""
        return ()

    def require_root(self) -> None:
        """Makes sure that the data set is there.

        Raises:
            InputError: The root is missing; says how to get it.
        """
        if not self.root.is_dir():
            raise InputError(f"{self.root}: the data root is missing; {self.how_to_get}")

    def setup(self, stage: str) -> None:
        """Parses the annotation files that a stage needs.

        Args:
            stage: `fit`, `validate`, `test` or `predict`.

        Raises:
            InputError: The root is missing, or an annotation file is missing or wrong.
        """
        self.require_root()
        roles = {"fit": ["train", "val"], "validate": ["val"], "test": ["test"], "predict": ["predict"]}[stage]
        for role in roles:
            self._parse(role, needs_masks=role != "predict")
        if stage == "test":
            hard = [name for name in self.hard_tests() if self._parse(name, needs_masks=True)]
            self.subset_names = ["test", *hard, *self._add_control()]

    def train_dataloader(self) -> TrainingLoader:
        """Random clips."""
        from refsam_zoo.clips.loading import TrainingLoader, feeds_gpu, overfits

        clips = self.training_clips()
        length, repeats = self.epoch_length or len(clips), overfits(self.trainer)
        sampler = TrainingSampler(len(clips), length, self.seed, *self.process(), repeats=repeats)
        return TrainingLoader(clips, sampler, self.batch_size, self.workers, feeds_gpu(self.trainer))

    def training_clips(self) -> TrainingClips:
        """What the training loader draws from, after `setup("fit")`."""
        from refsam_zoo.clips.clips import TrainingClips

        return TrainingClips(
            group_by_video(self._referrals["train"]),
            self.opener,
            unit=self.unit,
            frames=self.clip_frames,
            expressions=self.expressions_per_clip,
            sampling=self.clip_sampling,
            augmentation=self.augmentation,
            seed=self.seed,
            attempts=ATTEMPTS if self.on_bad_sample == "skip" else 1,
            all_objects=self.all_objects,
        )

    def val_dataloader(self) -> ClipLoader:
        """Windows of the validation videos."""
        return self._evaluation_loader("val")

    def test_dataloader(self) -> list[ClipLoader]:
        """Windows of each test subset, in the order of `subset_names`."""
        return [self._evaluation_loader(name) for name in self.subset_names]

    def predict_dataloader(self) -> ClipLoader:
        """Windows of the videos to predict, without ground truth where there is none."""
        return self._evaluation_loader("predict")

    def _parse(self, role: str, needs_masks: bool) -> list[Referral]:
        found = self.referrals(role)
        if not found:
            raise InputError(f"{self.root}: no expressions for {role}")
        unknown = [referral for referral in found if referral.masks is None]
        if needs_masks and unknown:
            which = f"{len(unknown)} of {len(found)} expressions have none, the first: "
            which += f"{unknown[0].expression_id} of video '{unknown[0].video_id}'"
            raise InputError(f"{self.root}: {role} needs ground-truth masks, but {which}")
        if role == "train" and any(referral.scored is not None for referral in found):
            raise InputError(f"{self.root}: train needs ground truth of every frame, but only some frames have it")
        self._referrals[role] = found
        return found

    def _add_control(self) -> list[str]:
        if not self.text_blind:
            return []
        try:
            self._referrals[TEXT_BLIND] = mismatch_expressions(self._referrals["test"], self.seed)
        except InputError as error:
            warnings.warn(str(error), stacklevel=2)
            return []
        return [TEXT_BLIND]

    def _evaluation_loader(self, role: str) -> ClipLoader:
        from refsam_zoo.clips.clips import EvaluationWindows
        from refsam_zoo.clips.loading import ClipLoader, feeds_gpu

        dataset = EvaluationWindows(group_by_video(self._referrals[role]), self.opener, self.window)
        sampler = VideoSampler(dataset.windows_per_video, *self.process())
        return ClipLoader(dataset, sampler, workers=self.workers, pinned=feeds_gpu(self.trainer))

    def process(self) -> tuple[int, int]:
        """Number of this process and of all processes."""
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size
