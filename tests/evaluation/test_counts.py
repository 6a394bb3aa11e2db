from __future__ import annotations

import cv2
import numpy as np
import pytest

from refsam_zoo.evaluation.counts import (
    COUNTS,
    boundary_radius,
    contour_accuracy,
    count_labels,
    count_pixels,
    region_similarity,
)


def _reference_counts(prediction: np.ndarray, mask: np.ndarray) -> list[int]:
    """The definition written out pixel by pixel, without planes, windows or crops."""
    height, width = mask.shape
    radius = int(np.ceil(0.008 * np.sqrt(height**2 + width**2)))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x**2 + y**2 <= radius**2).astype(np.uint8)

    def boundary(segment: np.ndarray) -> np.ndarray:
        padded = np.pad(segment, ((0, 1), (0, 1)), mode="edge")
        east, south, south_east = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
        return (segment != east) | (segment != south) | (segment != south_east)

    edges, true_edges = boundary(prediction), boundary(mask)
    grown, true_grown = (cv2.dilate(edge.astype(np.uint8), disk) > 0 for edge in (edges, true_edges))
    pairs = [prediction & mask, prediction, mask, edges, true_edges, edges & true_grown, true_edges & grown]
    return [int(pair.sum()) for pair in pairs]


def _random_masks(random: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Noise of some density, or a few rectangles that overlap and touch borders."""
    if random.random() < 0.3:
        return random.random(shape) < random.choice([0.5, 0.02, 0.001, 0.98])
    masks = np.zeros(shape, bool)
    for mask in masks:
        for _ in range(random.integers(0, 4)):
            top, left = (random.integers(0, size) for size in shape[1:])
            height, width = (random.integers(1, max(2, size // 2)) for size in shape[1:])
            mask[top : top + height, left : left + width] ^= True
    return masks


@pytest.mark.parametrize("width", [1, 2, 63, 64, 65, 127, 128, 129, 200, 321])
def test_counts_follow_the_definition(width: int) -> None:
    random = np.random.default_rng(width)
    for _ in range(15):
        shape = (int(random.integers(1, 11)), int(random.integers(1, 80)), width)
        predictions, masks = _random_masks(random, shape), _random_masks(random, shape)
        expected = [_reference_counts(*pair) for pair in zip(predictions, masks, strict=True)]
        assert count_pixels(predictions, masks).tolist() == expected


@pytest.mark.parametrize("size", [(480, 854), (1080, 1920), (40, 9000)])
def test_counts_at_video_sizes(size: tuple[int, int]) -> None:
    random = np.random.default_rng(size[0])
    predictions, masks = _random_masks(random, (1, *size)), _random_masks(random, (1, *size))
    masks[0, -5:, -5:] = True
    assert count_pixels(predictions, masks).tolist() == [_reference_counts(predictions[0], masks[0])]


def test_void_pixels_are_cleared_before_boundaries_are_drawn() -> None:
    random = np.random.default_rng(0)
    predictions, masks, void = (_random_masks(random, (9, 50, 70)) for _ in range(3))
    assert np.array_equal(count_pixels(predictions, masks, void), count_pixels(predictions & ~void, masks & ~void))


def test_radius_is_eight_thousandths_of_the_diagonal() -> None:
    sizes = [(480, 854), (360, 640), (720, 1280), (1080, 1920), (2160, 3840), (101, 77), (33, 47)]
    assert [boundary_radius(*size) for size in sizes] == [8, 6, 12, 18, 36, 2, 1]


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="one shape"):
        count_pixels(np.zeros((1, 4, 4), bool), np.zeros((1, 4, 5), bool))


def test_no_frames_give_no_counts() -> None:
    counts = count_pixels(np.zeros((0, 4, 4), bool), np.zeros((0, 4, 4), bool))
    assert counts.shape == (0, 7)
    assert region_similarity(counts).shape == contour_accuracy(counts).shape == (0,)


def test_labels_are_counted_each_for_itself() -> None:
    random = np.random.default_rng(1)
    predicted, true = random.integers(0, 4, (2, 5, 30, 70)).astype(np.uint8)
    expected = [count_pixels(predicted == label, true == label).tolist() for label in (3, 1, 9)]
    assert [counts.tolist() for counts in count_labels(predicted, true, (3, 1, 9))] == expected


def test_each_count_is_where_its_name_says() -> None:
    """Counted by hand at a radius of one: a boundary lies half a pixel to the top left of its mask's outline."""
    predictions, masks = np.zeros((2, 1, 40, 60), bool)
    masks[0, 15:25, 5:25] = True  # boundary in rows 14 and 24, columns 4 and 24
    predictions[0, 16, 6] = True  # boundary in rows 15 and 16, columns 5 and 6: inside the corner
    predictions[0, 2, 40:44] = True  # boundary in rows 1 and 2, columns 39 to 43: far from everything
    counts = count_pixels(predictions, masks)
    assert dict(zip(COUNTS, counts[0].tolist(), strict=True)) == {
        "intersection": 1,
        "predicted_area": 1 + 4,
        "true_area": 10 * 20,
        "predicted_boundary": 4 + 10,
        "true_boundary": 2 * 21 + 2 * 9,
        "matched_predicted_boundary": 3,
        "matched_true_boundary": 4,
    }
    assert counts.dtype == count_labels([masks[0].astype(np.uint8)], [masks[0].astype(np.uint8)], [1])[0].dtype
    assert counts.dtype == np.int64


@pytest.mark.parametrize("left", [1, 63, 64, 65, 128])
def test_a_boundary_may_begin_a_word_before_its_mask(left: int) -> None:
    predictions, masks = np.zeros((2, 1, 20, 140), bool)
    predictions[0, 5:15, left : left + 8] = masks[0, 6:15, left : left + 9] = True
    assert count_pixels(predictions, masks).tolist() == [_reference_counts(predictions[0], masks[0])]


def test_empty_frames_count_nothing_and_score_one_without_a_warning() -> None:
    nothing, something = np.zeros((2, 30, 40), bool), np.zeros((2, 30, 40), bool)
    something[:, 3:9, 3:9] = True
    with np.errstate(all="raise"):
        for predictions, masks, score in ((nothing, nothing, 1), (nothing, something, 0), (something, nothing, 0)):
            counts = count_pixels(predictions, masks)
            assert region_similarity(counts).tolist() == contour_accuracy(counts).tolist() == [score] * 2
    assert not count_pixels(nothing, nothing).any()


@pytest.mark.parametrize("size", [(30, 400), (400, 30)])
def test_the_radius_of_labels_is_that_of_the_whole_frame(size: tuple[int, int]) -> None:
    predicted, true = np.random.default_rng(2).integers(0, 2, (2, 1, *size), dtype=np.uint8)
    found = count_labels(predicted, true, (1,))[0]
    assert found.tolist() == [_reference_counts(predicted[0] == 1, true[0] == 1)]


def test_what_is_void_must_have_the_same_shape() -> None:
    masks = np.zeros((1, 4, 4), bool)
    message = r"^predictions \(1, 4, 4\) and masks \(1, 4, 4\) must have one shape \[T, H, W\]$"
    with pytest.raises(ValueError, match=message):
        count_pixels(masks, masks, masks[:, :1])
