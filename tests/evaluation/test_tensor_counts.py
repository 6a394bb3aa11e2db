from __future__ import annotations

import numpy as np
import pytest
import torch

from refsam_zoo.evaluation.counts import count_pixels
from refsam_zoo.evaluation.motion import centres
from refsam_zoo.evaluation.tensor_counts import count_tensors, tensor_centres

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [(1, 1), (1, 70), (48, 64), (101, 77), (300, 400), (40, 2000)])
def test_counts_are_those_of_bit_planes(size: tuple[int, int], device: str) -> None:
    random = np.random.default_rng(size[0])
    densities = np.array([0, 0.001, 0.3, 0.999, 1])
    masks, predictions = (random.random((5, *size)) < random.permutation(densities)[:, None, None] for _ in range(2))
    found = count_tensors(*(torch.from_numpy(maps).to(device) for maps in (predictions, masks)))
    assert found.tolist() == count_pixels(predictions, masks).tolist()


@pytest.mark.parametrize("device", DEVICES)
def test_many_frames_and_none(device: str) -> None:
    masks = np.random.default_rng(0).random((130, 9, 11)) < 0.4
    found = count_tensors(*(torch.from_numpy(maps).to(device) for maps in (masks[::-1].copy(), masks)))
    assert found.tolist() == count_pixels(masks[::-1], masks).tolist()
    empty = torch.zeros(0, 4, 4, dtype=torch.bool, device=device)
    assert count_tensors(empty, empty).shape == (0, 7)


@pytest.mark.parametrize("device", DEVICES)
def test_centres_are_those_of_arrays(device: str) -> None:
    masks = np.random.default_rng(0).random((20, 30, 40)) < 0.05
    masks[7] = False
    assert tensor_centres(torch.from_numpy(masks).to(device)).tolist() == centres(masks).tolist()
