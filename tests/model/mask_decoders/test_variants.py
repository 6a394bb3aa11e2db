"""Mask decoders past the paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from refsam_zoo.model.mask_decoders import MASK_DECODERS, MaskDecoder
from refsam_zoo.model.mask_decoders.base import Decoded
from refsam_zoo.model.mask_decoders.sam import build_prompt_encoder, load_sam_decoder
from refsam_zoo.model.mask_decoders.variants import existence_decoder, text_conditioned_decoder

ENTRIES = [MASK_DECODERS.get(name) for name in MASK_DECODERS]
VARIANTS = [cls for cls in ENTRIES if cls.read_checkpoint is MaskDecoder.read_checkpoint]
"""Those of SAM; what SAM 2's reads is tested with SAM 2."""


def inputs(decoder: MaskDecoder, count: int = 2, tokens: int = 5) -> tuple[Any, ...]:
    generator = torch.Generator().manual_seed(0)
    image, dense = (torch.randn(count, 32, 6, 6, generator=generator) for _ in range(2))
    positions = decoder.position_terms(torch.randn(1, 32, 6, 6, generator=generator))
    return image, positions, dense, torch.randn(count, tokens, 32, generator=generator)


def build(cls: type[MaskDecoder]) -> MaskDecoder:
    torch.manual_seed(0)
    return cls(mlp_width=32, width=32).eval()


def changed(decoder: MaskDecoder) -> MaskDecoder:
    """Moves the fresh parts away from where they start."""
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in decoder.named_parameters():
            if name.startswith(decoder.fresh_parts):
                parameter.add_(torch.randn_like(parameter))
    return decoder


@pytest.mark.parametrize("cls", VARIANTS)
def test_a_sam_checkpoint_fills_all_but_the_fresh_parts(cls: type[MaskDecoder], tmp_path: Path) -> None:
    prompt_encoder, sam = build_prompt_encoder(96, 6, 32), build(MaskDecoder)
    state = {f"prompt_encoder.{name}": tensor for name, tensor in prompt_encoder.state_dict().items()}
    state |= {f"mask_decoder.{name}": tensor for name, tensor in sam.state_dict().items()}
    torch.save(state, tmp_path / "sam.pth")
    decoder = changed(build(cls))
    before = {name: tensor.clone() for name, tensor in decoder.state_dict().items()}
    load_sam_decoder(prompt_encoder, decoder, tmp_path / "sam.pth")
    for name, tensor in decoder.state_dict().items():
        assert tensor.equal(before[name] if name.startswith(decoder.fresh_parts) else sam.state_dict()[name])


@torch.no_grad()
def test_the_conditioned_decoder_starts_as_sams() -> None:
    sam, conditioned = build(MaskDecoder), build(text_conditioned_decoder)
    conditioned.load_state_dict(sam.state_dict(), strict=False)
    expected, found = sam(*inputs(sam), None), conditioned(*inputs(conditioned), None)
    torch.testing.assert_close(found.low_res_logits, expected.low_res_logits)
    found = changed(conditioned)(*inputs(conditioned), None)
    assert not torch.allclose(found.low_res_logits, expected.low_res_logits, atol=1e-3)


@torch.no_grad()
def test_probabilities_are_multiplied() -> None:
    sam, decoder = build(MaskDecoder), changed(build(existence_decoder))
    decoder.load_state_dict(sam.state_dict(), strict=False)
    plain: Decoded = sam(*inputs(sam), None)
    exists = decoder.existence(plain.mask_token).sigmoid()
    found = decoder(*inputs(decoder), None).low_res_logits.sigmoid()
    torch.testing.assert_close(found, exists * plain.low_res_logits.sigmoid(), atol=1e-6, rtol=1e-5)


def test_the_mask_loss_trains_the_existence_score() -> None:
    decoder = build(existence_decoder)
    optimizer = torch.optim.SGD(decoder.existence.parameters(), lr=1.0)
    for _ in range(3):
        optimizer.zero_grad()
        torch.nn.functional.softplus(decoder(*inputs(decoder), None).low_res_logits).mean().backward()
        optimizer.step()
    with torch.no_grad():
        assert (decoder.existence(decoder(*inputs(decoder), None).mask_token) < 4).all()
