from __future__ import annotations

import numpy as np

from refsam_zoo.inference.overlay import Overlay, colour, draw_legend

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


def test_long_sentences_are_wrapped() -> None:
    short = draw_legend(300, 16, ["a cat"])
    long = draw_legend(300, 16, ["a cat that sits on the mat and looks at the dog that looks at the cat"])
    assert short.shape[1] == long.shape[1] == 300
    assert len(long) >= len(short) + 2 * 16
    for legend in (short, long):
        background = legend[0, 0]
        assert (legend[:, -8:] == background).all(), "the words end before the edge"
