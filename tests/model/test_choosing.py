from __future__ import annotations

import pytest
import torch
from torch import Tensor

from refsam_zoo.model.candidates import NO_OBJECT
from refsam_zoo.model.choosing import Chooser, geometry, offsets
from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.object_tracks import NOBODY, ObjectTracks

WIDTH, FRAMES = 16, 6
TIME = torch.arange(FRAMES) / (FRAMES - 1)
STILL = torch.full((FRAMES,), 0.5)


def boxes_of(*paths: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Boxes of objects that go along paths, x and y, all seen."""
    centres = torch.stack([torch.stack(path, -1) for path in paths])[None]
    return torch.cat([centres, torch.full_like(centres, 0.2)], -1), torch.ones(centres.shape[:3], dtype=torch.bool)


def test_motion_is_told_by_what_can_be_seen() -> None:
    right, left, down, still = (TIME * 0.4, STILL), (0.9 - TIME * 0.4, STILL), (STILL, TIME * 0.4), (STILL, STILL)
    found = geometry(*boxes_of(right, left, down, still))[0]
    x, y = found[:, 0], found[:, 1]
    assert x.tolist() == pytest.approx([3.2, -3.2, 0, 0], abs=1e-4)
    assert y.tolist() == pytest.approx([0, 0, 3.2, 0], abs=1e-4)
    length, pace = found[:, 6], found[:, 7]
    assert length.tolist() == pytest.approx([2, 2, 2, 0], abs=1e-4)
    assert pace.tolist() == pytest.approx([0.08 * 60] * 3 + [0], abs=1e-3)


def test_a_circle_is_long_but_leads_nowhere() -> None:
    angle = 2 * torch.pi * TIME
    found = geometry(*boxes_of((0.5 + 0.1 * angle.cos(), 0.5 + 0.1 * angle.sin())))[0, 0]
    assert found[:2].tolist() == pytest.approx([0, 0], abs=1e-4)
    assert found[6] > 2


def test_where_an_object_was_hidden_nothing_is_made_up() -> None:
    boxes, seen = boxes_of((TIME * 0.4, STILL))
    hidden = seen.clone()
    hidden[..., 2:4] = False
    nonsense = boxes.clone()
    nonsense[..., 2:4, :2] = 7.0
    shown, full = geometry(nonsense, hidden), geometry(boxes, seen)
    assert shown[..., :4].tolist() == full[..., :4].tolist()
    assert shown.abs().max() < 10


def test_offsets_say_where_the_others_lie() -> None:
    found = offsets(*boxes_of((STILL - 0.3, STILL), (STILL + 0.1, STILL - 0.2)))[0]
    assert found[0, 1, :2].tolist() == pytest.approx([2, -1], abs=1e-4)
    assert found[1, 0, :2].tolist() == pytest.approx([-2, 1], abs=1e-4)
    assert not found[0, 0].any()


def test_order_of_objects_and_places_without_any_do_not_matter() -> None:
    torch.manual_seed(0)
    chooser = Chooser(WIDTH)
    boxes, seen = boxes_of((TIME * 0.4, STILL), (STILL, STILL), (STILL, TIME))
    seen[:, 1] = False
    looks, counts = torch.randn(1, 3, 2 * WIDTH), torch.ones(1, 3)
    language = Language(torch.randn(1, 4, WIDTH), torch.randn(1, WIDTH), torch.ones(1, 4, dtype=torch.bool))
    pinned = torch.full((1,), NOBODY)
    found = chooser(language, ObjectTracks(boxes, seen, looks, counts, pinned))[0]
    assert found[1] == NO_OBJECT
    order = [2, 0]
    alone = ObjectTracks(boxes[:, order], seen[:, order], looks[:, order], counts[:, order], pinned)
    torch.testing.assert_close(chooser(language, alone)[0], found[order])
    nobody = ObjectTracks(boxes, torch.zeros_like(seen), looks, counts, pinned)
    assert (chooser(language, nobody) == NO_OBJECT).all()
