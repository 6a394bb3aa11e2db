"""The official way as a plain loop: one frame at a time through segment_anything, again for every sentence.

Only the published parts are rewritten here, with the package's own modules: `SamPredictor.set_image`, RefSAM's dense
attention on the 512 joined channels, and the package's mask decoder, one prompt at a time.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo import create_model
from refsam_zoo.model.image_encoders.sam import SamImageEncoder, vit_b, vit_h, vit_l
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.model.tuners import TUNERS


class small(SamImageEncoder):
    """Four narrow blocks, to try a benchmark in seconds; its figures mean nothing."""

    width, depth, heads, global_blocks = 64, 4, 4, (1, 3)


SIZES: dict[str, type[SamImageEncoder]] = {"vit_b": vit_b, "vit_l": vit_l, "vit_h": vit_h, "small": small}


def package_vit(encoder: type[SamImageEncoder], image_size: int) -> ImageEncoderViT:
    """SAM's image encoder as shipped, with positions that are not zero."""
    torch.manual_seed(0)
    vit = ImageEncoderViT(
        img_size=image_size,
        embed_dim=encoder.width,
        depth=encoder.depth,
        num_heads=encoder.heads,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=encoder.window,
        global_attn_indexes=encoder.global_blocks,
    )
    with torch.no_grad():
        for name, parameter in vit.named_parameters():
            if "pos" in name:
                parameter.normal_(std=0.02)
    return vit.eval()


def package_decoder() -> MaskDecoder:
    """SAM's mask decoder as shipped."""
    return MaskDecoder(transformer_dim=256, transformer=TwoWayTransformer(2, 256, 8, 2048)).eval()


def our_model(size: str, image_size: int, tuner: str = "frozen") -> RefSAM:
    """The zoo's RefSAM with Dense Attention and random weights."""
    torch.manual_seed(0)
    encoder = SIZES[size](image_size=image_size)
    encoder.vit.load_state_dict(package_vit(SIZES[size], image_size).state_dict())
    model = create_model(
        image_encoder=encoder, text_encoder="clip_tiny", tuner="frozen", dense_prompt="dense_attention"
    )
    TUNERS.build(tuner).apply(model.image_encoder)  # last, so that all other weights are the same for every tuner
    return model


class OfficialRefSAM:
    """The same weights in the package's modules.

    Args:
        model: The zoo's model, of a frozen or fully trained encoder.
        size: Name of its image encoder.
    """

    def __init__(self, model: RefSAM, size: str) -> None:
        vit = package_vit(SIZES[size], model.image_encoder.image_size)
        vit.load_state_dict(model.image_encoder.vit.state_dict())  # type: ignore[union-attr]
        decoder = package_decoder()
        decoder.load_state_dict(model.mask_decoder.state_dict())
        grid = model.image_encoder.image_size // model.image_encoder.stride
        prompts = PromptEncoder(256, (grid, grid), (vit.img_size, vit.img_size), 16)
        prompts.load_state_dict(model.prompt_encoder.state_dict())
        self.model = model
        self.predictor = SamPredictor(Sam(vit, prompts, decoder).eval())

    def segment(self, video: np.ndarray, sentence: str) -> list[np.ndarray]:
        """Segments a video, uint8 `[T, H, W, 3]`, by one sentence; every frame is encoded for it."""
        masks, token = [], None
        language = self.model.encode_text([sentence])
        for frame in video:
            self.predictor.set_image(frame)
            features = F.normalize(self.predictor.features, dim=1)
            logits, token = self.decode(features, language.words, language.sentence, token)
            size = (frame.shape[0], frame.shape[1])
            full = self.predictor.model.postprocess_masks(logits, self.predictor.input_size, size)
            masks.append((full[0, 0] > 0).numpy())
        return masks

    def decode(
        self, features: Tensor, words: Tensor, sentence: Tensor, track_token: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Decodes one frame for one sentence: logits `[1, 1, 4h, 4w]` and the next track token `[1, 1, 256]`."""
        dense = official_dense_attention(self.model.dense_prompt.attention.projection, features, words, sentence)
        sparse = words if track_token is None else torch.cat([words, track_token], dim=1)
        decoder, position = self.predictor.model.mask_decoder, self.predictor.model.prompt_encoder.get_dense_pe()
        kept: list[Tensor] = []
        hook = decoder.transformer.register_forward_hook(lambda module, inputs, output: kept.append(output[0]))
        logits, _ = decoder(features, position, sparse, dense, multimask_output=False)
        hook.remove()
        return logits, self.model.tracker(kept[0][:, 1:2], track_token, features)


def official_dense_attention(projection: nn.Conv2d, features: Tensor, words: Tensor, sentence: Tensor) -> Tensor:
    """RefSAM's Dense Attention with attention and 1x1 convolution on joined channels, float `[1, 256, h, w]`."""
    keys = torch.cat([words, sentence.unsqueeze(1)], dim=1)
    pixels = features.flatten(2).transpose(1, 2)
    weights = (pixels @ keys.transpose(1, 2) / 16).softmax(-1)
    attended = (weights @ keys).transpose(1, 2).unflatten(2, features.shape[-2:])
    return projection(torch.cat([features, attended], dim=1))
