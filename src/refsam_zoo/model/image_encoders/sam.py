"""SAM's image encoder (arXiv 2304.02643), from the segment_anything package, in Meta's three sizes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recompute

from refsam_zoo.errors import InputError
from refsam_zoo.model.image_encoders.base import IMAGE_ENCODERS, ImageEncoder
from refsam_zoo.model.image_encoders.grid_attention import fuse
from refsam_zoo.model.image_encoders.positions import resize_positions
from refsam_zoo.model.sam_layers import ImageEncoderViT
from refsam_zoo.number_types import ImageSize
from refsam_zoo.registry import ModelCard
from refsam_zoo.types import ImageFeatures
from refsam_zoo.weights.files import (
    StateDict,
    WeightsFile,
    load_into,
    load_state_dict,
    select_prefix,
    warn_random_weights,
)

CELLS_AT_ONCE = 4096
"""Grid cells encoded together on a processor where nothing is trained: one image of 1024 x 1024 pixels."""


class SamImageEncoder(ImageEncoder):
    """A SAM ViT whose global-attention blocks also give their token maps.

    The layers are those of `segment_anything.modeling.ImageEncoderViT` under `self.vit`, with its key names; attention
    and MLP run as in `grid_attention`. The intermediate maps are the outputs of every global-attention block but the
    last (RefSAM, Fig. 2: three maps).

    Args:
        checkpoint: Meta's `sam_vit_*.pth`, or any file with its `image_encoder.*` keys; None means random weights.
        image_size: Side of the square input in pixels, a multiple of the patch size. Positions of a checkpoint made
            for another size are interpolated.
        checkpointing: In training, keep no activations inside the blocks but compute them again for the gradient.
    """

    depth: ClassVar[int]
    heads: ClassVar[int]
    global_blocks: ClassVar[tuple[int, ...]]
    width: int
    stride: int = 16
    window: ClassVar[int] = 14
    relative_positions: ClassVar[bool] = True
    weights: ClassVar[WeightsFile | None] = None

    def __init__(
        self, checkpoint: str | Path | None = None, image_size: ImageSize = 1024, checkpointing: bool = False
    ) -> None:
        super().__init__()
        if image_size % self.stride:
            raise InputError(f"image_size {image_size} is no multiple of {self.stride}")
        self.image_size = image_size
        self.checkpointing = checkpointing
        self.vit = ImageEncoderViT(
            img_size=image_size,
            patch_size=self.stride,
            embed_dim=self.width,
            depth=self.depth,
            num_heads=self.heads,
            norm_layer=partial(nn.LayerNorm, eps=1e-6),
            out_chans=self.embedding_width,
            use_rel_pos=self.relative_positions,
            window_size=self.window,
            global_attn_indexes=self.global_blocks,
        )
        self.prepare()
        for block in self.vit.blocks:
            fuse(block)
        self.intermediate_widths = (self.width,) * (len(self.global_blocks) - 1)
        if checkpoint is None:
            warn_random_weights(f"image encoder {type(self).__name__}")
        else:
            state = load_state_dict(checkpoint) if self.weights is None else self.weights.load(checkpoint)
            state = self.own_names(select_prefix(state, "image_encoder."))
            state = resize_positions(state, self.vit.state_dict())
            with IMAGE_ENCODERS.suggesting("checkpoint", checkpoint):
                load_into(self.vit, state, f"{checkpoint} (image_encoder)")

    def prepare(self) -> None:
        """Changes the package's model before weights are loaded; by default not at all."""

    def forward(self, images: Tensor) -> ImageFeatures:
        """Encodes frames; see `ImageEncoder.forward`.

        On a processor a large frozen encoder takes the frames one after another: a batch would be no faster, only its
        buffers so large that the allocator makes them anew for every layer.
        """
        cells = (self.image_size // self.stride) ** 2
        trained = torch.is_grad_enabled() and any(parameter.requires_grad for parameter in self.parameters())
        if trained or images.device.type != "cpu" or len(images) * cells <= CELLS_AT_ONCE:
            return self._encode(images)
        final, *intermediate = zip(*map(self._flat, images.split(max(1, CELLS_AT_ONCE // cells))), strict=True)
        return ImageFeatures(torch.cat(final), [torch.cat(parts) for parts in intermediate])

    def _flat(self, images: Tensor) -> list[Tensor]:
        features = self._encode(images)
        return [features.final, *features.intermediate]

    def _encode(self, images: Tensor) -> ImageFeatures:
        tokens = self.vit.patch_embed(images) + self.vit.pos_embed
        intermediate = []
        for index, block in enumerate(self.vit.blocks):
            tokens = self._run(block, tokens)
            if index in self.global_blocks[:-1]:
                intermediate.append(tokens)
        return ImageFeatures(self.vit.neck(tokens.permute(0, 3, 1, 2)), intermediate)

    def own_names(self, state_dict: StateDict) -> StateDict:
        """Renames the tensors of a checkpoint that does not have SAM's names; by default none."""
        return state_dict

    def _run(self, block: nn.Module, tokens: Tensor) -> Tensor:
        trained = any(parameter.requires_grad for parameter in block.parameters())
        if self.checkpointing and self.training and (trained or tokens.requires_grad):
            return recompute(block, tokens, use_reentrant=False)
        return block(tokens)


def _weights(name: str, sha256: str) -> WeightsFile:
    # what ends Meta's file names is the beginning of the MD5 sum
    return WeightsFile(name, sha256, "Meta's segment-anything repository, section Model Checkpoints", "Apache-2.0")


VIT_B = _weights("sam_vit_b_01ec64.pth", "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912")
VIT_L = _weights("sam_vit_l_0b3195.pth", "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622")
VIT_H = _weights("sam_vit_h_4b8939.pth", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e")


def _card(size: str, file: WeightsFile) -> ModelCard:
    weights = f"Meta, segment-anything: {file.name}"
    return ModelCard(f"SAM ViT-{size}", weights, file.licence, "2304.02643", file.sha256 or "-")


@IMAGE_ENCODERS.register(_card("B", VIT_B))
class vit_b(SamImageEncoder):
    """SAM ViT-B: 12 blocks of width 768, 89.7 M parameters. Options as in `SamImageEncoder`."""

    width, depth, heads, global_blocks = 768, 12, 12, (2, 5, 8, 11)
    weights = VIT_B


@IMAGE_ENCODERS.register(_card("L", VIT_L))
class vit_l(SamImageEncoder):
    """SAM ViT-L: 24 blocks of width 1024, 308.3 M parameters. Options as in `SamImageEncoder`."""

    width, depth, heads, global_blocks = 1024, 24, 16, (5, 11, 17, 23)
    weights = VIT_L


@IMAGE_ENCODERS.register(_card("H", VIT_H))
class vit_h(SamImageEncoder):
    """SAM ViT-H: 32 blocks of width 1280, 637.0 M parameters. Options as in `SamImageEncoder`."""

    width, depth, heads, global_blocks = 1280, 32, 16, (7, 15, 23, 31)
    weights = VIT_H
