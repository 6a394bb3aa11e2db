"""Points, boxes and earlier masks have the numbers of the segment_anything package."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from segment_anything.modeling import MaskDecoder

from refsam_zoo import create_model
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.image_encoders.vit_tiny import vit_tiny
from refsam_zoo.model.pointing import segment_by_mask, segment_by_points, segment_by_track
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.model.text_encoders.clip_tiny import clip_tiny
from refsam_zoo.model.trackers import TRACKERS

SIDE = 64


def model_with(tracker: str = "track_mlp", dtype: torch.dtype = torch.float32) -> RefSAM:
    torch.manual_seed(0)
    parts: dict[str, Any] = {"tracker": tracker}
    if tracker == "sam2_memory":
        from small_sam2 import with_what_it_needs

        return create_model(text_encoder=clip_tiny(layers=1), tuner="frozen", **with_what_it_needs(parts)).eval()
    encoder, text = vit_tiny(image_size=SIDE), clip_tiny(layers=1)
    return create_model(image_encoder=encoder, text_encoder=text, tuner="frozen", **parts).eval().to(dtype)


def frame_of(model: RefSAM) -> EncodedFrames:
    return model.encode_images(torch.randint(0, 256, (1, 3, 48, SIDE), dtype=torch.uint8))


PROMPTS: dict[str, tuple[list[list[float]], list[int]]] = {
    "a click": ([[10, 20]], [1]),
    "two clicks": ([[10, 20], [50, 7]], [1, 0]),
    "a box": ([[5, 6], [40, 30]], [2, 3]),
    "a box and a click": ([[5, 6], [40, 30], [10, 20]], [2, 3, 1]),
}


@torch.no_grad()
@pytest.mark.parametrize("refined", [False, True])
@pytest.mark.parametrize("case", PROMPTS)
def test_the_numbers_are_the_packages(case: str, refined: bool) -> None:
    model = model_with()
    frame, (points, labels) = frame_of(model), map(torch.tensor, PROMPTS[case])
    previous = torch.randn(1, 4 * frame.image.shape[-2], 4 * frame.image.shape[-1]) if refined else None
    ours = segment_by_points(model, frame, points.float(), labels, previous, None)
    clicks, corners = labels < 2, labels >= 2
    given = {
        "points": (points[clicks].float()[None], labels[clicks][None]) if clicks.any() else None,
        "boxes": points[corners].float().view(1, 4) if corners.any() else None,
        "masks": None if previous is None else previous[:, None],
    }
    sparse, dense = model.prompt_encoder.forward(**given)
    expected, _ = MaskDecoder.forward(
        model.mask_decoder, frame.image, model.prompt_encoder.get_dense_pe(), sparse, dense, multimask_output=False
    )
    torch.testing.assert_close(ours.low_res_logits, expected[:, 0], atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("tracker", sorted(TRACKERS))
def test_every_tracker_carries_on_what_was_shown(tracker: str) -> None:
    model = model_with(tracker)
    frame, box = frame_of(model), torch.tensor(PROMPTS["a box"][0]).float()
    shown = segment_by_points(model, frame, box, torch.tensor([2, 3]), None, None).track_token
    size = (48, SIDE) if tracker != "sam2_memory" else (72, 96)
    mask = torch.zeros(size, dtype=torch.bool)
    mask[4:20, 4:20] = True
    given = segment_by_mask(model, frame, mask, None)
    inside = model.restore(given.low_res_logits, size)[0] > 0
    assert (inside & mask).sum() / (inside | mask).sum() > 0.8
    if tracker == "no_tracker":
        assert shown is given.track_token is None
        return
    if tracker == "candidate_tracks":  # whose finder, with such weights, finds nothing again
        assert (given.track_token.pinned >= 0).all()
        assert given.track_token.there.sum() == 1
        return
    first, second = (segment_by_track(model, frame, token).low_res_logits for token in (shown, given.track_token))
    assert not torch.equal(first, second)


@torch.no_grad()
def test_half_precision() -> None:
    model = model_with(dtype=torch.bfloat16)
    frame = frame_of(model)
    exact = segment_by_points(
        model_with(), frame_of(model_with()), torch.tensor([[10.0, 20.0]]), torch.tensor([1]), None, None
    )
    found = segment_by_points(model, frame, torch.tensor([[10.0, 20.0]]), torch.tensor([1]), None, None)
    assert found.low_res_logits.dtype == torch.bfloat16
    assert found.low_res_logits.shape == exact.low_res_logits.shape
