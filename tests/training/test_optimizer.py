import pytest
import torch

from refsam_zoo.errors import InputError
from refsam_zoo.training.losses import AlignmentLoss
from refsam_zoo.training.optimizer import LearningRates, Schedule, build_optimizer, build_schedule
from refsam_zoo.zoo import create_model


def test_each_part_has_its_rate_and_frozen_parts_have_none() -> None:
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="adapter")
    optimizer = build_optimizer(model, AlignmentLoss(), LearningRates(), weight_decay=0.01)
    rates = {group["name"]: group["lr"] for group in optimizer.param_groups}
    assert rates["mask_decoder"] == 1e-6
    assert rates["cross_modal"] == rates["dense_prompt"] == rates["tracker"] == rates["image_encoder"] == 1e-4
    assert "text_encoder" not in rates
    optimised = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert optimised == {id(p) for p in model.parameters() if p.requires_grad}


def test_vectors_do_not_decay() -> None:
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="full")
    for group in build_optimizer(model, AlignmentLoss(1.0), LearningRates(), weight_decay=0.1).param_groups:
        decays = any(parameter.ndim > 1 for parameter in group["params"])
        assert group["weight_decay"] == (0.1 if decays else 0.0)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        (Schedule(), [1, 1, 1]),
        (Schedule(warmup_steps=4), [0.25, 1, 1]),
        (Schedule("cosine"), [1, 0.5, 0]),
    ],
)
def test_schedule(schedule: Schedule, factors: list[float]) -> None:
    found = [schedule.factor(step, total_steps=100) for step in (0, 50, 100)]
    assert found == pytest.approx(factors)


def test_the_length_of_a_run_is_not_asked_for_before_its_first_step() -> None:
    asked: list[int] = []
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(()))], lr=1.0)
    schedule = build_schedule(optimizer, Schedule("cosine"), lambda: (asked.append(1), 2.0)[1])
    assert (schedule.get_last_lr(), asked) == ([1.0], [])
    optimizer.step()
    schedule.step()
    assert schedule.get_last_lr() == pytest.approx([0.5])


def test_float16_weights_are_refused() -> None:
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen").half()
    with pytest.raises(InputError, match="16-true cannot train"):
        build_optimizer(model, AlignmentLoss(), LearningRates(), weight_decay=0.01)


def test_frozen_parts_keep_no_gradient() -> None:
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen").train()
    encoded = model.encode_images(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    assert not encoded.image.requires_grad
