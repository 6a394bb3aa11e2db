"""A program that has set another default dtype or device than PyTorch's own gets the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from refsam_zoo import create_model
from refsam_zoo.caching.entries import EntryFolder
from refsam_zoo.caching.features import FeatureCache
from refsam_zoo.clips.loading import Delivery
from refsam_zoo.data_modules.ref_shapes import RefShapes
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.systems.predictor import Predictor
from refsam_zoo.training.losses import AlignmentLoss, MaskLoss
from refsam_zoo.types import ClipBatch

SENTENCES = ["the red square", "the very small green circle on the left", "the red square"]
OTHER_DTYPES = [torch.float64, torch.bfloat16, torch.float16]
PARTS = [
    {"tracker": "track_mlp", "dense_prompt": "hierarchical_dense_attention", "tuner": "adapter"},
    {"tracker": "query_interaction", "dense_prompt": "tempered_dense_attention", "tuner": "lora"},
    {"tracker": "frame_memory", "dense_prompt": "two_way_dense_attention", "tuner": "frozen"},
    {"tracker": "no_tracker", "sparse_prompt": "word_attention", "dense_prompt": "sentence_sum", "tuner": "full"},
]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)


def build(parts: dict[str, str]) -> RefSAM:
    torch.manual_seed(0)
    return create_model("refsam_vit_tiny", text_encoder="clip_tiny", **parts).eval()


def clip() -> ClipBatch:
    """Two clips of two sizes and two frames, one of them asked about twice."""
    random = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (2, 2, 3, 40, 60), dtype=torch.uint8, generator=random)
    masks = torch.rand(3, 2, 40, 60, generator=random) < 0.3
    return ClipBatch(frames, [(40, 60), (30, 20)], SENTENCES, torch.tensor([0, 0, 1]), masks, clips=[])


def loss_of(model: RefSAM, batch: ClipBatch) -> Tensor:
    logits = model(batch).low_res_logits
    restored = model.restore(logits.flatten(0, 1), (40, 60)).unflatten(0, logits.shape[:2])
    assert batch.masks is not None
    return MaskLoss()(restored, batch.masks)


def numbers(model: RefSAM, batch: ClipBatch) -> list[Tensor]:
    """Logits, loss and gradients; nothing that was made before is made anew."""
    model.zero_grad()
    loss = loss_of(model, batch)
    loss.backward()
    with torch.no_grad():
        logits = model(batch).low_res_logits
    return [logits, loss.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


@pytest.mark.parametrize("parts", PARTS, ids=lambda parts: parts["tracker"])
@pytest.mark.parametrize("dtype", OTHER_DTYPES, ids=str)
def test_a_model_computes_in_the_dtype_of_its_weights(dtype: torch.dtype, parts: dict[str, str]) -> None:
    model, batch = build(parts), clip()
    expected = numbers(model, batch)
    torch.set_default_dtype(dtype)
    found = numbers(model, batch)
    assert len(found) == len(expected)
    assert all(map(torch.equal, found, expected))
    assert {tensor.dtype for tensor in found} == {torch.float32}


@pytest.mark.parametrize("parts", PARTS, ids=lambda parts: parts["tracker"])
def test_a_model_made_in_another_dtype_has_it_throughout(parts: dict[str, str]) -> None:
    reference, batch = build(parts), clip()
    expected = numbers(reference, batch)
    torch.set_default_dtype(torch.float64)
    model = build(parts)
    model.load_state_dict(reference.state_dict())
    assert {tensor.dtype for tensor in model.state_dict().values() if tensor.is_floating_point()} == {torch.float64}
    found = numbers(model, batch)
    assert {tensor.dtype for tensor in found[2:]} == {torch.float64}
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.float(), other, atol=1e-5, rtol=1e-3)


def test_a_model_that_is_made_in_bfloat16_by_default_can_be_run() -> None:
    reference, batch = build(PARTS[0]), clip()
    with torch.no_grad():
        expected = reference(batch).low_res_logits
        torch.set_default_dtype(torch.bfloat16)
        model = build(PARTS[0])
        model.load_state_dict(reference.state_dict())
        found = model(batch).low_res_logits
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=0.02, rtol=0)


def test_on_another_default_device_a_model_computes_where_its_weights_are(tmp_path: Path) -> None:
    """The device that holds no numbers shows what would have gone astray; a GPU would have hidden it."""
    model, batch = build(PARTS[0]), clip()
    expected, (masks, *_) = numbers(model, batch), predicted(model)
    torch.set_default_device("meta")
    assert all(map(torch.equal, numbers(model, batch), expected))
    np.testing.assert_array_equal(predicted(model)[0], masks)
    model.requires_grad_(False)
    model.features = FeatureCache(EntryFolder(tmp_path))
    computed, kept = (model(batch).low_res_logits for _ in range(2))
    assert torch.equal(computed, kept)


@pytest.mark.parametrize("dtype", OTHER_DTYPES, ids=str)
def test_masks_are_the_same(dtype: torch.dtype) -> None:
    model = build(PARTS[0])
    expected = predicted(model)
    torch.set_default_dtype(dtype)
    np.testing.assert_array_equal(predicted(model), expected)


def predicted(model: RefSAM) -> np.ndarray:
    frames = np.random.default_rng(0).integers(0, 256, (3, 48, 64, 3)).astype(np.uint8)
    masks = np.stack([found.masks for found in Predictor(model).stream(iter([frames]), SENTENCES[:2])])
    assert masks.any()
    assert not masks.all()
    return masks


@pytest.mark.parametrize("dtype", OTHER_DTYPES, ids=str)
def test_losses_are_those_of_the_logits(dtype: torch.dtype) -> None:
    random = torch.Generator().manual_seed(0)
    logits, masks = torch.randn(3, 2, 20, 30, generator=random), torch.rand(3, 2, 20, 30, generator=random) < 0.3
    expected = MaskLoss()(logits, masks)
    torch.set_default_dtype(dtype)
    found = MaskLoss()(logits, masks)
    assert torch.equal(found, expected)
    assert {p.dtype for p in AlignmentLoss(1.0).parameters()} == {dtype}


@pytest.mark.parametrize("device", [None, "meta"])
@pytest.mark.parametrize("dtype", OTHER_DTYPES[:2], ids=str)
def test_batches_are_the_same(ref_shapes: Path, dtype: torch.dtype, device: str | None) -> None:
    def batches() -> list[ClipBatch]:
        data = RefShapes(ref_shapes, workers=0, clip_frames=2, batch_size=2, epoch_length=4)
        data.setup("fit")
        loader = data.train_dataloader()  # torch's own, within it, draws a number on the default device
        drawn = (Delivery.of([loader.dataset[draw] for draw in draws]) for draws in loader.batch_sampler)
        return [delivery.batch for delivery in drawn if delivery.batch is not None]

    expected = batches()
    assert len(expected) == 2
    torch.set_default_dtype(dtype)
    torch.set_default_device(device)
    for one, other in zip(batches(), expected, strict=True):
        assert (one.sizes, one.expressions) == (other.sizes, other.expressions)
        assert one.masks is not None
        assert other.masks is not None
        for name in ("frames", "clip_index", "masks"):
            assert torch.equal(getattr(one, name), getattr(other, name))
            assert getattr(one, name).dtype == getattr(other, name).dtype
