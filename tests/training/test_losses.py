import pytest
import torch

from refsam_zoo.training.losses import AlignmentLoss, MaskLoss, dice_loss, focal_loss


def test_dice_of_known_values() -> None:
    masks = torch.zeros(1, 2, 2)
    masks[0, 0] = 1
    logits = torch.zeros(1, 2, 2)  # probability one half everywhere
    expected = 1 - (2 * 1 + 1) / (2 + 2 + 1)
    assert dice_loss(logits, masks).item() == pytest.approx(expected)


def test_focal_of_known_values() -> None:
    masks = torch.tensor([[[1.0, 0.0]]])
    loss = focal_loss(torch.zeros(1, 1, 2), masks)
    expected = (0.25 + 0.75) / 2 * 0.25 * torch.tensor(2.0).log()
    torch.testing.assert_close(loss, expected.expand(1))


def test_right_masks_cost_less_than_wrong_ones() -> None:
    masks = torch.zeros(2, 8, 8, dtype=torch.bool)
    masks[:, 2:6, 2:6] = True
    right = (masks.float() - 0.5) * 20
    loss = MaskLoss()
    assert loss(right, masks) < 0.01 < 1 < loss(-right, masks)


def test_alignment_prefers_pixels_that_point_like_the_sentence() -> None:
    sentences = torch.tensor([[1.0, 0.0]])
    pixels = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).t().reshape(1, 1, 2, 1, 2)
    aligned, swapped = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[0.0, 1.0]]]])
    loss, clip_index = AlignmentLoss(weight=1.0), torch.tensor([0])
    assert loss(pixels, sentences, aligned, clip_index) < loss(pixels, sentences, swapped, clip_index)


def test_alignment_weighs_the_objects_of_a_clip_as_much_as_all_else() -> None:
    loss = AlignmentLoss(weight=2.0)
    sentences, pixels = torch.zeros(3, 2), torch.zeros(3, 1, 2, 1, 4)  # every logit is the shift
    hit, missed = torch.nn.functional.softplus(-loss.shift), torch.nn.functional.softplus(loss.shift)
    # two sentences about two cells of one clip, and one about a cell of another clip
    masks = torch.zeros(3, 1, 1, 4)
    masks[0, ..., 0] = masks[1, ..., 1] = masks[2, ..., 3] = 1
    of_objects = (3 * hit + 2 * missed) / 5  # each of the two sentences is wrong about the other one's cell
    torch.testing.assert_close(loss(pixels, sentences, masks, torch.tensor([0, 0, 1])), of_objects + missed)


def test_alignment_without_weight_learns_nothing() -> None:
    assert not any(parameter.requires_grad for parameter in AlignmentLoss().parameters())


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16, torch.float64])
def test_a_frame_is_summed_in_no_less_than_float32(precision: torch.dtype) -> None:
    masks = torch.zeros(1, 512, 512, dtype=torch.bool)
    masks[:, :300] = True
    logits = (masks.double() - 0.5).to(precision)
    torch.testing.assert_close(MaskLoss()(logits, masks).double(), MaskLoss()(logits.double(), masks))
