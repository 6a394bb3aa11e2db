"""Augmentation of training clips: one draw per clip, applied alike to every frame and mask."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.number_types import Probability, Scale
from refsam_zoo.types import Clip

if TYPE_CHECKING:
    from albumentations import BasicTransform

SHARE_KEPT = 0.25
ATTEMPTS = 10
COLOUR_PROBABILITY = 0.7
LUMINANCE = np.array([0.299, 0.587, 0.114])
"""Grey of red, green and blue (ITU-R BT.601)."""
WHOLE = slice(None), slice(None)
"""Rows and columns of a window that leaves nothing out."""
MIRRORED = {"left": "right", "right": "left"}
SIDE_WORD = re.compile(r"\b(left|right)(most|wards?|hand)?\b", re.IGNORECASE)


class Augmentation:
    """Changes a training clip; subclass it and name the class in a configuration to use another one."""

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        """Gives a changed clip of the same number of frames and expressions.

        Args:
            clip: The clip as read. Its arrays may be written to and be those of the result.
            rng: The only source of chance.
        """
        raise NotImplementedError


class ClipAugmentation(Augmentation):
    """Crops with a change of scale and aspect, mirrors, and changes colours, in the manner of the paper's recipe.

    Args:
        flip: Probability of mirroring left and right; the words swap sides too.
        crop: Probability of showing only a window of the frames. It is not enlarged here: the model resizes every frame
            to its own input, so a second resize would cost time and sharpness. Every target keeps at least a quarter
            of its pixels over the clip; a window that does so is sought ten times, else the frame stays whole. Where a
            target is outside the window in some frame, its mask there is empty.
        scale: Smallest and largest height and width of that window, relative to the frame, drawn independently.
        colour: Largest relative change of brightness, contrast and saturation; the paper's is 0.5.
        hue: Largest turn of the hue, 1 being the full circle; the paper's is 0.1, which moves red towards orange.
        transforms: Further ones of albumentations, such as blur, noise or compression, one draw for all frames and
            masks. Words do not follow what these do: leave mirroring to `flip`.
    """

    def __init__(
        self,
        flip: Probability = 0.5,
        crop: Probability = 0.5,
        scale: tuple[Scale, Scale] = (0.6, 1.0),
        colour: Probability = 0.3,
        hue: Probability = 0.0,
        transforms: list[BasicTransform] | None = None,
    ) -> None:
        if scale[0] > scale[1]:
            raise InputError(f"scale must be the smallest and then the largest size, not {scale[0]:g}, {scale[1]:g}")
        self.flip = flip
        self.crop = crop
        self.scale = scale
        self.colour = colour
        self.hue = hue
        self.transforms = import_albumentations().Compose(transforms) if transforms else None

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        """See `Augmentation`."""
        return self._transformed(self._draw(clip, rng.random() < self.flip, rng)(clip), rng)

    def _draw(self, clip: Clip, mirrored: bool, rng: np.random.Generator) -> Change:
        """Draws a window and colours for a clip."""
        rows, columns = self._window(clip, rng) if rng.random() < self.crop else WHOLE
        if not (self.colour or self.hue) or rng.random() >= COLOUR_PROBABILITY:
            return Change(rows, columns, mirrored, None)
        brightness, contrast, saturation = rng.uniform(max(0.0, 1 - self.colour), 1 + self.colour, 3)
        grey = clip.frames[:, rows, columns][:, ::8, ::8].mean(axis=(0, 1, 2)) @ LUMINANCE
        hue = rng.uniform(-self.hue, self.hue)
        return Change(rows, columns, mirrored, colour_matrix(brightness, contrast, saturation, hue, grey))

    def _transformed(self, clip: Clip, rng: np.random.Generator) -> Clip:
        if self.transforms is None:
            return clip
        self.transforms.set_random_seed(int(rng.integers(2**32)))
        return transform(clip, self.transforms)

    def _window(self, clip: Clip, rng: np.random.Generator) -> tuple[slice, slice]:
        height, width = clip.frames.shape[1:3]
        for _ in range(ATTEMPTS):
            window = _draw_span(height, self.scale, rng), _draw_span(width, self.scale, rng)
            if clip.masks is None or _keeps_targets(clip.masks, window):
                return window
        return WHOLE


class PseudoClipAugmentation(ClipAugmentation):
    """Makes clips of one repeated image look like video: each frame is cropped and coloured by a draw of its own.

    Windows are enlarged to the size of the image, since the frames of a clip have one size. Mirroring stays common to
    all frames, since the words must fit every one. Options are those of `ClipAugmentation`.
    """

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        """See `Augmentation`."""
        mirrored = rng.random() < self.flip
        stills = [_still(clip, time) for time in range(len(clip.frames))]
        stills = [enlarge(self._draw(still, mirrored, rng)(still), clip.frames.shape[1:3]) for still in stills]
        stills = [self._transformed(still, rng) for still in stills]
        masks = [still.masks for still in stills if still.masks is not None]
        return replace(
            clip,
            frames=np.concatenate([still.frames for still in stills]),
            masks=np.concatenate(masks, axis=1) if masks else None,
            expressions=stills[0].expressions,
        )


@dataclass(frozen=True)
class Change:
    """What is done to every picture of a clip, in its own memory: on virtual machines new memory costs most.

    Attributes:
        rows: Of the window to keep.
        columns: Of the window to keep.
        mirrored: Mirror left and right; the words swap sides too.
        colours: What `colour_matrix` gave; None leaves them.
    """

    rows: slice
    columns: slice
    mirrored: bool
    colours: np.ndarray | None

    def __call__(self, clip: Clip) -> Clip:
        """Gives the changed clip in the arrays of the one given."""
        if (self.rows, self.columns) == WHOLE and not self.mirrored and self.colours is None:
            return clip
        swapped = tuple(swap_sides(expression) for expression in clip.expressions)
        return replace(
            clip,
            frames=self._each(clip.frames, self.colours),
            masks=None if clip.masks is None else self._each(clip.masks.view(np.uint8)[..., None])[..., 0].view(bool),
            expressions=swapped if self.mirrored else clip.expressions,
        )

    def _each(self, pictures: np.ndarray, colours: np.ndarray | None = None) -> np.ndarray:
        """Changes pictures, uint8 `[..., H, W, C]`; the results stand at the front of their memory."""
        windows = pictures.reshape(-1, *pictures.shape[-3:])[:, self.rows, self.columns]
        changed = pictures.reshape(-1)[: windows.size].reshape(windows.shape)
        for window, target in zip(windows, changed, strict=True):
            picture = cv2.flip(window, 1) if self.mirrored else window
            picture = picture if colours is None else cv2.transform(picture, colours)
            target[:] = picture.reshape(target.shape)  # cv2 drops a single channel
        return changed.reshape(*pictures.shape[:-3], *changed.shape[1:])


def enlarge(clip: Clip, size: tuple[int, int]) -> Clip:
    """Resizes frames to a height and width, and masks by nearest neighbour."""
    if clip.frames.shape[1:3] == size:
        return clip
    # the plain nearest neighbour of OpenCV is off by up to half a pixel of the source
    nearest = cv2.INTER_NEAREST_EXACT
    return transform(clip, import_albumentations().Resize(*size, cv2.INTER_LINEAR, mask_interpolation=nearest))


def transform(clip: Clip, transforms: Callable[..., dict[str, Any]]) -> Clip:
    """Applies transforms of albumentations to all frames and masks.

    Raises:
        InputError: They make something else than RGB pictures of 8 bits.
    """
    targets = {"images": clip.frames}
    if clip.masks is not None:
        targets["masks"] = clip.masks.reshape(-1, *clip.masks.shape[2:]).view(np.uint8)
    changed = transforms(**targets)
    frames = changed["images"]
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or frames.shape[3:] != (3,):
        made = f"{getattr(frames, 'dtype', type(frames).__name__)} {list(frames.shape)}"
        raise InputError(f"augmentation.transforms: frames must stay uint8 [T, H, W, 3], they became {made}")
    masks = None
    if clip.masks is not None:
        masks = np.ascontiguousarray(changed["masks"]).view(bool).reshape(*clip.masks.shape[:2], *frames.shape[1:3])
    return replace(clip, frames=np.ascontiguousarray(frames), masks=masks)


def colour_matrix(brightness: float, contrast: float, saturation: float, hue: float, grey: float) -> np.ndarray:
    """Makes one matrix of a change of brightness, contrast, saturation and hue.

    All four are linear in a pixel's red, green and blue. One after the other, as `ColorJitter` does it in torchvision
    and albumentations, they take longer than decoding the frames.

    Args:
        brightness: Factor of every channel; 1 changes nothing.
        contrast: Factor of the distance to the mean grey of the clip.
        saturation: Factor of the distance to the pixel's own grey.
        hue: Turn around the grey axis, 1 being the full circle; 0 changes nothing.
        grey: Mean grey of the clip, 0..255.

    Returns:
        What `(red, green, blue, 1)`, 0..255, is multiplied by, float `[3, 4]`.
    """
    to_grey = np.tile(LUMINANCE, (3, 1))
    matrix = brightness * contrast * (saturation * np.eye(3) + (1 - saturation) * to_grey) @ _hue_rotation(hue)
    return np.hstack([matrix, np.full((3, 1), brightness * (1 - contrast) * grey)])


def swap_sides(expression: str) -> str:
    """Swaps left and right as whole words (leftmost, leftwards, left-hand too), keeping the case of each.

    >>> swap_sides("Left of the RIGHTMOST leftover")
    'Right of the LEFTMOST leftover'
    """
    return SIDE_WORD.sub(lambda match: _like(match[1], MIRRORED[match[1].lower()]) + (match[2] or ""), expression)


def import_albumentations() -> Any:
    """Imports albumentations without its question to the network about newer versions."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    return albumentations


def _hue_rotation(turn: float) -> np.ndarray:
    """Turns red, green and blue around the grey axis (Rodrigues' formula), float `[3, 3]`."""
    cosine, sine = np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / 3**0.5
    return cosine * np.eye(3) + sine * across + (1 - cosine) / 3


def _still(clip: Clip, time: int) -> Clip:
    masks = None if clip.masks is None else clip.masks[:, time : time + 1]
    return replace(clip, frames=clip.frames[time : time + 1], masks=masks)


def _like(pattern: str, word: str) -> str:
    if pattern.isupper():
        return word.upper()
    return word.capitalize() if pattern[0].isupper() else word


def _keeps_targets(masks: np.ndarray, window: tuple[slice, slice]) -> bool:
    """Whether every expression's target keeps enough of its pixels over the clip."""
    rows, columns = window
    return all(np.count_nonzero(target[:, rows, columns]) >= SHARE_KEPT * np.count_nonzero(target) for target in masks)


def _draw_span(length: int, scale: tuple[float, float], rng: np.random.Generator) -> slice:
    span = min(length, max(1, round(length * rng.uniform(*scale))))
    start = int(rng.integers(length - span + 1))
    return slice(start, start + span)
