from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refsam_zoo.clips.augmentation import (
    WHOLE,
    Change,
    ClipAugmentation,
    PseudoClipAugmentation,
    colour_matrix,
    import_albumentations,
    swap_sides,
)
from refsam_zoo.errors import InputError
from refsam_zoo.types import Clip, Referral, VideoSource

REFERRAL = Referral("v", "0", "the cat on the left", (1,), ("0",), VideoSource(Path("v")))


def make_clip(frames: int = 4, height: int = 60, width: int = 90) -> Clip:
    """Two targets that move over black: the frames show in red and green exactly what the masks say."""
    masks = np.zeros((2, frames, height, width), bool)
    for time in range(frames):
        masks[0, time, 5:25, 5 + 4 * time : 30 + 4 * time] = True
        masks[1, time, 35:55, 60 - 3 * time : 80 - 3 * time] = True
    pictures = np.zeros((frames, height, width, 3), np.uint8)
    pictures[..., 0][masks[0]] = 255
    pictures[..., 1][masks[1]] = 255
    names = tuple(str(time) for time in range(frames))
    return Clip(pictures, names, (REFERRAL, REFERRAL), ("the cat on the left", "a dog"), masks)


def agree(clip: Clip) -> float:
    """Least share of the pixels, over expressions and frames, where thresholded colour and mask are the same."""
    assert clip.masks is not None
    shown = np.stack([clip.frames[..., 0] > 127, clip.frames[..., 1] > 127])
    return float((shown == clip.masks).mean(axis=(2, 3)).min())


@pytest.mark.parametrize("seed", range(30))
def test_masks_follow_the_frames_exactly(seed: int) -> None:
    clip = ClipAugmentation(flip=0.5, crop=1.0, scale=(0.5, 0.9), colour=0.0)(make_clip(), np.random.default_rng(seed))
    assert clip.masks is not None
    assert clip.masks.shape == (2, *clip.frames.shape[:3])
    assert clip.masks.dtype == bool
    assert agree(clip) == 1


def test_windows_have_sizes_in_the_range_asked_for() -> None:
    augment = ClipAugmentation(flip=0.0, crop=1.0, scale=(0.8, 0.9), colour=0.0)
    sizes = np.array([augment(make_clip(), np.random.default_rng(seed)).frames.shape[1:3] for seed in range(50)])
    assert sizes.min(axis=0).tolist() == [48, 72]
    assert sizes.max(axis=0).tolist() == [54, 81]


@st.composite
def striped_clips(draw: st.DrawFn) -> Clip:
    """A target of upright or level stripes that the frames show exactly: 255 inside, 0 outside."""
    height, width, frames = draw(st.integers(4, 70)), draw(st.integers(4, 70)), draw(st.integers(1, 3))
    stripes = np.random.default_rng(draw(st.integers(0, 2**32))).random((frames, width)) < draw(st.floats(0, 1))
    masks = np.repeat(stripes[:, None], height, axis=1)
    if draw(st.booleans()):
        masks = np.swapaxes(masks, 1, 2)
    masks = np.ascontiguousarray(masks)[None]
    pictures = np.repeat(np.where(masks[0], 255, 0).astype(np.uint8)[..., None], 3, axis=-1)
    names = tuple(str(time) for time in range(frames))
    return Clip(pictures, names, (REFERRAL,), ("the stripes",), masks)


@given(
    clip=striped_clips(),
    smallest=st.floats(0.1, 1),
    kind=st.sampled_from((ClipAugmentation, PseudoClipAugmentation)),
    seed=st.integers(0, 2**32),
)
def test_the_mask_follows_the_image_exactly(
    clip: Clip, smallest: float, kind: type[ClipAugmentation], seed: int
) -> None:
    augment = kind(flip=0.5, crop=1.0, scale=(smallest, 1.0), colour=0.0)
    after = augment(deepcopy(clip), np.random.default_rng(seed))
    assert after.masks is not None
    assert after.masks.shape == (1, *after.frames.shape[:3])
    if kind is PseudoClipAugmentation:
        assert after.frames.shape == clip.frames.shape
    shown = after.frames[..., 0]
    # Between two stripes a frame is interpolated: the mask must change where the colour passes the middle. Only a pixel
    # whose centre falls on the middle belongs to neither side.
    clear = (shown < 120) | (shown > 135)
    np.testing.assert_array_equal((shown > 127)[clear], after.masks[0][clear])


@given(clip=striped_clips(), seed=st.integers(0, 2**32))
def test_colours_leave_masks_and_places_alone(clip: Clip, seed: int) -> None:
    after = ClipAugmentation(flip=0.0, crop=0.0, colour=0.5, hue=0.1)(deepcopy(clip), np.random.default_rng(seed))
    np.testing.assert_array_equal(after.masks, clip.masks)
    if clip.masks is not None and clip.masks.any() and not clip.masks.all():
        assert after.frames[clip.masks[0]].min() > after.frames[~clip.masks[0]].max()


def test_colours_are_brightness_contrast_saturation_and_hue() -> None:
    clip = make_clip(frames=2, height=16, width=24)
    frames = clip.frames[:] = np.random.default_rng(0).integers(60, 180, (2, 16, 24, 3), dtype=np.uint8)
    grey = frames @ np.array([0.299, 0.587, 0.114])
    mean = float(grey.mean())

    def changed(brightness: float, contrast: float, saturation: float, hue: float) -> np.ndarray:
        return Change(*WHOLE, False, colour_matrix(brightness, contrast, saturation, hue, mean))(deepcopy(clip)).frames

    np.testing.assert_array_equal(changed(1, 1, 1, 0), frames)
    np.testing.assert_allclose(changed(1.3, 1, 1, 0), 1.3 * frames, atol=0.75)
    # OpenCV computes in fixed point: up to a quarter of a grey level besides rounding
    np.testing.assert_allclose(changed(1, 0.6, 1, 0), 0.6 * frames + 0.4 * mean, atol=0.75)
    np.testing.assert_allclose(changed(1, 1, 0, 0), np.stack([grey] * 3, axis=-1), atol=0.75)
    np.testing.assert_array_equal(changed(1, 1, 1, 1 / 3), np.roll(frames, 1, axis=-1))
    np.testing.assert_array_equal(changed(2, 1, 1, 0).max(), 255)


@pytest.mark.parametrize("seed", range(30))
def test_every_target_keeps_a_quarter_of_its_pixels(seed: int) -> None:
    before = make_clip()
    after = ClipAugmentation(flip=0, crop=1.0, scale=(0.3, 0.3), colour=0.0)(
        deepcopy(before), np.random.default_rng(seed)
    )
    assert before.masks is not None
    assert after.masks is not None
    assert after.frames.shape[1:3] in ((18, 27), (60, 90))  # the whole where no window kept both targets
    assert np.all(after.masks.sum((1, 2, 3)) >= 0.25 * before.masks.sum((1, 2, 3)))


def test_every_frame_of_a_clip_is_changed_alike() -> None:
    still = make_clip(frames=1)
    assert still.masks is not None
    rng = np.random.default_rng(1)
    still.frames[:] = rng.integers(0, 255, still.frames.shape, dtype=np.uint8)
    clip = Clip(
        np.repeat(still.frames, 5, 0), tuple("abcde"), still.referrals, still.expressions, np.repeat(still.masks, 5, 1)
    )
    for seed in range(10):
        after = ClipAugmentation(flip=0.5, crop=0.5, colour=0.5, hue=0.1)(deepcopy(clip), np.random.default_rng(seed))
        assert np.all(after.frames == after.frames[:1])
        assert after.masks is not None
        assert np.all(after.masks == after.masks[:, :1])


@pytest.mark.parametrize("seed", range(10))
def test_the_frames_of_a_pseudo_clip_differ_but_keep_their_masks(seed: int) -> None:
    image = make_clip(frames=1)
    assert image.masks is not None
    clip = Clip(
        np.repeat(image.frames, 4, 0), tuple("abcd"), image.referrals, image.expressions, np.repeat(image.masks, 4, 1)
    )
    after = PseudoClipAugmentation(flip=0.5, crop=1.0, colour=0.0)(deepcopy(clip), np.random.default_rng(seed))
    assert after.frames.shape == clip.frames.shape
    assert any((after.frames[0] != after.frames[time]).any() for time in range(1, 4))
    assert agree(after) > 0.97
    left = after.frames[..., 0].astype(int).sum((0, 1)).argmax() < after.frames[..., 1].astype(int).sum((0, 1)).argmax()
    assert left == (after.expressions[0] == "the cat on the left")


def test_the_same_seed_gives_the_same_clip_and_another_seed_another() -> None:
    augmentation = ClipAugmentation(colour=0.5, hue=0.1)
    first, again, other = (augmentation(make_clip(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.frames, again.frames)
    assert first.expressions == again.expressions
    assert not np.array_equal(first.frames, other.frames)


@pytest.mark.parametrize("kind", [ClipAugmentation, PseudoClipAugmentation])
def test_transforms_of_albumentations_reach_every_frame_and_mask(kind: type[ClipAugmentation]) -> None:
    albumentations = import_albumentations()
    transforms = [albumentations.Rotate((90, 90), p=1.0), albumentations.InvertImg(p=1.0)]
    clip = make_clip(height=60, width=60)
    after = kind(flip=0, crop=0, colour=0, transforms=transforms)(deepcopy(clip), np.random.default_rng(0))
    assert clip.masks is not None
    np.testing.assert_array_equal(after.masks, np.rot90(clip.masks, axes=(2, 3)))
    inside = np.ones((60, 60), bool)
    inside[[0, -1]] = inside[:, [0, -1]] = False  # the border is interpolated
    np.testing.assert_array_equal(after.frames[:, inside], np.rot90(255 - clip.frames, axes=(1, 2))[:, inside])


def test_transforms_follow_the_seed_of_the_clip() -> None:
    augment = ClipAugmentation(0, 0, colour=0, transforms=[import_albumentations().GaussNoise(p=1.0)])
    first, again, other = (augment(make_clip(), np.random.default_rng(seed)).frames for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_transforms_that_make_no_pictures_are_refused() -> None:
    augment = ClipAugmentation(0, 0, colour=0, transforms=[import_albumentations().ToFloat(p=1.0)])
    with pytest.raises(InputError, match=r"must stay uint8 \[T, H, W, 3\], they became float32 \[4, 60, 90, 3\]"):
        augment(make_clip(), np.random.default_rng(0))


def test_a_mirrored_clip_swaps_pixels_masks_and_words() -> None:
    clip = make_clip()
    assert clip.masks is not None
    mirrored = ClipAugmentation(flip=1, crop=0, colour=0)(deepcopy(clip), np.random.default_rng(0))
    np.testing.assert_array_equal(mirrored.frames, clip.frames[:, :, ::-1])
    np.testing.assert_array_equal(mirrored.masks, clip.masks[..., ::-1])
    assert mirrored.expressions == ("the cat on the right", "a dog")
    assert mirrored.referrals[0].expression == "the cat on the left"


def test_clips_without_ground_truth_are_augmented_too() -> None:
    clip = make_clip()
    clip.masks = None
    for kind in (ClipAugmentation, PseudoClipAugmentation):
        after = kind(flip=1, crop=1, colour=0.3)(deepcopy(clip), np.random.default_rng(0))
        assert after.masks is None
        assert after.frames.shape[0] == clip.frames.shape[0]


@pytest.mark.parametrize(
    ("expression", "swapped"),
    [
        ("the left cat", "the right cat"),
        ("Left of the right one", "Right of the left one"),
        ("LEFT", "RIGHT"),
        ("the leftmost and the rightmost", "the rightmost and the leftmost"),
        ("moving leftwards", "moving rightwards"),
        ("bottom-left, left-hand side", "bottom-right, right-hand side"),
        ("the leftover is bright, copyright, upright", "the leftover is bright, copyright, upright"),
        ("a dog", "a dog"),
    ],
)
def test_sides_are_swapped_as_whole_words(expression: str, swapped: str) -> None:
    assert swap_sides(expression) == swapped
    assert swap_sides(swapped) == expression
