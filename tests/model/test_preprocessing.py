import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as transforms

from refsam_zoo.model.preprocessing import pad_to_square, preprocess, resize_frames, resized, restore, shrink_masks

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((480, 854), (576, 1024)),
        ((854, 480), (1024, 576)),
        ((1, 3), (341, 1024)),
        ((17, 40010), (1, 1024)),
        ((40010, 1), (1024, 1)),
    ],
)
def test_the_longer_side_is_resized(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert resized(size, 1024) == expected


def test_resizing_is_that_of_pil() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    images = preprocess(torch.from_numpy(frame).permute(2, 0, 1)[None], [(90, 160)], 64, MEAN, STD)
    reference = np.asarray(Image.fromarray(frame).resize((64, 36), Image.Resampling.BILINEAR), dtype=np.float32)
    pixels = images[0, :, :36].permute(1, 2, 0).numpy() * STD + MEAN
    assert np.abs(pixels - reference).max() <= 1.001  # one grey level of rounding
    assert not images[0, :, 36:].any()


@pytest.mark.parametrize("size", [(36, 64), (90, 160), (150, 200)])
def test_resizing_is_that_of_torchvision(size: tuple[int, int]) -> None:
    frames = torch.randint(0, 256, (2, 90, 160, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    expected = transforms.resize(frames, [*size], antialias=True).float()
    assert torch.equal(resize_frames(frames, size), expected)


@pytest.mark.parametrize("size", [(1, 900), (900, 2)])
def test_strips_go_in_and_come_back(size: tuple[int, int]) -> None:
    images = preprocess(torch.full((1, 3, *size), 255, dtype=torch.uint8), [size], 64, MEAN, STD)
    assert images[0].any()
    assert restore(torch.ones(1, 16, 16), size, 64).shape == (1, *size)


def test_a_padded_frame_is_encoded_as_alone() -> None:
    frames = torch.randint(0, 256, (2, 3, 40, 60), dtype=torch.uint8)
    both = preprocess(frames, [(40, 60), (30, 20)], 32, MEAN, STD)
    alone = preprocess(frames[1:, :, :30, :20], [(30, 20)], 32, MEAN, STD)
    torch.testing.assert_close(both[1:], alone)


def test_masks_go_out_and_come_back() -> None:
    masks = torch.zeros(1, 48, 64, dtype=torch.bool)
    masks[0, 12:36, 16:40] = True
    cells = shrink_masks(pad_to_square(masks), (32, 32))
    back = restore(cells * 2 - 1, (48, 64), 128) > 0
    assert (back == masks).float().mean() > 0.99
    assert cells.sum() == pytest.approx(24 * 24 / 4)


@pytest.mark.parametrize(
    ("size", "cells", "image_size"), [((48, 85), 64, 256), ((85, 48), 37, 518), ((40, 40), 24, 48)]
)
def test_restoring_resizes_as_sam_does(size: tuple[int, int], cells: int, image_size: int) -> None:
    logits = torch.randn(2, cells, cells)
    square = F.interpolate(logits[:, None], (image_size, image_size), mode="bilinear", align_corners=False)
    height, width = resized(size, image_size)
    expected = F.interpolate(square[..., :height, :width], size, mode="bilinear", align_corners=False)[:, 0]
    torch.testing.assert_close(restore(logits, size, image_size), expected, atol=1e-6, rtol=0)
