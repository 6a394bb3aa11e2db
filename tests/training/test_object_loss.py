from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from refsam_zoo.model.candidates import NO_OBJECT, Candidates, centroids
from refsam_zoo.model.object_tracks import NOBODY
from refsam_zoo.model.trackers.base import Choice
from refsam_zoo.training.object_loss import (
    ObjectLoss,
    assigned,
    choice_loss,
    finding_loss,
    objects_and_meant,
)
from refsam_zoo.types import Clip, ClipBatch

GRID, SIDE = 6, 24


def block(row: int, column: int, size: int = 4) -> Tensor:
    mask = torch.zeros(SIDE, SIDE)
    mask[row : row + size, column : column + size] = 1
    return mask


def candidates(heat: Tensor, cells: list[list[int]], logits: Tensor) -> Candidates:
    count = len(cells[0])
    nothing = torch.zeros(len(cells), count, 4)
    return Candidates(heat, torch.tensor(cells), logits, nothing, nothing, torch.ones(len(cells), count).bool())


def boxes_of(*masks: Tensor) -> tuple[Tensor, Tensor]:
    boxes, areas = centroids(torch.stack(masks)[None] > 0.5)
    return boxes, areas > 0


def test_a_candidate_is_the_object_at_whose_middle_it_lies() -> None:
    boxes, there = boxes_of(block(4, 4), block(16, 12), torch.zeros(SIDE, SIDE))
    # middles lie at cell (1.5, 1.5) and (4.5, 3.5): cells 7 and 27; 8 is a second best, 0 and 35 are far away
    found = candidates(torch.zeros(1, GRID, GRID), [[27, 8, 7, 0, 35]], torch.zeros(1, 5, SIDE, SIDE))
    assert assigned(found, boxes, there).tolist() == [[1, NOBODY, 0, NOBODY, NOBODY]]
    assert assigned(found, boxes, torch.zeros_like(there)).tolist() == [[NOBODY] * 5]


def test_finding_costs_least_where_the_middles_are() -> None:
    boxes, there = boxes_of(block(4, 4), block(16, 12))
    right = torch.full((1, GRID, GRID), -6.0)
    right[0, 1, 1] = right[0, 4, 3] = 6.0
    shifted = right.roll(3, 2)
    assert finding_loss(right, boxes, there) < 0.01
    assert finding_loss(shifted, boxes, there) > 5
    beside = right.clone()
    beside[0, 1, 2] = 6.0
    far = right.clone()
    far[0, 5, 0] = 6.0
    assert finding_loss(right, boxes, there) < finding_loss(beside, boxes, there) < finding_loss(far, boxes, there)
    assert finding_loss(torch.full((1, GRID, GRID), -8.0), boxes, torch.zeros_like(there)) < 0.01


def choice(logits: list[float], who: list[int]) -> Choice:
    return Choice(torch.tensor([logits]), torch.tensor([who]))


def test_the_right_choice_costs_little() -> None:
    objects = torch.tensor([[[0, 1]]])  # candidate 0 is object 0
    meant = torch.tensor([[False, True]])
    right, wrong = choice([-9.0, 9.0, NO_OBJECT], [0, 1, NOBODY]), choice([9.0, -9.0, NO_OBJECT], [0, 1, NOBODY])
    assert choice_loss([right], objects, meant) < 0.01
    assert choice_loss([wrong], objects, meant) > 10
    nobody = choice([-9.0, -9.0, NO_OBJECT], [0, 1, NOBODY])
    assert choice_loss([nobody], objects, torch.tensor([[False, False]])) < 0.01
    both = choice([9.0, 9.0, NO_OBJECT], [0, 1, NOBODY])
    shared = math.log(2)  # of two objects that are both meant, each has half of the probability
    assert choice_loss([both], objects, torch.tensor([[True, True]])).item() == pytest.approx(shared, abs=0.01)
    assert choice_loss([right], objects, torch.tensor([[True, True]])) > 4


def test_an_object_that_is_hidden_is_still_the_one() -> None:
    """In the second frame the first track is seen in no candidate, and the only candidate is the second track."""
    objects = torch.tensor([[[0, 1], [1, NOBODY]]])
    meant = torch.tensor([[True, False]])
    frames = [choice([9.0, -9.0], [0, 1]), choice([9.0, -9.0], [NOBODY, 0])]
    assert choice_loss(frames, objects, meant) < 0.01


def test_what_was_not_found_yet_costs_nothing() -> None:
    unknown = choice([3.0, NO_OBJECT], [0, NOBODY])
    assert choice_loss([unknown], torch.tensor([[[0, NOBODY]]]), torch.tensor([[False, True]])) == 0


def batch() -> ClipBatch:
    """Two clips of two frames, of unequal size, with two objects and one."""
    first = torch.stack([block(4, 4), block(12, 16)]).bool()[:, None].expand(-1, 2, -1, -1)
    second = torch.zeros(1, 2, 12, 24, dtype=torch.bool)
    second[..., 2:6, 2:6] = True
    masks = torch.zeros(3, 2, SIDE, SIDE, dtype=torch.bool)
    masks[0], masks[1], masks[2, :, :12] = first[1], first.any(0), second[0]
    clips = [Clip(torch.zeros(0).numpy(), ("0", "1"), (), ("a",) * count, None) for count in (2, 1)]
    frames = torch.zeros(2, 2, 3, SIDE, SIDE, dtype=torch.uint8)
    sentences = ["a", "a", "a"]
    index = torch.tensor([0, 0, 1])
    return ClipBatch(frames, [(SIDE, SIDE), (12, 24)], sentences, index, masks, clips, [first, second])


def test_objects_of_clips_of_unequal_size() -> None:
    objects, meant = objects_and_meant(batch(), SIDE)
    assert objects.shape == (2, 2, 2, SIDE, SIDE)
    assert meant.tolist() == [[False, True], [True, True], [True, False]]
    assert torch.equal(objects[0, 0, 0], block(4, 4))
    assert torch.equal(objects[1, 0, 1], block(2, 2))
    assert not objects[1, 1].any()


def test_the_whole_loss_falls_to_nothing_and_has_its_weights() -> None:
    objects, meant = objects_and_meant(batch(), SIDE)
    heat = torch.full((4, GRID, GRID), -8.0)
    heat[:2, 1, 1] = heat[:2, 3, 4] = heat[2:, 0, 0] = heat[2:, 1, 1] = 8.0
    masks = torch.stack([block(4, 4), block(12, 16)]).expand(2, -1, -1, -1)
    other = torch.stack([block(2, 2), torch.zeros(SIDE, SIDE)]).expand(2, -1, -1, -1)
    logits = torch.cat([masks, other]) * 40 - 20
    found = candidates(heat, [[7, 22], [7, 22], [7, 35], [7, 35]], logits)
    picked = torch.tensor([[-9.0, 9.0], [9.0, 9.0], [9.0, -9.0]])
    choices = [Choice(picked, torch.tensor([[0, 1], [0, 1], [0, 1]]))] * 2
    index = torch.tensor([0, 0, 1])
    loss = ObjectLoss()(found, choices, objects, meant, index)
    # one of the three sentences is about both objects
    assert loss.item() == pytest.approx(math.log(2) / 3, abs=0.1)
    bad = found._replace(logits=-found.logits)
    worse = ObjectLoss()(bad, choices, objects, meant, index)
    assert worse > loss + 1
    assert ObjectLoss(mask_weight=0.0)(bad, choices, objects, meant, index) == pytest.approx(
        float(ObjectLoss(mask_weight=0.0)(found, choices, objects, meant, index))
    )


def test_without_all_objects_the_message_says_what_to_set(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from refsam_zoo.cli import main

    arguments = ["fit", "--config", "configs/demo.yaml", "--data.root", str(tmp_path / "data"), "--data.workers", "0"]
    arguments += ["--data.synthesis.train_videos", "2", "--data.synthesis.val_videos", "1"]
    arguments += [f"--data.synthesis.{split}_videos=0" for split in ("test", "motion", "relation", "occlusion")]
    arguments += ["--data.synthesis.unseen_videos=0", "--model.tracker", "candidate_tracks", "--trainer.max_steps=1"]
    assert main([*arguments, f"--trainer.default_root_dir={tmp_path / 'run'}"]) == 2
    assert "--data.all_objects true" in capfd.readouterr().err
