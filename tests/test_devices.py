"""On a GPU nothing is left behind and nothing waits, as far as tensors that only claim to be on one can tell."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_sam2 import with_what_it_needs
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from refsam_zoo import create_model
from refsam_zoo.caching.entries import EntryFolder
from refsam_zoo.caching.features import FeatureCache
from refsam_zoo.model.cross_modal import CrossModalMLP
from refsam_zoo.model.image_encoders.vit_tiny import vit_tiny
from refsam_zoo.model.mask_decoders import MASK_DECODERS
from refsam_zoo.model.mask_decoders.sam import sam_decoder
from refsam_zoo.model.prompts import DENSE_PROMPTS, SPARSE_PROMPTS
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.model.text_encoders import TEXT_ENCODERS
from refsam_zoo.model.text_encoders.clip_tiny import clip_tiny
from refsam_zoo.model.trackers import TRACKERS
from refsam_zoo.model.trackers.track_mlp import track_mlp
from refsam_zoo.model.tuners import TUNERS
from refsam_zoo.systems.predictor import Predictor
from refsam_zoo.training.losses import AlignmentLoss, MaskLoss
from refsam_zoo.training.module import ReferringSegmentation
from refsam_zoo.types import Clip, ClipBatch, Referral, VideoSource

ATEN = torch.ops.aten
SMALL: dict[str, Any] = {"text_encoder": "clip_tiny", "tuner": "adapter"}
SIZES = [[(40, 60), (40, 60)], [(40, 60), (30, 20)]]


class Waits(TorchDispatchMode):
    """Lists what makes the program wait for a GPU: numbers and counts read from it, and blocking copies."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        operator, options = func.overloadpacket, kwargs or {}
        if operator in (ATEN._local_scalar_dense, ATEN.nonzero, ATEN.masked_select) and args[0].is_cuda:
            self.found.append(str(operator))
        target = options.get("device") if operator is ATEN._to_copy else None
        if target is not None and target.type != args[0].device.type and not options.get("non_blocking"):
            self.found.append(f"copy of {list(args[0].shape)} from {args[0].device} to {target}")
        return func(*args, **options)


@pytest.fixture(autouse=True)
def modules_hold_fake_tensors() -> Iterator[None]:
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    yield
    torch.__future__.set_overwrite_module_params_on_conversion(before)


def clip_batch(sizes: list[tuple[int, int]]) -> ClipBatch:
    names = ("0", "1")
    sentences = ["the dog", "a small cat on the left"]
    clips = [
        Clip(
            np.zeros((0, 0, 0, 3), np.uint8),
            names,
            (Referral(sentence, "0", sentence, (1,), names, VideoSource(Path("x"))),),
            (sentence,),
            None,
        )
        for sentence in sentences
    ]
    frames, masks = torch.zeros(2, 2, 3, 40, 60, dtype=torch.uint8), torch.zeros(2, 2, 40, 60, dtype=torch.bool)
    return ClipBatch(frames, sizes, sentences, torch.tensor([0, 1]), masks, clips)


PROMPTLESS = {"sparse_prompt": "no_words", "dense_prompt": "no_dense"}
PARTS = [
    *({"dense_prompt": name} for name in DENSE_PROMPTS),
    *({"sparse_prompt": name} for name in SPARSE_PROMPTS),
    *({"tracker": name} for name in TRACKERS if not TRACKERS.get(name).chooses),
    *({"tracker": name} | PROMPTLESS for name in TRACKERS if TRACKERS.get(name).chooses),
    *({"mask_decoder": name} for name in MASK_DECODERS),
    *({"tuner": name} for name in ("full", "frozen", "lora")),
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: "-".join(part.values()))
def test_every_composition_segments_on_a_gpu_without_waiting(part: dict[str, Any]) -> None:
    model = create_model("refsam_vit_tiny", **with_what_it_needs(SMALL | part))
    learner = copy.deepcopy(model)
    with FakeTensorMode(allow_non_fake_inputs=True), Waits() as waits:
        model = model.to("cuda")
        waits.found.clear()  # moving the weights
        batch = clip_batch(SIZES[1]).to(torch.device("cuda"))
        assert model(batch).low_res_logits.is_cuda
        found, _ = Predictor(model).window(batch)
        assert found.masks.is_cuda
        assert found.scores.is_cuda
    assert waits.found == []
    with FakeTensorMode(allow_non_fake_inputs=True):
        # on another device without numbers: before autograd goes back on a GPU, it asks for the driver
        learner = learner.to("meta").train()
        segmented = learner(clip_batch(SIZES[1]).to(torch.device("meta")))
        compared = [segmented.low_res_logits, *(choice.logits for choice in segmented.choices)]
        compared += [] if segmented.frames.seen is None else [segmented.frames.seen.heat]
        sum(part.sum() for part in compared).backward()
    assert without_gradient(learner, "meta") == []


def test_segmenting_a_video_waits_once_per_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """For its masks, which may be corrected before the next frame; counted as calls, on whatever device."""
    waits: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        real = getattr(torch.Tensor, name)
        return lambda tensor, *args: (waits.append(name), real(tensor, *args))[1]

    for name in ("item", "__bool__", "__int__", "__float__", "tolist", "cpu", "nonzero"):
        monkeypatch.setattr(torch.Tensor, name, counted(name))
    monkeypatch.setattr("refsam_zoo.model.refsam.known_unpadded", lambda mask: False)  # as it says on a GPU
    stream = Predictor(create_model("refsam_vit_tiny", **SMALL)).stream([np.zeros((3, 40, 60, 3), np.uint8)] * 2, "it")
    next(stream)
    waits.clear()  # sentences were encoded
    assert len(list(stream)) == 5
    assert waits == ["cpu"] * 5


def without_gradient(module: nn.Module, device: str) -> list[str]:
    """What learns and got no gradient, or one that is elsewhere."""
    learned = {name: weight.grad for name, weight in module.named_parameters() if weight.requires_grad}
    return [name for name, gradient in learned.items() if gradient is None or gradient.device.type != device]


@pytest.mark.parametrize("name", [name for name in TEXT_ENCODERS if name not in ("t5_3b", "clip")])
def test_every_text_encoder_runs_on_a_gpu_without_waiting(name: str) -> None:
    encoder = TEXT_ENCODERS.build(name, layers=1)
    model = create_model("refsam_vit_tiny", text_encoder=encoder, tuner="frozen")
    with FakeTensorMode(allow_non_fake_inputs=True), Waits() as waits:
        model = model.to("cuda")
        waits.found.clear()
        assert model.encode_text(["the dog", "a small cat on the left", "the dog"]).words.is_cuda
    assert waits.found == []


@pytest.mark.parametrize("sizes", SIZES, ids=["one size", "two sizes"])
def test_a_training_step_does_not_wait(sizes: list[tuple[int, int]]) -> None:
    module = segmentation()
    with FakeTensorMode(allow_non_fake_inputs=True), Waits() as waits:
        module = module.to("cuda:0")
        waits.found.clear()
        batch = clip_batch(sizes).to(torch.device("cuda"))
        assert batch.masks is not None
        assert batch.masks.is_cuda
        assert module.training_step(batch, 0).is_cuda
    assert waits.found == []


def test_gradients_of_the_losses_are_on_the_device() -> None:
    module = segmentation()
    with FakeTensorMode(allow_non_fake_inputs=True):
        module = module.to("meta")
        module.training_step(clip_batch(SIZES[1]).to(torch.device("meta")), 0).backward()
    assert without_gradient(module, "meta") == []


def segmentation() -> ReferringSegmentation:
    return ReferringSegmentation(
        image_encoder=vit_tiny(),
        text_encoder=clip_tiny(),
        tuner=TUNERS.build("adapter"),
        text_tuner=TUNERS.build("frozen"),
        cross_modal=CrossModalMLP(),
        sparse_prompt=SPARSE_PROMPTS.build("word_tokens"),
        dense_prompt=DENSE_PROMPTS.build("hierarchical_dense_attention"),
        mask_decoder=sam_decoder(),
        tracker=track_mlp(),
        loss=MaskLoss(),
        alignment=AlignmentLoss(1.0),
    )


def test_cached_frames_are_found_where_they_are(tmp_path: Path) -> None:
    """An encoder that is elsewhere gets features; the frames, which only the CPU can hash, were never moved to it."""
    model = create_model("refsam_vit_tiny", **SMALL | {"tuner": "frozen"})
    batch = clip_batch(SIZES[0])
    cache = FeatureCache(EntryFolder(tmp_path))
    frames, sizes = batch.to(torch.device("meta")).frames.flatten(0, 1), [size for size in batch.sizes for _ in "01"]
    cache.images(model.image_encoder, frames, sizes)
    misses = cache.misses
    known = cache._fingerprints[id(model.image_encoder)][1]
    encoder = model.image_encoder.to("meta")
    weights = [(tensor, tensor._version) for tensor in encoder.state_dict(keep_vars=True).values()]
    cache._fingerprints[id(encoder)] = weights, known  # what has no values has no fingerprint
    with Waits() as waits:
        features = cache.images(encoder, frames, sizes)
    assert features.final.is_meta
    assert cache.misses == misses
    assert [wait for wait in waits.found if "from meta" in wait] == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.half, torch.double], ids=str)
def test_a_model_computes_in_the_precision_of_its_weights(dtype: torch.dtype) -> None:
    model: RefSAM = create_model("refsam_vit_tiny", **SMALL)
    video = np.random.default_rng(0).integers(0, 256, (2, 40, 60, 3)).astype(np.uint8)
    with torch.no_grad():
        exact = model(clip_batch(SIZES[0])).low_res_logits
        rough = model.to(dtype)(clip_batch(SIZES[0])).low_res_logits
    assert rough.dtype == dtype
    torch.testing.assert_close(rough.float(), exact, atol=0.05 * float(exact.abs().max()), rtol=0)
    assert [found.masks.shape for found in Predictor(model).stream([video], "the dog")] == [(1, 40, 60)] * 2
