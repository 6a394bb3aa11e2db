"""Augmentation of training clips: one draw per clip, applied alike to every frame and mask."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from refsam_zoo.types import Clip

SHARE_KEPT = 0.25
ATTEMPTS = 10
COLOUR_PROBABILITY = 0.7
LUMINANCE = np.array([0.299, 0.587, 0.114])
"""Grey of red, green and blue (ITU-R BT.601)."""
MIRRORED = {"left": "right", "right": "left"}
SIDE_WORD = re.compile(r"\b(left|right)(most|wards?|hand)?\b", re.IGNORECASE)


class Augmentation:
    """Changes a training clip; subclass it and name the class in a configuration to use another one."""

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        """Gives a changed clip of the same number of frames and expressions.

        Args:
            clip: The clip as read.
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
    """

    def __init__(
        self,
        flip: float = 0.5,
        crop: float = 0.5,
        scale: tuple[float, float] = (0.6, 1.0),
        colour: float = 0.3,
        hue: float = 0.0,
    ) -> None:
        self.flip = flip
        self.crop = crop
        self.scale = scale
        self.colour = colour
        self.hue = hue

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        """See `Augmentation`."""
        clip = self._cropped(clip, rng)
        return self._coloured(mirror(clip) if rng.random() < self.flip else clip, rng)

    def _cropped(self, clip: Clip, rng: np.random.Generator) -> Clip:
        return cut(clip, self._window(clip, rng)) if rng.random() < self.crop else clip

    def _coloured(self, clip: Clip, rng: np.random.Generator) -> Clip:
        if (self.colour or self.hue) and rng.random() < COLOUR_PROBABILITY:
            brightness, contrast, saturation = rng.uniform(max(0.0, 1 - self.colour), 1 + self.colour, 3)
            hue = rng.uniform(-self.hue, self.hue)
            clip = replace(clip, frames=change_colours(clip.frames, brightness, contrast, saturation, hue))
        return clip

    def _window(self, clip: Clip, rng: np.random.Generator) -> tuple[slice, slice]:
        height, width = clip.frames.shape[1:3]
        for _ in range(ATTEMPTS):
            window = _draw_span(height, self.scale, rng), _draw_span(width, self.scale, rng)
            if clip.masks is None or _keeps_targets(clip.masks, window):
                return window
        return slice(0, height), slice(0, width)


class PseudoClipAugmentation(ClipAugmentation):
    """Makes clips of one repeated image look like video: each frame is cropped and coloured by a draw of its own.

    Windows are enlarged to the size of the image, since the frames of a clip have one size. Mirroring stays common to
    all frames, since the words must fit every one. Options are those of `ClipAugmentation`.
    """

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        """See `Augmentation`."""
        clip = mirror(clip) if rng.random() < self.flip else clip
        moments = [self._coloured(self._cropped(_moment(clip, time), rng), rng) for time in range(len(clip.frames))]
        moments = [enlarge(moment, clip.frames.shape[1:3]) for moment in moments]
        masks = [moment.masks for moment in moments if moment.masks is not None]
        return replace(
            clip,
            frames=np.concatenate([moment.frames for moment in moments]),
            masks=np.concatenate(masks, axis=1) if masks else None,
        )


def mirror(clip: Clip) -> Clip:
    """Mirrors frames and masks horizontally and swaps the sides in the expressions."""
    return replace(
        clip,
        frames=_mirrored(clip.frames),
        masks=None if clip.masks is None else _mirrored(clip.masks.view(np.uint8)[..., None])[..., 0].view(bool),
        expressions=tuple(swap_sides(expression) for expression in clip.expressions),
    )


def cut(clip: Clip, window: tuple[slice, slice]) -> Clip:
    """Crops frames and masks to a window of rows and columns."""
    rows, columns = window
    masks = None if clip.masks is None else np.ascontiguousarray(clip.masks[..., rows, columns])
    return replace(clip, frames=np.ascontiguousarray(clip.frames[:, rows, columns]), masks=masks)


def enlarge(clip: Clip, size: tuple[int, int]) -> Clip:
    """Resizes frames to a height and width, and masks by nearest neighbour."""
    if clip.frames.shape[1:3] == size:
        return clip
    targets = {"images": clip.frames}
    if clip.masks is not None:
        targets["masks"] = clip.masks.reshape(-1, *clip.masks.shape[2:]).view(np.uint8)
    # the plain nearest neighbour of OpenCV is off by up to half a pixel of the source
    nearest = cv2.INTER_NEAREST_EXACT
    resized = import_albumentations().Resize(*size, cv2.INTER_LINEAR, mask_interpolation=nearest)(**targets)
    masks = None if clip.masks is None else resized["masks"].view(bool).reshape(*clip.masks.shape[:2], *size)
    return replace(clip, frames=resized["images"], masks=masks)


def change_colours(frames: np.ndarray, brightness: float, contrast: float, saturation: float, hue: float) -> np.ndarray:
    """Changes brightness, contrast, saturation and hue of a clip in one pass.

    All four are linear in a pixel's red, green and blue. One after the other, as `ColorJitter` does it in torchvision
    and albumentations, they take longer than decoding the frames.

    Args:
        frames: RGB, uint8 `[T, H, W, 3]`.
        brightness: Factor of every channel; 1 changes nothing.
        contrast: Factor of the distance to the mean grey of the clip.
        saturation: Factor of the distance to the pixel's own grey.
        hue: Turn around the grey axis, 1 being the full circle; 0 changes nothing.

    Returns:
        RGB, uint8 `[T, H, W, 3]`.
    """
    grey = np.tile(LUMINANCE, (3, 1))
    matrix = brightness * contrast * (saturation * np.eye(3) + (1 - saturation) * grey) @ _hue_rotation(hue)
    mean = frames[:, ::8, ::8].mean(axis=(0, 1, 2)) @ LUMINANCE
    offset = np.full((3, 1), brightness * (1 - contrast) * mean)
    changed = np.empty_like(frames)
    rows = (-1, *frames.shape[2:])
    cv2.transform(frames.reshape(rows), np.hstack([matrix, offset]), dst=changed.reshape(rows))
    return changed


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


def _mirrored(pictures: np.ndarray) -> np.ndarray:
    """Mirrors pictures, uint8 `[..., H, W, C]`; into one array, since on virtual machines new memory costs most."""
    mirrored = np.empty_like(pictures)
    shape = (-1, *pictures.shape[-3:])
    for picture, target in zip(pictures.reshape(shape), mirrored.reshape(shape), strict=True):
        cv2.flip(picture, 1, dst=target)
    return mirrored


def _hue_rotation(turn: float) -> np.ndarray:
    """Turns red, green and blue around the grey axis (Rodrigues' formula), float `[3, 3]`."""
    cosine, sine = np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / 3**0.5
    return cosine * np.eye(3) + sine * across + (1 - cosine) / 3


def _moment(clip: Clip, time: int) -> Clip:
    masks = None if clip.masks is None else clip.masks[:, time : time + 1]
    return replace(clip, frames=clip.frames[time : time + 1], masks=masks)


def _like(pattern: str, word: str) -> str:
    if pattern.isupper():
        return word.upper()
    return word.capitalize() if pattern[0].isupper() else word


def _keeps_targets(masks: np.ndarray, window: tuple[slice, slice]) -> bool:
    """Whether every expression's target keeps enough of its pixels over the clip."""
    rows, columns = window
    return all(
        np.count_nonzero(target[:, rows, columns]) >= SHARE_KEPT * np.count_nonzero(target) for target in masks
    )


def _draw_span(length: int, scale: tuple[float, float], rng: np.random.Generator) -> slice:
    span = min(length, max(1, round(length * rng.uniform(*scale))))
    start = int(rng.integers(length - span + 1))
    return slice(start, start + span)
