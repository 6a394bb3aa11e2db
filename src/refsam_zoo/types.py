"""What walks through the house: `Referral` -> `Clip` -> `ClipBatch` -> features -> masks.

Axes, named once: B clips (videos), N expressions over all clips of a batch, T frames, H and W pixels of the original
frames, h and w cells of an image encoder's grid, L text tokens, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:  # referrals are read, counted and scored without PyTorch
    import torch
    from torch import Tensor


class MaskSource(Protocol):
    """Where the ground-truth masks of one referral come from. Implementations are small picklable data classes."""

    def read(self, positions: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """Reads the masks of some frames.

        Args:
            positions: Positions in `Referral.frames`.
            size: Height and width of the video's frames; masks of another size are an `InputError`.

        Returns:
            Masks, bool `[len(positions), H, W]`, in an array of their own that the caller may change.
        """
        ...


@dataclass(frozen=True)
class VideoSource:
    """Where the pixels of a video are.

    Attributes:
        path: A folder of frames (`<frame name>.jpg`, `.png`, ...) or a video file.
        indices: For a video file, the decoder's index of each entry of `Referral.frames`; None means 0, 1, 2, ...
    """

    path: Path
    indices: tuple[int, ...] | None = None

    def __init__(self, path: str | Path, indices: tuple[int, ...] | None = None) -> None:
        object.__setattr__(self, "path", Path(path))
        object.__setattr__(self, "indices", indices)


@dataclass(frozen=True)
class Referral:
    """One sentence about one video: the only thing a data set is turned into.

    Attributes:
        video_id: Name of the video, unique in the data set.
        expression_id: Name of the expression, unique in the video.
        expression: The sentence.
        object_ids: Ids of the objects it names; empty where the target is absent.
        frames: Names of the annotated frames in temporal order.
        source: Where the pixels are.
        masks: Where the ground truth is; None for test sets without one.
        tags: Facts for breakdowns of a result, for instance `{"kind": "motion"}`.
        scored: Positions in `frames` that have ground truth, where it is not there for all: masks are asked for every
            frame and scored on these alone. None means all.
    """

    video_id: str
    expression_id: str
    expression: str
    object_ids: tuple[int, ...]
    frames: tuple[str, ...]
    source: VideoSource
    masks: MaskSource | None = None
    tags: dict[str, str] = field(default_factory=dict)
    scored: tuple[int, ...] | None = None


@dataclass
class Clip:
    """Some frames of one video with E expressions about it.

    Attributes:
        frames: RGB, uint8 `[T, H, W, 3]`.
        frame_names: T names.
        referrals: The E referrals asked about, all of the same video.
        expressions: E sentences; augmentation may have rewritten them (left and right swapped).
        masks: bool `[E, T, H, W]`; None without ground truth.
        objects: Of every annotated object, whether a sentence is about it or not, bool `[O, T, H, W]`; None where
            nobody asked for them.
        first: Whether the clip starts its video (or is a training clip): no track token comes in.
        repeated: Whether the clip only pads a process's share in distributed evaluation; never scored or written.
    """

    frames: np.ndarray
    frame_names: tuple[str, ...]
    referrals: tuple[Referral, ...]
    expressions: tuple[str, ...]
    masks: np.ndarray | None
    first: bool = True
    repeated: bool = False
    objects: np.ndarray | None = None


class ClipBatch:
    """B clips of T frames with N expressions in all.

    Not a data class: Lightning copies those field by field, down to the frozen ones of every referral, to change the
    precision of what is in them. Nothing in here has a precision: frames are bytes until the model normalises them.

    Attributes:
        frames: RGB, uint8 `[B, T, 3, H, W]`, zero-padded at the bottom and right to the largest clip.
        sizes: B pairs of height and width before padding.
        expressions: N sentences.
        clip_index: int64 `[N]`, the clip each expression speaks about, ascending.
        masks: bool `[N, T, H, W]`, padded like the frames; None without ground truth.
        clips: The B clips it was made of, without pixels (`frames` and `masks` emptied), for names and tags.
        objects: Masks of every annotated object of each clip, bool `[O, T, H, W]`, not padded; None where nobody asked
            for them.
    """

    def __init__(
        self,
        frames: Tensor,
        sizes: list[tuple[int, int]],
        expressions: list[str],
        clip_index: Tensor,
        masks: Tensor | None,
        clips: list[Clip],
        objects: list[Tensor] | None = None,
    ) -> None:
        self.frames = frames
        self.sizes = sizes
        self.expressions = expressions
        self.clip_index = clip_index
        self.masks = masks
        self.clips = clips
        self.objects = objects

    def to(self, device: torch.device) -> ClipBatch:
        """Moves masks and index; Lightning calls it.

        The frames stay until an image encoder takes them: a feature cache looks at their bytes first, and needs none
        moved that it knows.
        """
        return self._laid_out(self.frames, lambda part: to_device(part, device))

    def pin_memory(self) -> ClipBatch:
        """Lays the tensors out so that a GPU fetches them by itself; a `DataLoader` that pins calls it."""
        return self._laid_out(self.frames.pin_memory(), lambda part: part.pin_memory())

    def _laid_out(self, frames: Tensor, change: Callable[[Tensor], Tensor]) -> ClipBatch:
        masks = None if self.masks is None else change(self.masks)
        objects = None if self.objects is None else [change(part) for part in self.objects]
        return ClipBatch(frames, self.sizes, self.expressions, change(self.clip_index), masks, self.clips, objects)

    def expression_sizes(self) -> list[tuple[int, int]]:
        """Gives the size of the clip of each of the N expressions, without waiting for a GPU."""
        if len(set(self.sizes)) == 1:
            return self.sizes[:1] * len(self.expressions)
        return [size for clip, size in zip(self.clips, self.sizes, strict=True) for _ in clip.expressions]

    def rows(self, position: int) -> slice:
        """Gives the place of a clip's expressions among the N."""
        first = sum(len(clip.expressions) for clip in self.clips[:position])
        return slice(first, first + len(self.clips[position].expressions))


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Moves a tensor; a GPU is not waited for when it gets one."""
    return tensor.to(device, non_blocking=device.type == "cuda")


class Tokens(NamedTuple):
    """Tokenised sentences: ids int64 `[N, L]`, mask bool `[N, L]` with True on real tokens."""

    ids: Tensor
    mask: Tensor


class TextFeatures(NamedTuple):
    """Encoded sentences: words float `[N, L, C]`, mask bool `[N, L]` with True on real tokens."""

    words: Tensor
    mask: Tensor


class ImageFeatures(NamedTuple):
    """Encoded frames.

    Attributes:
        final: float `[B, 256, h, w]`.
        intermediate: Maps on the way there, each float `[B, h, w, width]`.
        fine: Finer maps for a mask decoder that reads them, the finest first, each float `[B, C, h', w']`.
    """

    final: Tensor
    intermediate: list[Tensor]
    fine: Sequence[Tensor] = ()
