"""Which item of a data set comes when, in one process or several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

Unit = Literal["video", "expression", "frame"]
"""What a pass over the training data visits once."""


class Draw(NamedTuple):
    """One training clip to make. Its chance depends on (seed, epoch, position) alone, not on workers or processes."""

    epoch: int
    position: int
    item: int


class TrainingSampler:
    """Shuffled items, the same order for every number of processes; each process takes every world-th.

    Args:
        items: Items in the data set.
        length: Items in an epoch; more than `items` goes on with another permutation.
        seed: Decides the order together with the epoch.
        rank: Number of this process.
        world: Number of processes; the last round is filled up from the start of the epoch.
        repeats: Whether every epoch draws what the first one does, clips cut and changed alike: for overfitting.

    Attributes:
        epoch: The epoch that the next iteration goes through.
        start: Draws of this process that the next iteration leaves out, for resuming; 0 again afterwards.
    """

    def __init__(
        self, items: int, length: int, seed: int, rank: int = 0, world: int = 1, repeats: bool = False
    ) -> None:
        self.items = items
        self.length = length
        self.seed = seed
        self.rank = rank
        self.world = world
        self.repeats = repeats
        self.epoch = 0
        self.start = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch; Lightning calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.length // self.world)

    def __iter__(self) -> Iterator[Draw]:
        epoch = 0 if self.repeats else self.epoch
        order = self._order(np.random.default_rng((self.seed, epoch)))
        start, self.start = self.start, 0
        for position in range(self.rank + start * self.world, len(self) * self.world, self.world):
            yield Draw(epoch, position, int(order[position % self.length]))

    def _order(self, rng: np.random.Generator) -> np.ndarray:
        return rounds(self.items, self.length, rng)


class MixingSampler(TrainingSampler):
    """Draws of several data sets in a random order, in proportion to their weights.

    Within a data set no item comes twice before each has come once.

    Args:
        sizes: Items in each data set; the items of the second follow those of the first, and so on.
        weights: Share of the draws of each, in any unit.
        length: Items in an epoch.
        seed: Decides the order together with the epoch.
        rank: Number of this process.
        world: Number of processes.
        repeats: Whether every epoch draws what the first one does.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        weights: Sequence[float],
        length: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        repeats: bool = False,
    ) -> None:
        super().__init__(sum(sizes), length, seed, rank, world, repeats)
        self.sizes = sizes
        self.weights = np.asarray(weights, dtype=float) / sum(weights)

    def _order(self, rng: np.random.Generator) -> np.ndarray:
        turn = rng.choice(len(self.sizes), size=self.length, p=self.weights)
        first = np.cumsum([0, *self.sizes])
        order = np.empty(self.length, dtype=np.int64)
        for number, size in enumerate(self.sizes):
            mine = turn == number
            order[mine] = first[number] + rounds(size, int(mine.sum()), rng)
        return order


def rounds(items: int, length: int, rng: np.random.Generator) -> np.ndarray:
    """As many permutations of `items` as it takes, one after the other, cut to `length`: int64 `[length]`."""
    count = -(-length // items)
    return np.concatenate([np.empty(0, np.int64), *(rng.permutation(items) for _ in range(count))])[:length]


class Window(NamedTuple):
    """One evaluation window to read."""

    item: int
    repeated: bool


class VideoSampler:
    """Whole videos in order for each process, the same number of steps in all of them.

    A process whose share is shorter repeats its last window, marked `repeated`, so that collective operations in a
    step meet; repeated windows are never scored or written.

    Args:
        windows: Number of windows of each video; windows of one video are consecutive items.
        rank: Number of this process.
        world: Number of processes.
    """

    def __init__(self, windows: Sequence[int], rank: int = 0, world: int = 1) -> None:
        first = np.cumsum([0, *windows])
        shares: list[list[int]] = [[] for _ in range(world)]
        for video in sorted(range(len(windows)), key=lambda video: -windows[video]):
            min(shares, key=len).extend(range(first[video], first[video + 1]))
        self._share = sorted(shares[rank])
        self._steps = max(len(share) for share in shares)

    def __len__(self) -> int:
        return self._steps

    def __iter__(self) -> Iterator[Window]:
        for item in self._share:
            yield Window(item, repeated=False)
        last = self._share[-1] if self._share else 0
        for _ in range(self._steps - len(self._share)):
            yield Window(last, repeated=True)
