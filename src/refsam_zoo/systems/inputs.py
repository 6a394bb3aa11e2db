"""What a Python program hands over, checked once: frames of any common kind become RGB bytes, sentences a list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

from refsam_zoo.errors import InputError


def checked_sentences(expressions: str | Sequence[str]) -> list[str]:
    """Makes a list of one sentence or several.

    Raises:
        InputError: There is none, or one is empty or no text.
    """
    sentences = [expressions] if isinstance(expressions, str) else list(expressions)
    if not sentences:
        raise InputError("no sentence was given; say in words what to segment")
    for number, sentence in enumerate(sentences, 1):
        if not isinstance(sentence, str):
            raise InputError(f"sentence {number} is no text but of type {type(sentence).__name__}")
        if not sentence.strip():
            raise InputError(f"sentence {number} is empty; say in words what to segment")
        try:
            sentence.encode()
        except UnicodeEncodeError as error:  # what the shell passed on is kept as lone surrogates
            raise InputError(f"sentence {number} is not UTF-8 text: '{sentence}'; type it anew") from error
    return sentences


def rgb_batches(frames: Iterable[Any]) -> Iterator[np.ndarray]:
    """Makes RGB bytes of the frames of a video.

    Args:
        frames: Frames or batches of consecutive frames, each a NumPy array, a torch tensor, a Pillow image, or a list
            of them; or a single one of these. Channels come last: `[H, W]`, `[H, W, C]` or `[n, H, W, C]` with C of
            1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA; alpha is left out). Numbers are integers in 0..255,
            booleans, or floats in 0..1.

    Yields:
        uint8 `[n, H, W, 3]`, not copied where it is that already.

    Raises:
        InputError: Another kind, shape or range.
    """
    import torch

    if isinstance(frames, (np.ndarray, torch.Tensor, Image.Image)):
        frames = [frames]
    elif isinstance(frames, (str, bytes)) or not isinstance(frames, Iterable):
        raise InputError(f"frames are pictures, not of type {type(frames).__name__}; open_video reads those of a file")
    for batch in frames:
        if isinstance(batch, (list, tuple)):
            parts = [_rgb(frame) for frame in batch]
            if len({part.shape[1:] for part in parts}) > 1:
                raise InputError("the frames of a batch have different sizes")
            found = np.concatenate(parts or [np.empty(0)])
        else:
            found = _rgb(batch)
        if len(found):
            yield found


def in_windows(batches: Iterable[np.ndarray], length: int) -> Iterator[np.ndarray]:
    """Cuts a video at multiples of a number of frames, whatever batches it comes in.

    Args:
        batches: uint8 `[n, H, W, 3]`.
        length: Frames of a window; with 1, batches stay as they are.

    Yields:
        One or more whole windows, as soon as they are there; at the end, and before frames of another size, what is
        left.
    """
    waiting = np.empty((0, 0, 0, 3), np.uint8)
    for batch in batches:
        if len(waiting) and waiting.shape[1:] != batch.shape[1:]:
            yield waiting
            waiting = waiting[:0]
        together = np.concatenate([waiting, batch]) if len(waiting) else batch
        whole = len(together) - len(together) % length
        if whole:
            yield together[:whole]
        waiting = together[whole:]
    if len(waiting):
        yield waiting


def _rgb(frames: Any) -> np.ndarray:
    """Makes uint8 `[n, H, W, 3]` of one frame or several."""
    import torch

    if isinstance(frames, Image.Image):
        frames = frames if frames.mode.startswith(("I", "F")) else frames.convert("RGB")
        frames = np.asarray(frames)
    if isinstance(frames, torch.Tensor):
        frames = frames.detach().cpu()
        frames = (frames.float() if frames.dtype == torch.bfloat16 else frames).numpy()
    if not isinstance(frames, np.ndarray):
        raise InputError(
            f"a frame is a NumPy array, a torch tensor or a Pillow image, not of type {type(frames).__name__}"
        )
    if frames.ndim == 2:
        frames = frames[..., None]
    if frames.ndim == 3:
        frames = frames[None]
    if frames.ndim != 4 or frames.shape[-1] not in (1, 2, 3, 4) or 0 in frames.shape[1:]:
        raise InputError(_wrong_shape(frames.shape))
    colours = frames[..., :1] if frames.shape[-1] < 3 else frames[..., :3]
    colours = _bytes(colours)
    return np.ascontiguousarray(np.broadcast_to(colours, (*colours.shape[:3], 3)))


def _wrong_shape(shape: tuple[int, ...]) -> str:
    shape = shape[1:] if len(shape) == 4 and shape[0] == 1 else shape
    message = f"frames of shape {list(shape)} are not channels last, as [H, W, 3] or [n, H, W, 3] (C 1 to 4)"
    if len(shape) in (3, 4) and shape[-3] in (1, 3, 4):
        axes = "1, 2, 0" if len(shape) == 3 else "0, 2, 3, 1"
        message += f"; for channels first give tensor.permute({axes})"
    return message


def _bytes(colours: np.ndarray) -> np.ndarray:
    """Brings numbers to 0..255 by what their type says of their range."""
    if colours.dtype == np.uint8:
        return colours
    if colours.dtype == np.bool_:
        return colours.astype(np.uint8) * np.uint8(255)
    if colours.dtype.kind not in "iuf":
        raise InputError(f"frames hold numbers of type {colours.dtype}; give uint8, or float in 0..1")
    low, high = (colours.min(), colours.max()) if colours.size else (0, 0)
    if colours.dtype.kind == "f":
        if not (low >= 0 and high <= 1):  # not a number compares as neither
            raise InputError(f"float frames lie in 0..1, not in {low:g}..{high:g}; give those in 0..255 as uint8")
        return np.rint(colours.astype(np.float32) * 255).astype(np.uint8)
    if low < 0 or high > 255:
        raise InputError(f"frames of type {colours.dtype} lie in 0..255, not in {low}..{high}; scale them to uint8")
    return colours.astype(np.uint8)
