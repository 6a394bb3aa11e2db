"""Objects are the same ones in later frames: moving, crossing, hidden, and where there are more than places."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from refsam_zoo.model.candidates import Candidates, centroids, hills, peaks, with_shown, without_copies
from refsam_zoo.model.object_tracks import NOBODY, ObjectTracks, follow, no_tracks

SIDE = 48
RED, BLUE = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])


def disk(x: float, y: float, radius: float = 0.1) -> Tensor:
    places = (torch.arange(SIDE) + 0.5) / SIDE
    return (places - x) ** 2 + (places[:, None] - y) ** 2 < radius**2


def frame(*things: tuple[float, float, Tensor], count: int = 4) -> Candidates:
    """A frame with a disk for each of some (x, y, look), found in that order."""
    masks = torch.stack([disk(x, y) for x, y, _ in things] + [disk(9, 9)] * (count - len(things)))[None]
    looks = torch.stack([look for *_, look in things] + [torch.zeros(2)] * (count - len(things)))[None]
    found = torch.arange(count)[None] < len(things)
    return Candidates(
        torch.zeros(1, 12, 12), torch.zeros(1, count).long(), masks * 20.0 - 10, looks, centroids(masks)[0], found
    )


def followed(frames: list[Candidates], objects: int = 3, length: int = 8) -> tuple[ObjectTracks, list[list[int]]]:
    tracks, who = no_tracks(1, objects, frames[0]), []
    for one in frames:
        tracks, candidates = follow(tracks, one, length)
        who.append(candidates[0].tolist())
    return tracks, who


def test_the_order_of_candidates_does_not_matter() -> None:
    frames = [frame((0.2, 0.2, RED), (0.8, 0.8, BLUE)), frame((0.78, 0.8, BLUE), (0.22, 0.2, RED))]
    tracks, who = followed(frames)
    assert who == [[0, 1, NOBODY], [1, 0, NOBODY]]
    assert tracks.boxes[0, 0, :, 0].tolist() == pytest.approx([0.2, 0.22], abs=0.02)
    assert tracks.counts.tolist() == [[2, 2, 0]]
    assert tracks.looks[0, 0].tolist() == [2, 0]


def test_twins_that_cross_go_on_as_they_went() -> None:
    steps = [0.3, 0.36, 0.42, 0.48, 0.54, 0.6]
    frames = [frame((x, 0.5, RED), (0.9 - x, 0.53, RED)) for x in steps]
    assert followed(frames)[1] == [[0, 1, NOBODY]] * len(steps)


def test_what_was_hidden_is_known_again_where_it_went() -> None:
    shown, hidden = frame((0.2, 0.2, RED), (0.8, 0.8, BLUE)), frame((0.8, 0.8, BLUE))
    tracks, who = followed([shown, hidden, hidden, frame((0.8, 0.8, BLUE), (0.25, 0.2, RED))])
    assert who[1:] == [[NOBODY, 0, NOBODY], [NOBODY, 0, NOBODY], [1, 0, NOBODY]]
    assert tracks.seen[0, 0].tolist() == [True, False, False, True]


def test_another_look_far_away_is_another_object() -> None:
    assert followed([frame((0.1, 0.1, RED)), frame((0.9, 0.9, BLUE))])[1] == [[0, NOBODY, NOBODY], [NOBODY, 0, NOBODY]]


def test_the_place_of_the_one_unseen_for_longest_is_given_away() -> None:
    first, second, third = (0.1, 0.1, RED), (0.9, 0.1, BLUE), (0.5, 0.9, RED - BLUE)
    tracks, who = followed([frame(first, second), frame(second), frame(second, third)], objects=2)
    assert who == [[0, 1], [NOBODY, 0], [1, 0]]
    assert tracks.seen[0, 0].tolist() == [False, False, True]
    assert tracks.looks[0, 0].tolist() == [1, -1]
    assert tracks.counts.tolist() == [[1, 3]]


def test_what_is_kept_is_bounded() -> None:
    tracks, _ = followed([frame((0.2 + 0.01 * step, 0.2, RED)) for step in range(20)], length=5)
    assert tracks.boxes.shape == (1, 3, 5, 4)
    assert tracks.boxes[0, 0, -1, 0].item() == pytest.approx(0.39, abs=0.02)
    assert tracks.counts[0, 0] == 20


def test_rows_do_not_know_of_each_other() -> None:
    one = [frame((0.2, 0.2, RED), (0.8, 0.8, BLUE)), frame((0.7, 0.8, BLUE), (0.22, 0.2, RED))]
    other = [frame((0.5, 0.5, BLUE)), frame((0.1, 0.9, RED), (0.5, 0.55, BLUE))]
    pairs = [Candidates(*map(torch.cat, zip(*both, strict=True))) for both in zip(one, other, strict=True)]
    tracks = no_tracks(2, 3, pairs[0])
    for pair in pairs:
        tracks, candidates = follow(tracks, pair, 8)
    assert candidates.tolist() == [followed(one)[1][-1], followed(other)[1][-1]]
    for together, *alone in zip(tracks, followed(one)[0], followed(other)[0], strict=True):
        torch.testing.assert_close(together, torch.cat(alone))


def test_copies_are_taken_out() -> None:
    masks = torch.stack([disk(0.3, 0.3), disk(0.31, 0.3), disk(0.7, 0.7), disk(0.31, 0.31)])[None]
    assert without_copies(masks, torch.tensor([[True, True, True, True]])).tolist() == [[True, False, True, False]]
    assert without_copies(masks, torch.tensor([[False, True, True, True]])).tolist() == [[False, True, True, False]]


def test_peaks_are_the_highest_of_their_surroundings() -> None:
    heat = torch.zeros(1, 5, 6)
    heat[0, 1, 1], heat[0, 1, 2], heat[0, 4, 5], heat[0, 3, 0] = 5.0, 4.0, 3.0, -1.0
    scores, cells = peaks(heat, 2)
    assert scores.tolist() == [[5, 3]]
    assert cells.tolist() == [[7, 29]]
    assert [part.shape for part in peaks(heat, 40)] == [(1, 40), (1, 40)]


def test_a_box_is_a_rectangles_own() -> None:
    mask = torch.zeros(1, 1, 40, 40, dtype=torch.bool)
    mask[..., 10:30, 4:12] = True
    (box,), area = centroids(mask)[0][0], centroids(mask)[1]
    assert box.tolist() == pytest.approx([0.2, 0.5, 0.2, 0.5], abs=0.01)
    assert area.item() == pytest.approx(0.1)


def test_a_hill_is_highest_at_its_cell() -> None:
    cells = torch.tensor([[7, 22]])
    found = hills(torch.zeros(1, 2, 6), cells, (4, 6))
    assert found.shape == (1, 2, 16, 24)
    for hill, cell in zip(found[0], cells[0].tolist(), strict=True):
        row, column = divmod(int(hill.argmax()), 24)
        assert (row // 4, column // 4) == divmod(cell, 6)


def test_what_is_shown_is_a_candidate_or_becomes_one() -> None:
    seen, image = frame((0.2, 0.2, RED), (0.8, 0.8, BLUE)), torch.randn(1, 1, 12, 12)
    same, index = with_shown(seen, disk(0.81, 0.8)[None] * 20.0 - 10, image)
    assert index.tolist() == [1]
    assert same.found.tolist() == [[True, True, False, False, False]]
    new, index = with_shown(seen, disk(0.5, 0.5)[None] * 20.0 - 10, image)
    assert index.tolist() == [4]
    assert new.found.tolist() == [[True, True, False, False, True]]
    assert new.boxes[0, 4, :2].tolist() == pytest.approx([0.5, 0.5], abs=0.01)
    nothing, _ = with_shown(seen, torch.full((1, SIDE, SIDE), -10.0), image)
    assert nothing.found.tolist() == [[True, True, False, False, False]]
