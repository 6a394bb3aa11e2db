"""A SAM checkpoint in the zoo's parts against segment_anything's own predictor, with a point prompt."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import nn

from refsam_zoo.model.image_encoders.sam import SamImageEncoder, vit_b
from refsam_zoo.model.mask_decoders import MaskDecoder as OurMaskDecoder
from refsam_zoo.model.mask_decoders.sam import build_prompt_encoder, load_sam_decoder
from refsam_zoo.model.preprocessing import preprocess, restore

SIZE = (150, 200)


class SmallVit(SamImageEncoder):
    width, depth, heads, global_blocks = 64, 2, 2, (1,)


class ShortVitB(vit_b):
    """One windowed and one global block of ViT-B; all twelve take a minute on one core and agree as well."""

    depth, global_blocks = 2, (1,)


def package_sam(encoder: type[SamImageEncoder]) -> Sam:
    torch.manual_seed(0)
    sam = Sam(
        ImageEncoderViT(
            img_size=1024,
            embed_dim=encoder.width,
            depth=encoder.depth,
            num_heads=encoder.heads,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=14,
            global_attn_indexes=encoder.global_blocks,
        ),
        PromptEncoder(256, (64, 64), (1024, 1024), 16),
        MaskDecoder(transformer_dim=256, transformer=TwoWayTransformer(2, 256, 8, 2048)),
    ).eval()
    with torch.no_grad():  # positions start at zero there; here they must matter
        for name, parameter in sam.image_encoder.named_parameters():
            if "pos" in name:
                parameter.normal_(std=0.1)
    return sam


@pytest.mark.parametrize("encoder_class", [SmallVit, pytest.param(ShortVitB, marks=pytest.mark.slow)])
@torch.no_grad()
def test_the_zoo_gives_the_predictors_masks(tmp_path: Path, encoder_class: type[SamImageEncoder]) -> None:
    sam = package_sam(encoder_class)
    torch.save(sam.state_dict(), tmp_path / "sam.pth")
    frame = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    predictor = SamPredictor(sam)
    predictor.set_image(frame)
    point = np.array([[60.0, 90.0]])
    expected, iou, low_res = predictor.predict(point, np.array([1]), multimask_output=False, return_logits=True)

    encoder = encoder_class(tmp_path / "sam.pth").eval()
    prompt_encoder, decoder = build_prompt_encoder(1024, 64, 256), OurMaskDecoder(width=256).eval()
    load_sam_decoder(prompt_encoder, decoder, tmp_path / "sam.pth")
    images = preprocess(
        torch.from_numpy(frame).permute(2, 0, 1)[None], [SIZE], 1024, encoder.pixel_mean, encoder.pixel_std
    )
    scaled = torch.from_numpy(predictor.transform.apply_coords(point, SIZE)).float()[None]
    sparse, dense = prompt_encoder((scaled, torch.ones(1, 1)), None, None)
    positions = decoder.position_terms(prompt_encoder.get_dense_pe())
    decoded = decoder(encoder(images).final, positions, dense, sparse, None)

    np.testing.assert_allclose(decoded.low_res_logits.numpy(), low_res, atol=1e-4, rtol=0)
    np.testing.assert_allclose(restore(decoded.low_res_logits, SIZE, 1024).numpy(), expected, atol=1e-4, rtol=0)
    np.testing.assert_allclose(decoded.iou.numpy(), iou, atol=1e-4, rtol=0)
