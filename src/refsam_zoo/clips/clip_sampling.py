"""Which frames of a video make a training clip."""

from __future__ import annotations

import numpy as np

from refsam_zoo.number_types import PositiveInt


class ClipSampling:
    """A rule that picks the frames of a clip around an anchor frame.

    No frame comes twice unless the video has fewer frames than the clip.
    """

    def sample(self, anchor: int, length: int, frames: int, rng: np.random.Generator) -> list[int]:
        """Picks frames.

        Args:
            anchor: A position that should be in the clip, from 0 to `length - 1`.
            length: Frames in the video, at least 1.
            frames: Frames in the clip, at least 1.
            rng: The only source of chance.

        Returns:
            `frames` ascending positions.
        """
        if frames >= length:
            return stretch(length, frames)
        return sorted(self.choose(anchor, length, frames, rng))

    def choose(self, anchor: int, length: int, frames: int, rng: np.random.Generator) -> list[int]:
        """Picks distinct positions in any order where the video is longer than the clip; see `sample`."""
        raise NotImplementedError


class NeighbourSampling(ClipSampling):
    """The paper's rule (as in ReferFormer): the anchor t, one of t-1..t-reach and one of t+1..t+reach.

    Where a neighbour falls off the video, and where a clip has more than three frames, other frames of the video are
    drawn at random.

    Args:
        reach: Largest distance of a neighbour, in annotated frames.
    """

    def __init__(self, reach: PositiveInt = 3) -> None:
        self.reach = reach

    def choose(self, anchor: int, length: int, frames: int, rng: np.random.Generator) -> list[int]:
        """See `ClipSampling.choose`."""
        before, after = rng.integers(1, self.reach + 1, size=2).tolist()
        neighbours = rng.permutation([max(0, anchor - before), min(length - 1, anchor + after)]).tolist()
        chosen = list(dict.fromkeys([anchor, *neighbours]))[:frames]
        others = [position for position in range(length) if position not in chosen]
        return chosen + rng.permutation(others)[: frames - len(chosen)].tolist()


class UniformSampling(ClipSampling):
    """Frames spread evenly over the whole video: one drawn at random from each of as many equal parts.

    The anchor replaces the frame of its own part.
    """

    def choose(self, anchor: int, length: int, frames: int, rng: np.random.Generator) -> list[int]:
        """See `ClipSampling.choose`."""
        edges = np.arange(frames + 1) * length // frames
        chosen = rng.integers(edges[:-1], edges[1:])
        chosen[np.searchsorted(edges, anchor, side="right") - 1] = anchor
        return chosen.tolist()


class ConsecutiveSampling(ClipSampling):
    """Frames at a fixed distance, densely by default, the anchor at a random place among them.

    Args:
        stride: Distance in annotated frames; shortened where the video cannot hold it.
    """

    def __init__(self, stride: PositiveInt = 1) -> None:
        self.stride = stride

    def choose(self, anchor: int, length: int, frames: int, rng: np.random.Generator) -> list[int]:
        """See `ClipSampling.choose`."""
        stride = max(1, min(self.stride, (length - 1) // max(1, frames - 1)))
        reach = (frames - 1) * stride
        starts = [anchor - place * stride for place in range(frames)]
        fitting = [start for start in starts if 0 <= start <= length - 1 - reach]
        # Near a border of a hardly longer video no grid through the anchor may fit; the nearest one does.
        start = int(rng.choice(fitting)) if fitting else min(max(0, anchor - reach), length - 1 - reach)
        return list(range(start, start + reach + 1, stride))


class WholeVideoSampling(ClipSampling):
    """Every frame of the video, whatever the length of a clip is said to be; for batches of a single clip."""

    def sample(self, anchor: int, length: int, frames: int, rng: np.random.Generator) -> list[int]:
        """Gives all positions, see `ClipSampling.sample`."""
        return list(range(length))


def stretch(length: int, frames: int) -> list[int]:
    """Every frame of a video that is too short, repeated as evenly as possible: ascending `frames` positions."""
    return (np.arange(frames) * length // frames).tolist()
