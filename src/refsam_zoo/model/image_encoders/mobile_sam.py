"""MobileSAM's image encoder (arXiv 2306.14289): a TinyViT distilled from SAM's ViT-H, from the timm package."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.errors import InputError
from refsam_zoo.model.image_encoders.base import IMAGE_ENCODERS, ImageEncoder
from refsam_zoo.model.sam_layers import LayerNorm2d
from refsam_zoo.number_types import ImageSize
from refsam_zoo.registry import ModelCard
from refsam_zoo.types import ImageFeatures
from refsam_zoo.weights.files import StateDict, load_into, load_state_dict, select_prefix, warn_random_weights

_CONVOLUTIONS = {"seq.0.": "conv1.", "seq.2.": "conv2.", ".c.weight": ".conv.weight"}
_CLASSIFIER = ("norm_head.", "head.")


@IMAGE_ENCODERS.register(ModelCard("MobileSAM", "MobileSAM, mobile_sam.pt", "Apache-2.0", "2306.14289"))
class mobile_sam(ImageEncoder):
    """MobileSAM's TinyViT-5M, whose last stage stays at stride 16, behind SAM's neck.

    MobileSAM has no intermediate maps; here they are the outputs of the first three stages, averaged to stride 16.

    Args:
        checkpoint: `mobile_sam.pt`, or any file with its `image_encoder.*` keys; the same file is the
            `decoder_checkpoint`. None means random weights.
        image_size: Side of the square input in pixels, a multiple of 16. There are no absolute positions to resize.
    """

    stride = 16
    width = 320
    intermediate_widths = (64, 128, 160)

    def __init__(self, checkpoint: str | Path | None = None, image_size: ImageSize = 1024) -> None:
        super().__init__()
        import timm

        if image_size % self.stride:
            raise InputError(f"image_size {image_size} is no multiple of {self.stride}")
        self.image_size = image_size
        backbone: Any = timm.create_model("tiny_vit_5m_224", num_classes=0, drop_path_rate=0.0)
        backbone.head = nn.Identity()
        backbone.stages[-1].downsample.conv2.conv.stride = (1, 1)
        self.backbone: Any = backbone
        self.neck = nn.Sequential(
            nn.Conv2d(self.width, self.embedding_width, 1, bias=False),
            LayerNorm2d(self.embedding_width),
            nn.Conv2d(self.embedding_width, self.embedding_width, 3, padding=1, bias=False),
            LayerNorm2d(self.embedding_width),
        )
        if checkpoint is None:
            warn_random_weights("image encoder mobile_sam")
        else:
            state = _own_names(select_prefix(load_state_dict(checkpoint), "image_encoder."))
            with IMAGE_ENCODERS.suggesting("checkpoint", checkpoint):
                load_into(self, state, f"{checkpoint} (image_encoder)")

    def forward(self, images: Tensor) -> ImageFeatures:
        """Encodes frames; see `ImageEncoder.forward`."""
        maps = [self.backbone.patch_embed(images)]
        for stage in self.backbone.stages:
            maps.append(stage(maps[-1]))
        side = self.image_size // self.stride
        intermediate = [F.adaptive_avg_pool2d(part, side).permute(0, 2, 3, 1) for part in maps[1:-1]]
        return ImageFeatures(self.neck(maps[-1]), intermediate)


def _own_names(state: StateDict) -> StateDict:
    """Gives timm's names: what brings a stage's maps to the next width belongs to the next stage there."""
    renamed = {}
    for name, tensor in state.items():
        if name.startswith(_CLASSIFIER) or name.endswith("attention_bias_idxs"):
            continue
        name = re.sub(r"^layers\.(\d)\.downsample", lambda match: f"stages.{int(match[1]) + 1}.downsample", name)
        name = name.replace("layers.", "stages.")
        for theirs, ours in _CONVOLUTIONS.items():
            name = name.replace(theirs, ours)
        renamed[name if name.startswith("neck.") else f"backbone.{name}"] = tensor
    return renamed
