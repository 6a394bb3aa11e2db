"""Frames to network input and logits back to frames, as SAM does it (segment_anything: ResizeLongestSide, Sam)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from refsam_zoo.types import to_device


def resized(size: tuple[int, int], image_size: int) -> tuple[int, int]:
    """Height and width after resizing the longer side to `image_size`, rounded half up; of a long strip at least 1."""
    scale = image_size / max(size)
    return max(1, int(size[0] * scale + 0.5)), max(1, int(size[1] * scale + 0.5))


Fitting = Callable[[tuple[int, int], int], tuple[int, int]]
"""Of a frame's height and width and the square's side, the height and width that it is resized to."""


def preprocess(
    frames: Tensor,
    sizes: Sequence[tuple[int, int]],
    image_size: int,
    mean: Sequence[float],
    std: Sequence[float],
    fitted: Fitting = resized,
) -> Tensor:
    """Resizes (bilinear, antialiased), normalises and pads to a square.

    Args:
        frames: RGB, uint8 `[B, 3, H, W]`, padded at the bottom and right.
        sizes: B pairs of height and width before padding.
        image_size: Side S of the square, in pixels.
        mean: Mean of R, G, B in 0..255.
        std: Standard deviation of R, G, B in 0..255.
        fitted: Says how large a frame becomes.

    Returns:
        float32 `[B, 3, S, S]`, zero where padded.
    """
    # the default dtype is another one where a whole model is in half or double precision
    channels = torch.tensor([mean, std], dtype=torch.float32, device="cpu")
    mean_, std_ = to_device(channels, frames.device).view(2, 3, 1, 1)
    images = torch.zeros(len(frames), 3, image_size, image_size, dtype=torch.float32, device=frames.device)
    for size in sorted(set(sizes)):
        rows = rows_of(size, sizes, frames.device)
        height, width = fitted(size, image_size)
        small = resize_frames(frames[rows, :, : size[0], : size[1]], (height, width))
        images[rows, :, :height, :width] = (small - mean_) / std_
    return images


def resize_frames(frames: Tensor, size: tuple[int, int]) -> Tensor:
    """Resizes frames bilinearly, antialiased, to whole numbers, as the 8-bit pictures that models were trained on.

    Args:
        frames: uint8 `[B, C, H, W]`.
        size: Height h and width w of the result.

    Returns:
        float32 `[B, C, h, w]` in 0..255.
    """
    if frames.shape[-2:] == size:
        return frames.float()
    if frames.device.type == "cpu":
        # in 8 bits, which takes a fraction of the time; other devices have no kernel for it
        return F.interpolate(frames, size, mode="bilinear", antialias=True).float()
    return F.interpolate(frames.float(), size, mode="bilinear", antialias=True).round_()


def rows_of(size: tuple[int, int], sizes: Sequence[tuple[int, int]], device: torch.device) -> slice | Tensor:
    """Finds the entries of one size as an index for tensors on a device: mostly all of them, without a copy."""
    rows = [row for row, other in enumerate(sizes) if other == size]
    return slice(None) if len(rows) == len(sizes) else to_device(torch.tensor(rows, device="cpu"), device)


def restore(low_res_logits: Tensor, size: tuple[int, int], image_size: int, fitted: Fitting = resized) -> Tensor:
    """Resizes the decoder's logits to the frames they came from: up to the square, without its padding, to the frame.

    Args:
        low_res_logits: float `[N, 4h, 4w]`.
        size: Height and width of the frames.
        image_size: Side of the network's square input.
        fitted: As of `preprocess`.

    Returns:
        float `[N, H, W]`.
    """
    factor = image_size / low_res_logits.shape[-1]
    height, width = fitted(size, image_size)
    # one cell beyond the frame, which its last pixels are interpolated with; the rest of the padding is never resized
    rows, columns = (math.ceil(side / factor) + 1 for side in (height, width))
    framed = low_res_logits[:, None, :rows, :columns]
    square = F.interpolate(framed, scale_factor=factor, mode="bilinear", align_corners=False)[..., :height, :width]
    return F.interpolate(square, size, mode="bilinear", align_corners=False).squeeze(1)


def pad_to_square(masks: Tensor) -> Tensor:
    """Pads masks `[..., H, W]` at the bottom or right to a square, as the frames are for the network."""
    height, width = masks.shape[-2:]
    side = max(height, width)
    return F.pad(masks, (0, side - width, 0, side - height))


def shrink_masks(masks: Tensor, size: tuple[int, int]) -> Tensor:
    """Shrinks masks.

    Args:
        masks: bool `[..., H, W]`.
        size: Height h and width w of the result.

    Returns:
        Share of each cell that is object, float `[..., h, w]` in 0..1.
    """
    if size == masks.shape[-2:]:
        return masks.float()
    return F.adaptive_avg_pool2d(masks.float().flatten(0, -3), size).unflatten(0, masks.shape[:-2])
