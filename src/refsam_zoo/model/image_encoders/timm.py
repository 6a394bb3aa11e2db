"""Image encoders of the timm package, plain or hierarchical, behind a neck: TinyViT among them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.model.image_encoders.base import IMAGE_ENCODERS, ImageEncoder
from refsam_zoo.model.sam_layers import LayerNorm2d
from refsam_zoo.number_types import ImageSize
from refsam_zoo.registry import ModelCard
from refsam_zoo.types import ImageFeatures
from refsam_zoo.weights.files import load_state_dict, warn_random_weights

if TYPE_CHECKING:
    from timm.models import PretrainedCfg

_MAPS = 4


class TimmImageEncoder(ImageEncoder):
    """A timm backbone of which four maps are taken, and a neck that makes SAM's embedding of them.

    A plain transformer gives the outputs of its blocks at each quarter of its depth, a hierarchical backbone those of
    its last four stages. All maps are brought to stride 16. The neck sums 1x1 projections of the maps whose own
    stride is at least 16 (of a plain transformer: of the last map), followed by SAM's 3x3 convolution; it has no
    pretrained weights, so every tuner trains it. The first three maps are the intermediate ones.

    Args:
        backbone: Name in timm, with or without a tag of its weights: "vit_small_patch16_dinov3.lvd1689m".
        checkpoint: The backbone's weights file; positions are resized to `image_size`. None means random weights.
        image_size: Side of the square input in pixels, a multiple of 16.

    Attributes:
        changes: What a subclass makes otherwise than timm's architecture, as options of timm's constructor.
    """

    stride = 16
    fresh_parts = ("laterals", "neck")
    changes: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, backbone: str, checkpoint: str | Path | None = None, image_size: ImageSize = 512) -> None:
        super().__init__()
        if image_size % self.stride:
            raise InputError(f"image_size {image_size} is no multiple of {self.stride}")
        settings = _settings(backbone)
        self.image_size = image_size
        self.pixel_mean = _in_bytes(settings.mean)
        self.pixel_std = _in_bytes(settings.std)
        self.backbone = _build(backbone, settings, image_size, checkpoint, self.changes)
        stages = self.backbone.feature_info
        plain = len({stage["reduction"] for stage in stages}) == 1
        count = len(stages)
        self.indices = [count * part // _MAPS - 1 for part in range(1, _MAPS + 1)] if plain else range(count)[-_MAPS:]
        chosen = [stages[index] for index in self.indices]
        self.backbone.prune_intermediate_layers(list(self.indices), prune_norm=True, prune_head=True)
        if hasattr(self.backbone, "head"):  # timm before 1.0.31 leaves its norm there, trained by nothing
            self.backbone.head = nn.Identity()
        self.intermediate_widths = tuple(stage["num_chs"] for stage in chosen[:-1])
        self.width = chosen[-1]["num_chs"]
        merged = chosen[-1:] if plain else [stage for stage in chosen if stage["reduction"] >= self.stride]
        self.laterals = nn.ModuleList(
            nn.Conv2d(stage["num_chs"], self.embedding_width, 1, bias=False) for stage in merged
        )
        self.neck = nn.Sequential(
            LayerNorm2d(self.embedding_width),
            nn.Conv2d(self.embedding_width, self.embedding_width, 3, padding=1, bias=False),
            LayerNorm2d(self.embedding_width),
        )
        if checkpoint is None:
            warn_random_weights(f"image encoder {type(self).__name__} ({backbone})")

    def forward(self, images: Tensor) -> ImageFeatures:
        """Encodes frames; see `ImageEncoder.forward`."""
        maps: list[Tensor] = self.backbone.forward_intermediates(
            images, indices=list(self.indices), output_fmt="NCHW", intermediates_only=True
        )
        maps = [to_grid(part, self.image_size // self.stride) for part in maps]
        merged = sum(lateral(part) for lateral, part in zip(self.laterals, maps[-len(self.laterals) :], strict=True))
        return ImageFeatures(self.neck(merged), [part.permute(0, 2, 3, 1) for part in maps[:-1]])

    def train(self, mode: bool = True) -> TimmImageEncoder:
        """Switches to training mode, except a frozen backbone beside its neck, which is always trained."""
        super().train(mode)
        if not any(parameter.requires_grad for parameter in self.backbone.parameters()):
            self.backbone.eval()
        return self


def _settings(backbone: str) -> PretrainedCfg:
    import timm

    settings = timm.get_pretrained_cfg(backbone) if timm.is_model(backbone) else None
    if settings is None:
        close = difflib.get_close_matches(backbone, timm.list_models(pretrained=True), n=5, cutoff=0.3)
        known = nearest_name(backbone, close) if close else "; timm.list_models() lists them"
        raise InputError(f"unknown timm backbone '{backbone}'{known}")
    return settings


def _build(
    backbone: str,
    settings: PretrainedCfg,
    image_size: int,
    checkpoint: str | Path | None,
    changes: Mapping[str, Any],
) -> Any:
    import timm

    options = {"img_size": image_size, **changes} if settings.fixed_input_size else dict(changes)
    if checkpoint is not None:
        # timm renames and resizes what it reads, and is strict as long as the classifier is kept
        options |= {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": load_state_dict(checkpoint)}}
    try:
        return timm.create_model(backbone, **options)
    except (RuntimeError, AssertionError, KeyError, ValueError) as error:
        what = f"{checkpoint} does not fit" if checkpoint is not None else f"image_size {image_size} does not fit"
        raise InputError(f"{what} timm backbone '{backbone}': {' '.join(str(error).split())[:300]}") from error


def _in_bytes(values: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = (255 * value for value in values)
    return red, green, blue


def to_grid(part: Tensor, side: int) -> Tensor:
    """Brings a map `[B, C, h', w']` to `[B, C, side, side]`: averages a finer one, interpolates a coarser one."""
    if part.shape[-1] > side:
        return F.adaptive_avg_pool2d(part, side)
    if part.shape[-1] < side:
        return F.interpolate(part, (side, side), mode="bilinear", align_corners=False)
    return part


@IMAGE_ENCODERS.register(ModelCard("any backbone of the timm package", "timm, a local file"), member="backbone")
class timm(TimmImageEncoder):
    """Any backbone of timm by name. Options as in `TimmImageEncoder`."""


class NamedTimmImageEncoder(TimmImageEncoder):
    """A timm backbone that has an entry of its own.

    Args:
        checkpoint: The backbone's weights file from timm; None means random weights.
        image_size: Side of the square input in pixels, a multiple of 32.
    """

    architecture: ClassVar[str]

    def __init__(self, checkpoint: Path | None = None, image_size: ImageSize = 1024) -> None:
        super().__init__(self.architecture, checkpoint, image_size)


@IMAGE_ENCODERS.register(ModelCard("TinyViT-5M", "timm/tiny_vit_5m_224.dist_in22k", "Apache-2.0", "2207.10666"))
class tiny_vit_5m(NamedTimmImageEncoder):
    """TinyViT-5M trained on ImageNet; distilled from SAM it is `mobile_sam`. Options as in `NamedTimmImageEncoder`."""

    architecture = "tiny_vit_5m_224"
