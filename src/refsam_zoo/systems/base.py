"""The seam between systems and all that uses them: frames and sentences in, a mask per sentence and frame out."""

from __future__ import annotations

import functools
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec, TypeVar

import numpy as np

from refsam_zoo.calibration import Calibration
from refsam_zoo.errors import InputError
from refsam_zoo.registry import Registry
from refsam_zoo.systems.corrections import Correction
from refsam_zoo.systems.inputs import checked_sentences, in_windows, rgb_batches
from refsam_zoo.types import Clip, ClipBatch

if TYPE_CHECKING:  # imported where it computes: help, which names a system, needs no PyTorch
    import torch
    from torch import Tensor, nn

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Track = TypeVar("Track")
"""What a system knows of a video under way: its sentences, encoded, and what it saw of the frames so far."""


@dataclass
class FrameMasks:
    """One frame and where its expressions point.

    Attributes:
        frame: RGB, uint8 `[H, W, 3]`.
        masks: bool `[N, H, W]`, one per expression.
        scores: float32 `[N]`, 0..1: how sure the system is of each mask, or where that is empty, the best it found.
    """

    frame: np.ndarray
    masks: np.ndarray
    scores: np.ndarray

    @property
    def absent(self) -> np.ndarray:
        """Which expressions point at nothing in this frame, bool `[N]`."""
        return np.asarray(~self.masks.any(axis=(1, 2)))


class Found(NamedTuple):
    """What a system finds in a frame, or in the T frames of a window.

    Attributes:
        masks: bool `[N, H, W]` or `[N, T, H, W]`, one per sentence and frame; empty where it sees no target.
        scores: float `[N]` or `[N, T]`, 0..1.
    """

    masks: Tensor
    scores: Tensor


def joined(found: Iterable[Found]) -> Found:
    """Puts what is found of one frame for some sentences and for others together."""
    import torch

    masks, scores = zip(*found, strict=True)
    return Found(torch.cat(masks), torch.cat(scores))


def in_inference_mode(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorates as `torch.inference_mode` does, which is imported at the first call."""

    @functools.wraps(function)
    def without_gradients(*args: Parameters.args, **options: Parameters.kwargs) -> Result:
        import torch

        return torch.inference_mode()(function)(*args, **options)

    return without_gradients


def only_frame(found: Iterable[FrameMasks]) -> FrameMasks:
    """Gives the one frame that was segmented.

    Raises:
        InputError: There are more, or none.
    """
    frames = list(found)
    if len(frames) != 1:
        raise InputError(f"one picture is wanted, not {len(frames)}; `stream` takes videos")
    return frames[0]


class VideoSegmenter(ABC, Generic[Track]):
    """A system that segments videos by sentences, frame by frame, in memory that does not grow with the video.

    A subclass says how sentences are encoded and how the next frames are segmented; all else, from the command line to
    evaluation, goes through `stream` and `window`. Several videos may be under way at once, each with a track of its
    own.

    Args:
        model: All the system's weights, used as they are: put it into evaluation mode first, unless it is in training.

    Attributes:
        frames_at_once: Frames that `window` hands over together.
        window_length: Frames that a stream hands over together, as the system's masks depend on which: batches are cut
            at multiples of it. With 1 they stay as they are.
        score_meaning: What the scores say, in words.
        takes_corrections: Whether `start_object` and `correct` work: whether its decoder takes points, boxes and masks.
        calibration: What is made of the scores of a stream; None leaves them as the system gives them.
    """

    frames_at_once: int = 4
    window_length: int = 1
    score_meaning: str = "how sure the system is of the mask, 0 to 1"
    takes_corrections: bool = False
    calibration: Calibration | None = None

    def __init__(self, model: nn.Module) -> None:
        self.model = model

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.model.parameters()).device

    @property
    def compiled_parts(self) -> Sequence[nn.Module]:
        """The modules that take the time, each called as a module: what `compile` compiles."""
        return [self.model]

    def compile(self) -> None:
        """Compiles the parts in place (`torch.compile`): the first frames take minutes, later ones less time."""
        for part in self.compiled_parts:
            part.compile()

    def calibrate(self, calibration: Calibration) -> None:
        """Makes the scores of streams say how good a mask is to be expected; those of `window` stay as they are.

        Raises:
            InputError: It is for scores of another kind, or scores are calibrated already.
        """
        calibration.require(self.score_meaning)
        self.calibration, self.score_meaning = calibration, calibration.calibrated_meaning

    @property
    def watches(self) -> bool:
        """Whether the system wants to see a video before it segments it; most do not."""
        return False

    def watch(self, frames: Iterable[Any], track: Track) -> None:
        """Sees a video that is then segmented from its beginning; called where `watches` says so.

        Args:
            frames: As `stream` takes them.
            track: What `start` gave; it is changed in place, and may keep only what is independent of the length.

        Raises:
            InputError: A frame is of another kind, shape or range.
        """

    @abstractmethod
    def start(self, expressions: Sequence[str]) -> Track:
        """Encodes the N sentences about a video, once for all its frames."""

    @abstractmethod
    def segment(self, images: Tensor, track: Track) -> Iterator[Found]:
        """Segments the next frames of a video and takes its track further.

        Args:
            images: RGB, uint8 `[n, 3, H, W]`, on any device.
            track: What `start` gave; it is changed in place, and what no later frame reads is dropped from it.

        Yields:
            What is found in each frame, in order, on any device.
        """

    def start_object(self) -> Track:
        """Begins with a thing without a sentence, which is nowhere until `correct` shows where it is.

        Raises:
            InputError: The system takes no corrections.
        """
        raise self.refusal()

    def correct(self, image: Tensor, track: Track, row: int, correction: Correction) -> Found:
        """Segments a target once more in the frame last segmented, as it is shown; later frames follow that.

        Args:
            image: That frame, RGB, uint8 `[1, 3, H, W]`, on any device.
            track: As `segment` left it after that frame; it is changed in place.
            row: Which of the track's targets.
            correction: All that was shown of it in this frame.

        Returns:
            The target alone: mask bool `[1, H, W]`, score float `[1]`.

        Raises:
            InputError: The system takes no corrections.
        """
        raise self.refusal()

    def refusal(self) -> InputError:
        """What is said where a system takes no corrections."""
        return InputError(
            f"system {type(self).__name__} takes no points, boxes or masks; find_then_track with it as finder does"
        )

    def segment_together(self, images: Tensor, tracks: Sequence[Track]) -> Iterator[Found]:
        """Segments the next frames of a video for sentences that began at different frames.

        A system that can encodes each frame once for all of them; by default each track has its own pass.

        Args:
            images: As `segment` takes them.
            tracks: What `start` gave, one or more; they are changed in place.

        Yields:
            What is found in each frame for the sentences of all tracks, in order.
        """
        for found in zip(*(self.segment(images, track) for track in tracks), strict=True):
            yield joined(found)

    def __call__(self, image: Any, expressions: str | Sequence[str]) -> FrameMasks:
        """Segments a single picture.

        Args:
            image: RGB, uint8 `[H, W, 3]`, or what else `inputs.rgb_batches` takes for a frame.
            expressions: N sentences about it, or a single one.

        Raises:
            InputError: A sentence is empty, or the picture is of another kind, shape or range, or several.
        """
        return only_frame(self.stream([image], expressions))

    def stream_videos(
        self, videos: Sequence[Iterable[Any]], expressions: Sequence[str | Sequence[str]]
    ) -> Iterator[list[FrameMasks | None]]:
        """Segments several videos side by side, for instance the cameras of a car.

        Each is encoded by itself and may have another size and length; no more than a batch of each is in memory.

        Args:
            videos: V videos, each as `stream` takes it.
            expressions: The sentences about each, or its single one.

        Yields:
            The next frame of each video with its masks; None for a video that has ended.

        Raises:
            InputError: Not as many lists of sentences as videos, or as `stream` says.
        """
        if isinstance(expressions, str) or len(videos) != len(expressions):
            given = "a single text" if isinstance(expressions, str) else f"those about {len(expressions)}"
            raise InputError(f"each of the {len(videos)} videos needs its own sentences; {given} came")
        streams = [self.stream(frames, about) for frames, about in zip(videos, expressions, strict=True)]
        for step in itertools.zip_longest(*streams):
            yield list(step)

    @in_inference_mode
    def stream(self, frames: Iterable[Any], expressions: str | Sequence[str]) -> Iterator[FrameMasks]:
        """Segments a video while it is read.

        Args:
            frames: Frames or batches of consecutive frames, taken one at a time; the frames of a batch may be encoded
                together. RGB, uint8 `[n, H, W, 3]`, or what else `inputs.rgb_batches` takes.
            expressions: N sentences about the video, or a single one.

        Yields:
            Each frame with its masks, in order.

        Raises:
            InputError: A sentence is empty, a frame is of another kind, shape or range, or the system `watches` and the
                frames can be read only once.
        """
        track = self.start(checked_sentences(expressions))
        if self.watches:
            if iter(frames) is frames:
                raise InputError(
                    f"system {type(self).__name__} sees a video twice, and an iterator gives it once; hand over a list "
                    "or what can be read anew, or give the system the option back=0"
                )
            self.watch(frames, track)
        yield from self.follow(frames, track)

    @in_inference_mode
    def follow(self, frames: Iterable[Any], *tracks: Track) -> Iterator[FrameMasks]:
        """Segments the next frames of a video that is under way.

        Args:
            frames: As `stream` takes them. When it is asked for a batch, the tracks are as the one before left them.
            tracks: What `start` gave, several where sentences began at different frames; changed in place.

        Yields:
            Each frame with its masks, in order.

        Raises:
            InputError: A frame is of another kind, shape or range.
        """
        import torch

        for batch in in_windows(rgb_batches(frames), self.window_length):
            # copied where an array is read-only, which PyTorch has no tensors for
            images = torch.from_numpy(np.require(batch, requirements="W")).permute(0, 3, 1, 2)
            for frame, found in zip(batch, self.segment_together(images, tracks), strict=True):
                yield self.shown(frame, found)

    def shown(self, frame: np.ndarray, found: Found) -> FrameMasks:
        """Makes of what is found what a user gets.

        Args:
            frame: RGB, uint8 `[H, W, 3]`.
            found: On any device; the scores as the system gives them.
        """
        # on one device the scores are there when the masks are, which are copied after them: one wait for both
        together = found.scores.device == found.masks.device
        scores = found.scores.float().to("cpu", non_blocking=together)
        masks = FrameMasks(frame, found.masks.cpu().numpy(), scores.numpy())
        if self.calibration is not None:
            masks.scores = self.calibration(masks.scores, masks.absent)
        return masks

    @in_inference_mode
    def window(self, batch: ClipBatch, state: dict[str, Track] | None = None) -> tuple[Found, dict[str, Track]]:
        """Segments the next frames of videos.

        Args:
            batch: Windows of videos, in order; windows of the same video may be in one batch.
            state: What the previous call gave: the videos under way, by their id; None at the start.

        Returns:
            Masks, bool `[N, T, H, W]`, False where a clip is padded, with scores that are not calibrated, float32
            `[N, T]`, 0 there; and the state for the next call.

        Raises:
            ValueError: A window came without the one before it.
        """
        import torch

        steps, height, width = batch.frames[0, :, 0].shape
        masks = torch.zeros(len(batch.expressions), steps, height, width, dtype=torch.bool, device=self.device)
        scores = torch.zeros(masks.shape[:2], device=self.device)
        previous, under_way = state or {}, dict[str, Track]()
        for index, clip in enumerate(batch.clips):
            video, (height, width) = clip.referrals[0].video_id, batch.sizes[index]
            track = None if clip.first else (previous | under_way).get(video)
            # A repeated window only fills up a process's share: it may come alone, and nothing is made of its masks.
            if track is None and not clip.first and not clip.repeated:
                raise ValueError(f"video {video}: a later window came without the one before it")
            under_way[video] = track = self._begun(clip) if track is None else track
            rows = batch.rows(index)
            for start in range(0, steps, self.frames_at_once):
                images = batch.frames[index, start : start + self.frames_at_once, :, :height, :width]
                for step, found in enumerate(self.segment(images, track), start):
                    masks[rows, step, :height, :width] = found.masks.to(masks.device)
                    scores[rows, step] = found.scores.to(scores)
        return Found(masks, scores), under_way

    def _begun(self, clip: Clip) -> Track:
        track = self.start(clip.expressions)
        if self.watches:
            first = clip.referrals[0]
            from refsam_zoo.video.readers import open_video

            with open_video(first.source, first.frames) as video:
                self.watch(video.stream(), track)
        return track


SystemOrMaker = Callable[[], VideoSegmenter] | VideoSegmenter
"""A system, or what makes it when it is needed: reading weights takes time.

The maker stands first and neither has a parameter: so jsonargparse takes the name of a class as what makes it.
"""

SYSTEMS: Registry[VideoSegmenter[Any]] = Registry("system", ["system"], "refsam_zoo.systems")
