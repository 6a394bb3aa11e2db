from __future__ import annotations

import numpy as np
import pytest

from refsam_zoo.inference.legend import colour
from refsam_zoo.inference.overlay import Overlay

GREY = np.full((400, 601, 3), 100, np.uint8)


def square(top: int, left: int, side: int) -> np.ndarray:
    mask = np.zeros(GREY.shape[:2], bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_mask_is_tinted_and_the_rest_left_alone() -> None:
    masks = np.stack([square(50, 50, 100), square(200, 400, 60)])
    overlay = Overlay((400, 601), ["the first", "the second"])
    picture = overlay.draw(GREY, masks)

    assert picture.shape == (*overlay.size, 3)
    assert overlay.size[0] % 2 == overlay.size[1] % 2 == 0, "codecs want even sides"
    assert overlay.size[0] > 400, "the sentences stand below the frame"
    for number, (row, column) in enumerate([(100, 100), (230, 430)]):
        shift = picture[row, column].astype(int) - 100
        assert (np.sign(shift) == np.sign(np.array(colour(number)) - 100)).all()
        assert (abs(shift) < abs(np.array(colour(number)) - 100)).all(), "the frame shines through"
    far = ~(masks[0] | masks[1])
    far[30:170, 30:170] = far[180:280, 380:480] = False
    np.testing.assert_array_equal(picture[:400, :601][far], GREY[far])


def test_outline_has_the_full_colour() -> None:
    picture = Overlay((400, 601), ["it"]).draw(GREY, square(50, 50, 100)[None])
    np.testing.assert_allclose(picture[100, 49], colour(0), atol=2)


def test_nothing_is_drawn_where_nothing_is_found() -> None:
    picture = Overlay((400, 601), ["it"]).draw(GREY, np.zeros((1, 400, 601), bool))
    np.testing.assert_array_equal(picture[:400, :601], GREY)


def test_thin_things_are_not_lost() -> None:
    mask = np.zeros((1, 400, 601), bool)
    mask[0, :, 300] = True
    picture = Overlay((400, 601), ["the line"]).draw(GREY, mask)
    assert (picture[200, 295:306] != 100).any()


def test_small_frames_are_enlarged() -> None:
    overlay = Overlay((96, 128), ["it"])
    picture = overlay.draw(np.full((96, 128, 3), 100, np.uint8), np.zeros((1, 96, 128), bool))
    assert picture.shape[1] == 4 * 128
    assert (picture[: 4 * 96] == 100).all()


@pytest.mark.parametrize("size", [(17, 4001), (1500, 30), (9, 700), (1, 1), (1, 300), (300, 1), (3, 20000)])
def test_strips_are_drawn_within_what_encoders_take(size: tuple[int, int]) -> None:
    overlay = Overlay(size, ["the left part", "the right part"])
    masks = np.zeros((2, *size), bool)
    masks[0, : 1 + size[0] // 2, : 1 + size[1] // 2] = True
    picture = overlay.draw(np.full((*size, 3), 100, np.uint8), masks)
    assert picture.shape == (*overlay.size, 3)
    assert max(overlay.size) <= 16384
    assert (picture[0, 0] != 100).any(), "the mask is seen"
    assert overlay.size[1] >= 200, "the words have room"


@pytest.mark.parametrize("size", [(120, 160), (480, 854), (2160, 3840)])
def test_many_words_do_not_bury_the_frame(size: tuple[int, int]) -> None:
    shown = np.array(size) * max(1, -(-360 // min(size)))
    for sentences in (["word " * 500], ["a cat"] * 60, ["short", "long " * 300, "short too"], ["\u72d7" * 500]):
        height, width = Overlay(size, sentences).size
        assert height <= 1.5 * shown[0] + 2
        assert width == shown[1]
