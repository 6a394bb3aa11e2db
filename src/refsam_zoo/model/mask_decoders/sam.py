"""SAM's mask decoder and prompt encoder, and the loading of their weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from refsam_zoo.model.mask_decoders.base import MASK_DECODERS, MaskDecoder
from refsam_zoo.model.sam_layers import PromptEncoder
from refsam_zoo.registry import ModelCard
from refsam_zoo.weights.files import load_into


@MASK_DECODERS.register(ModelCard("SAM", "part of SAM's checkpoints", "Apache-2.0", "2304.02643"))
class sam_decoder(MaskDecoder):
    """SAM's mask decoder. Options as in `MaskDecoder`."""


class _PromptEncoder(PromptEncoder):
    """SAM's prompt encoder, in any precision."""

    def get_dense_pe(self) -> Tensor:
        """Encodes positions in float32, as SAM's grid is, and gives them in the precision of the weights."""
        matrix = self.pe_layer.positional_encoding_gaussian_matrix
        weights = {"positional_encoding_gaussian_matrix": matrix.float()}
        encoded: Tensor = torch.func.functional_call(self.pe_layer, weights, (self.image_embedding_size,))
        return encoded[None].to(matrix.dtype)

    def point_tokens(self, points: Tensor, labels: Tensor) -> Tensor:
        """Encodes points and corners of boxes as prompt tokens, in any precision.

        Args:
            points: Their x and y in pixels of the square input, float `[P, 2]`.
            labels: What each is, int `[P]`: 1 on the object, 0 beside it, 2 and 3 the upper left and lower right corner
                of its box, -1 a point that says nothing.

        Returns:
            float `[1, P, 256]`.
        """
        matrix = self.pe_layer.positional_encoding_gaussian_matrix
        places = 2 * (points.float() + 0.5) / self.input_image_size[0] - 1
        angles = 2 * torch.pi * (places @ matrix.float())
        encoded = torch.cat([angles.sin(), angles.cos()], dim=-1).to(matrix.dtype)
        kinds = torch.cat([*(kind.weight for kind in self.point_embeddings), self.not_a_point_embed.weight])
        return (encoded * (labels >= 0)[:, None] + kinds[labels])[None]


def build_prompt_encoder(image_size: int, grid: int, width: int) -> PromptEncoder:
    """Makes SAM's prompt encoder, of which RefSAM uses the positional encoding; it is never trained.

    Args:
        image_size: Side of the square input in pixels.
        grid: Side of the image embedding in cells.
        width: Channels of the embedding space.
    """
    encoder = _PromptEncoder(width, (grid, grid), (image_size, image_size), mask_in_chans=16)
    return encoder.requires_grad_(False)


def load_sam_decoder(prompt_encoder: nn.Module, mask_decoder: MaskDecoder, checkpoint: str | Path) -> None:
    """Loads the prompt encoder and mask decoder of a SAM checkpoint; the decoder's fresh parts stay as they are.

    Raises:
        InputError: The file is missing, no checkpoint, or has other keys or shapes.
    """
    prompts, masks = mask_decoder.read_checkpoint(checkpoint)
    load_into(prompt_encoder, prompts, f"{checkpoint} (prompt_encoder)")
    fresh = {n: tensor for n, tensor in mask_decoder.state_dict().items() if n.startswith(mask_decoder.fresh_parts)}
    load_into(mask_decoder, masks | fresh, f"{checkpoint} (mask_decoder)")
