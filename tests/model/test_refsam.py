from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from segment_anything.modeling import MaskDecoder as PackageDecoder
from segment_anything.modeling import TwoWayTransformer
from small_sam2 import with_what_it_needs
from torch import Tensor

from refsam_zoo.errors import InputError
from refsam_zoo.model.mask_decoders import MaskDecoder
from refsam_zoo.model.prompts import DENSE_PROMPTS, SPARSE_PROMPTS
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.model.trackers import TRACKERS
from refsam_zoo.model.trackers.candidate_tracks import candidate_tracks
from refsam_zoo.zoo import create_model

SENTENCES = ["the red square", "the very small green circle on the left"]


def small(**parts: str) -> RefSAM:
    torch.manual_seed(0)
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="full", **with_what_it_needs(parts))
    if isinstance(model.tracker, candidate_tracks):
        torch.nn.init.constant_(model.tracker.finder.heat.bias, 3.0)  # finds objects anywhere
    return model


def frames(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 48, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
@pytest.mark.parametrize("tracker", list(TRACKERS))
def test_a_batch_is_the_same_as_one_by_one(tracker: str) -> None:
    model = small(tracker=tracker)
    encoded = model.encode_images(frames(2))

    def second_logits(rows: slice) -> Tensor:
        """The second time that a frame is looked at, with what was carried."""
        some, language = encoded.select(rows), model.encode_text(SENTENCES[rows])
        return model.segment(some, language, model.segment(some, language).track_token).low_res_logits

    alone = torch.cat([second_logits(slice(0, 1)), second_logits(slice(1, 2))])
    torch.testing.assert_close(second_logits(slice(0, 2)), alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("tracker", list(TRACKERS))
def test_sentences_decoded_in_pieces_give_the_same(tracker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small(tracker=tracker)
    with torch.no_grad():
        encoded, language = model.encode_images(frames(2)), model.encode_text(SENTENCES)
        for cells in (10**6, 1):
            monkeypatch.setattr("refsam_zoo.model.refsam.CELLS_AT_ONCE", cells)
            first = model.segment(encoded, language)
            found = model.segment(encoded, language, first.track_token)
            if cells > 1:
                together = found
    torch.testing.assert_close(found.low_res_logits, together.low_res_logits, atol=1e-4, rtol=1e-4)
    assert (found.track_token is None) == (tracker == "no_tracker")


@pytest.mark.parametrize("tracker", list(TRACKERS))
def test_the_track_token_changes_the_next_frame_only(tracker: str) -> None:
    model = small(tracker=tracker)
    with torch.no_grad():
        encoded, language = model.encode_images(frames(1)), model.encode_text(SENTENCES[:1])
        first = model.segment(encoded, language)
        second = model.segment(encoded, language, first.track_token)
    same = torch.equal(first.low_res_logits, second.low_res_logits) and torch.equal(first.iou, second.iou)
    assert same == (tracker == "no_tracker")


def test_the_gradient_reaches_the_first_frame_through_the_track_token() -> None:
    model = small().train()
    language = model.encode_text(SENTENCES[:1])
    first = model.segment(model.encode_images(frames(1)), language)
    assert first.track_token is not None
    model.zero_grad()
    second = model.segment(model.encode_images(frames(2)).select(slice(1, 2)), language, first.track_token)
    second.low_res_logits.sum().backward()
    gradient = model.tracker.layers[0].weight.grad
    assert gradient is not None
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("pixels_per_thread", [8192, 10, 1])
def test_the_decoder_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, pixels_per_thread: int, training: bool
) -> None:
    torch.manual_seed(0)
    transformer = TwoWayTransformer(depth=2, embedding_dim=256, num_heads=8, mlp_dim=2048)
    package = PackageDecoder(transformer_dim=256, transformer=transformer)
    ours = MaskDecoder(width=256)
    ours.load_state_dict(package.state_dict())
    image, position = (torch.randn(1, 256, 6, 7) for _ in range(2))
    dense, sparse = torch.randn(3, 256, 6, 7), torch.randn(3, 5, 256)
    monkeypatch.setattr("refsam_zoo.model.mask_decoders.two_way.PIXELS_PER_THREAD", pixels_per_thread)
    given = [part.clone() for part in (image, dense, sparse)]
    with torch.set_grad_enabled(training):
        masks, iou = package(image, position, sparse, dense, multimask_output=False)
        decoded = ours(image.expand_as(dense), ours.position_terms(position), dense, sparse, None)
    assert all(map(torch.equal, (image, dense, sparse), given))
    torch.testing.assert_close(decoded.low_res_logits, masks[:, 0], atol=1e-6, rtol=0)
    torch.testing.assert_close(decoded.iou, iou[:, 0], atol=1e-6, rtol=0)


def test_identical_sentences_are_encoded_once() -> None:
    model = small()
    seen: list[int] = []
    hook: Callable = lambda module, args: seen.append(len(args[0].ids))  # noqa: E731
    model.text_encoder.register_forward_pre_hook(hook)
    language = model.encode_text([SENTENCES[0], SENTENCES[1], SENTENCES[0]])
    assert seen == [2]
    assert torch.equal(language.sentence[0], language.sentence[2])


def test_parts_follow_the_width_of_the_image_encoder() -> None:
    from refsam_zoo.model.image_encoders.vit_tiny import vit_tiny

    for width in (64, 128):
        model = create_model(text_encoder="clip_tiny", image_encoder=vit_tiny(embedding_width=width))
        parts = (model.cross_modal, model.sparse_prompt, model.dense_prompt, model.mask_decoder, model.tracker)
        assert [part.width for part in parts] == [width] * 5
    with pytest.raises(InputError, match="needs an embedding width divisible by 16, not 100"):
        create_model(text_encoder="clip_tiny", image_encoder=vit_tiny(embedding_width=100))
    prompt = DENSE_PROMPTS.build("gated_dense_attention", heads=5)
    with pytest.raises(InputError, match="heads 5 does not divide the embedding width 256"):
        create_model("refsam_vit_tiny", text_encoder="clip_tiny", dense_prompt=prompt)


def test_parts_of_unequal_width_are_refused() -> None:
    for role, registry in (("sparse", SPARSE_PROMPTS), ("dense", DENSE_PROMPTS)):
        part = registry.build("word_attention" if role == "sparse" else "dense_attention", width=64)
        with pytest.raises(InputError, match=f"{role}_prompt.width 64, mask_decoder|{role}_prompt.width 64, dense"):
            create_model("refsam_vit_tiny", text_encoder="clip_tiny", **{f"{role}_prompt": part})
    with pytest.raises(InputError, match=r"tracker.width 64"):
        create_model("refsam_vit_tiny", text_encoder="clip_tiny", tracker=TRACKERS.build("track_mlp", width=64))
