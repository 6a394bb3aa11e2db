import math
from dataclasses import asdict, fields

import pytest
import torch
from lightning.pytorch.plugins.precision import MixedPrecision

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


def test_the_default_rates_are_the_papers() -> None:
    """1e-6 for SAM's decoder and 1e-4 for everything else."""
    assert asdict(LearningRates()) == {
        "cross_modal": 1e-4,
        "sparse_prompt": 1e-4,
        "dense_prompt": 1e-4,
        "mask_decoder": 1e-6,
        "tracker": 1e-4,
        "image_encoder": 1e-4,
        "text_encoder": 1e-4,
    }


def test_every_part_is_trained_at_its_own_rate() -> None:
    parts = {"sparse_prompt": "word_attention", "tuner": "full", "text_tuner": "full"}
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", **parts)
    alignment = AlignmentLoss(1.0)
    names = [field.name for field in fields(LearningRates)]
    rates = LearningRates(*(float(number) for number in range(1, len(names) + 1)))
    groups = {group["name"]: group for group in build_optimizer(model, alignment, rates, 0.1).param_groups}
    assert set(groups) == {*names, *(f"{name}_vectors" for name in names), "alignment"}
    for number, name in enumerate(names, 1):
        both = groups[name], groups[f"{name}_vectors"]
        assert [(group["lr"], group["weight_decay"]) for group in both] == [(number, 0.1), (number, 0.0)]
        trained = {id(p) for p in getattr(model, name).parameters() if p.requires_grad}
        assert {id(p) for group in both for p in group["params"]} == trained
    assert groups["alignment"]["params"] == list(alignment.parameters())
    assert (groups["alignment"]["lr"], groups["alignment"]["weight_decay"]) == (rates.cross_modal, 0.0)


def test_an_alignment_loss_that_is_off_has_no_group() -> None:
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen")
    groups = build_optimizer(model, AlignmentLoss(), LearningRates(), weight_decay=0.01).param_groups
    assert "alignment" not in {group["name"] for group in groups}


@pytest.mark.parametrize(
    ("schedule", "total", "factors"),
    [
        (Schedule("cosine", warmup_steps=4), 12, {0: 0.25, 3: 1, 4: 1, 8: 0.5, 12: 0}),
        (Schedule("cosine"), 10, {10: 0, 11: 0, 15: 0, 20: 0}),
        (Schedule("cosine", warmup_steps=9), 10, {8: 1, 9: 1, 10: 0}),
        (Schedule("cosine", warmup_steps=10), 10, {9: 1, 10: 1, 11: 0}),
        (Schedule("cosine", warmup_steps=20), 10, {9: 0.5, 10: 0.55, 20: 1}),
        (Schedule("cosine"), math.inf, {0: 1, 10**6: 1}),
    ],
    ids=["after warm-up", "past the end", "one step after", "warm-up to the end", "past warm-up", "endless"],
)
def test_a_cosine_begins_after_warm_up_and_stays_at_zero(
    schedule: Schedule, total: float, factors: dict[int, float]
) -> None:
    assert {step: schedule.factor(step, total) for step in factors} == pytest.approx(factors)


def test_what_is_frozen_may_be_float16() -> None:
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen")
    model.image_encoder.half()
    assert build_optimizer(model, AlignmentLoss(), LearningRates(), weight_decay=0.01).param_groups
    with pytest.raises(InputError, match=r"^16-true cannot train: .*; take --trainer\.precision 16-mixed$"):
        build_optimizer(model.half(), AlignmentLoss(), LearningRates(), weight_decay=0.01)


def test_gradients_can_be_clipped_where_they_are_scaled() -> None:
    """Lightning refuses to clip those of an optimizer that unscales them within its step, as a fused one can."""
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen")
    optimizer = build_optimizer(model, AlignmentLoss(), LearningRates(), weight_decay=0.01)
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.ones_like(parameter)
    MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu")).clip_gradients(optimizer, 0.5)
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
    assert torch.nn.utils.get_total_norm(gradients) == pytest.approx(0.5, rel=1e-3)
