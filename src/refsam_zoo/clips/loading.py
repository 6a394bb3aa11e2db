"""Loaders: batches out, and one clean line when the input is bad."""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.util import Finalize

from lightning.pytorch import Trainer
from torch.utils.data import DataLoader

from refsam_zoo.clips.clips import Clips, Sample, collate
from refsam_zoo.clips.samplers import TrainingSampler, VideoSampler
from refsam_zoo.errors import InputError
from refsam_zoo.types import ClipBatch

MOST_BAD_SAMPLES = 100


@dataclass
class Delivery:
    """A batch on its way out of a worker, None where a clip could not be made, and all that went wrong on the way."""

    batch: ClipBatch | None
    problems: tuple[str, ...]

    def pin_memory(self) -> Delivery:
        """Pins the batch; see `ClipBatch.pin_memory`."""
        return self if self.batch is None else Delivery(self.batch.pin_memory(), self.problems)

    @staticmethod
    def of(samples: Sequence[Sample]) -> Delivery:
        """Collates samples."""
        clips = [sample.clip for sample in samples if sample.clip is not None]
        problems = tuple(problem for sample in samples for problem in sample.problems)
        try:
            return Delivery(collate(clips) if len(clips) == len(samples) else None, problems)
        except InputError as error:  # raised in a worker, it would come out with a traceback
            return Delivery(None, (*problems, str(error)))


class ClipLoader:
    """Iterates over batches of clips made by worker processes.

    Deliberately not a `DataLoader`: Lightning rebuilds those with samplers of its own, which count some evaluation
    samples twice. An error in a worker reaches the user as the `InputError` it was, not wrapped in a traceback.

    Args:
        dataset: Clips or windows.
        sampler: Decides order and share of this process.
        batch_size: Clips per batch.
        workers: Worker processes; 0 reads in this process.
        persistent: Whether workers live on between epochs.
        pinned: Whether batches are laid out for a GPU to fetch.

    Attributes:
        dataset: As given.
        batch_sampler: Where Lightning finds the sampler whose `set_epoch` it calls.
    """

    def __init__(
        self,
        dataset: Clips,
        sampler: TrainingSampler | VideoSampler,
        batch_size: int = 1,
        workers: int = 0,
        persistent: bool = False,
        pinned: bool = False,
    ) -> None:
        self.dataset = dataset
        self._problems: set[str] = set()
        self._loader: DataLoader[Sample] = DataLoader(
            dataset,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=workers,
            collate_fn=Delivery.of,
            persistent_workers=persistent and workers > 0,
            worker_init_fn=_start_worker,
            pin_memory=pinned,
        )
        self.batch_sampler = self._loader.batch_sampler

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[ClipBatch]:
        delivery: Delivery
        if self._loader.num_workers:
            _end_workers_at_exit()
        try:
            for delivery in self._loader:
                if delivery.batch is None:
                    raise InputError(delivery.problems[-1])
                self._warn(delivery.problems)
                yield delivery.batch
        finally:
            self.dataset.close()

    def _warn(self, problems: Sequence[str]) -> None:
        for problem in problems:
            if problem not in self._problems:
                self._problems.add(problem)
                warnings.warn(f"skipped: {problem} ({len(self._problems)} bad so far)", stacklevel=3)
        if len(self._problems) > MOST_BAD_SAMPLES:
            raise InputError(f"more than {MOST_BAD_SAMPLES} bad samples were skipped, the last one: {problems[-1]}")


class TrainingLoader(ClipLoader):
    """A loader that a checkpoint written in the middle of an epoch resumes with the batch that would have come next.

    Lightning finds `state_dict` and `load_state_dict` by their names. Arguments are those of `ClipLoader`.
    """

    def __init__(
        self, dataset: Clips, sampler: TrainingSampler, batch_size: int = 1, workers: int = 0, pinned: bool = False
    ) -> None:
        super().__init__(dataset, sampler, batch_size, workers, persistent=True, pinned=pinned)
        self._sampler = sampler
        self._batch_size = batch_size
        self._done = 0
        self._resumed: dict[str, int] | None = None

    def __iter__(self) -> Iterator[ClipBatch]:
        # Lightning asks for the iterator before it sets the epoch; as a generator this runs at the first batch.
        self._done = 0
        if self._resumed is not None and self._resumed["epoch"] == self._sampler.epoch:
            self._done = self._resumed["done"]
        self._resumed = None
        self._sampler.start = self._done * self._batch_size
        for batch in super().__iter__():
            self._done += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Says which batches of which epoch are done."""
        return {"epoch": self._sampler.epoch, "done": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Leaves out the batches that are done when the next iteration goes through the same epoch."""
        self._resumed = state


_ends_workers_of: set[int] = set()


def _end_workers_at_exit() -> None:
    """Once per process; `atexit` would not be asked in one that `multiprocessing` has forked, as DDP's are."""
    if os.getpid() not in _ends_workers_of:
        _ends_workers_of.add(os.getpid())
        Finalize(None, _end_workers, exitpriority=100)


def _end_workers() -> None:
    # `multiprocessing`, whose turn is next, asks by a signal that they do not hear, and waits
    for process in multiprocessing.active_children():
        if process.daemon:
            process.kill()


def overfits(trainer: Trainer | None) -> bool:
    """Whether every epoch has the same batches, which Lightning sees to only in loaders of PyTorch's own class."""
    return trainer is not None and bool(trainer.overfit_batches)  # type: ignore[attr-defined]


def feeds_gpu(trainer: Trainer | None) -> bool:
    """Whether batches go to an NVIDIA GPU, which fetches them by itself from pinned memory."""
    return trainer is not None and trainer.strategy.root_device.type == "cuda"


def _start_worker(worker: int) -> None:
    # Ctrl-C and a cluster's SIGTERM reach every process of a run, whose first process still needs its workers: it
    # finishes the step, saves the state and then ends them
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # OpenCV's own threads multiply with the workers and may hang after a fork.
    import cv2

    cv2.setNumThreads(0)
