"""EVF-SAM (arXiv 2406.20076): BEiT-3 sees picture and sentence together and gives SAM, or SAM 2, its one prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.model.beit3 import Beit3
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.image_encoders.base import ImageEncoder
from refsam_zoo.model.mask_decoders.base import MaskDecoder
from refsam_zoo.model.mask_decoders.sam import build_prompt_encoder, sam_decoder
from refsam_zoo.model.mask_decoders.sam2 import sam2_decoder
from refsam_zoo.model.pointing import mask_logits
from refsam_zoo.model.preprocessing import Fitting, preprocess, resize_frames, resized, restore
from refsam_zoo.model.trackers.base import Tracker
from refsam_zoo.model.trackers.no_tracker import no_tracker
from refsam_zoo.types import Tokens
from refsam_zoo.weights.files import StateDict
from refsam_zoo.weights.sam2 import part_of_meta

_SAM, _BEIT3, _HEAD = "visual_model.", "mm_extractor.beit3.", "text_hidden_fcs."


class EvfSam(nn.Module):
    """EVF-SAM over SAM.

    Args:
        image_encoder: SAM's.
        beit3: Sees picture and sentence.

    Attributes:
        fitted: Says how large a frame is in the square that SAM sees.
        tracker: Carries nothing; see `pointing.Prompted`.
    """

    mask_decoder: MaskDecoder
    tracker: Tracker
    fitted: Fitting = staticmethod(resized)

    def __init__(self, image_encoder: ImageEncoder, beit3: Beit3) -> None:
        super().__init__()
        width, narrow = beit3.size.width, image_encoder.embedding_width
        self.image_encoder = image_encoder
        self.beit3 = beit3
        self.text_hidden_fcs = nn.ModuleList(
            [nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, narrow))]
        )
        side = image_encoder.image_size
        self.prompt_encoder = build_prompt_encoder(side, side // image_encoder.stride, narrow)
        self.mask_decoder = self.make_decoder(narrow)
        self.tracker = no_tracker()

    def make_decoder(self, width: int) -> MaskDecoder:
        """Makes the mask decoder for an embedding of so many channels."""
        return sam_decoder(width=width)

    @staticmethod
    def parts_of(state: StateDict) -> dict[str, StateDict]:
        """Sorts the weights of a published file.

        Args:
            state: Under the names of the file.

        Returns:
            The weights under the names of this class, and under "beit3" those of BEiT-3 alone, by the names of its own.
        """
        model = {name.removeprefix(_SAM): tensor for name, tensor in state.items() if not name.startswith(_BEIT3)}
        model = {name.replace("image_encoder.", "image_encoder.vit.", 1): tensor for name, tensor in model.items()}
        return {"model": model, "beit3": beit3_of(state)}

    def encode_images(self, images: Tensor) -> EncodedFrames:
        """Encodes frames for SAM, each once for all sentences.

        Args:
            images: RGB, uint8 `[n, 3, H, W]`, on any device.
        """
        features = self.image_encoder(self.pixels(images))
        positions = self.mask_decoder.position_terms(self.prompt_encoder.get_dense_pe())
        return EncodedFrames(features.final, [], positions, None, self.mask_decoder.fine_maps(features.fine))

    def pixels(self, images: Tensor) -> Tensor:
        """Makes SAM's input `[n, 3, S, S]` of frames uint8 `[n, 3, H, W]`."""
        encoder = self.image_encoder
        sizes = [(images.shape[-2], images.shape[-1])] * len(images)
        return preprocess(images, sizes, encoder.image_size, encoder.pixel_mean, encoder.pixel_std)

    def small_pixels(self, images: Tensor) -> Tensor:
        """Makes BEiT-3's input `[n, 3, 224, 224]` of frames uint8 `[n, 3, H, W]`: bicubic, not antialiased."""
        side = self.beit3.size.side
        return F.interpolate(images.float() / 255, (side, side), mode="bicubic", align_corners=False) * 2 - 1

    def prompts(self, small: Tensor, tokens: Tokens) -> Tensor:
        """Makes the prompt of N sentences about one frame.

        Args:
            small: The frame, as `small_pixels` makes it, float `[1, 3, 224, 224]`.
            tokens: The sentences.

        Returns:
            A token each, float `[N, 1, 256]`.
        """
        seen: Tensor = self.text_hidden_fcs[0](self.beit3(small.expand(len(tokens.ids), -1, -1, -1), tokens))
        return seen[:, None]

    def segment(self, frame: EncodedFrames, prompts: Tensor) -> Tensor:
        """Gives the logits of N prompts in one frame, float `[N, 4h, 4w]`."""
        frames = frame.repeat(len(prompts))
        dense = self.prompt_encoder.no_mask_embed.weight[:, :, None, None].expand_as(frames.image)
        return self.decode(frames, dense, prompts)

    def decode(self, frames: EncodedFrames, dense: Tensor, prompts: Tensor) -> Tensor:
        """Runs the mask decoder and picks its mask, float `[N, 4h, 4w]`."""
        logits: Tensor = self.mask_decoder(frames.image, frames.positions, dense, prompts, None).low_res_logits
        return logits

    def mask_logits(self, mask: Tensor, side: int) -> Tensor:
        """Makes of a mask, bool `[H, W]`, the logits that the decoder would have to give, float `[1, side, side]`."""
        return mask_logits(mask, side, self.image_encoder.image_size, self.fitted)

    def restore(self, low_res_logits: Tensor, size: tuple[int, int]) -> Tensor:
        """Resizes logits `[N, 4h, 4w]` to frames of height and width `size`: float `[N, H, W]`."""
        return restore(low_res_logits, size, self.image_encoder.image_size)


class _AlwaysPresent(sam2_decoder):
    """SAM 2's mask decoder, whose object score EVF-SAM does not read."""

    def where_present(self, logits: Tensor, score: Tensor) -> Tensor:
        """Leaves the masks as they are."""
        return logits


def stretched(size: tuple[int, int], image_size: int) -> tuple[int, int]:
    """Height and width where a frame fills the square."""
    return image_size, image_size


class EvfSam2(EvfSam):
    """EVF-SAM over SAM 2, frame by frame: of SAM 2's memory only what stands for there being none.

    Args:
        image_encoder: SAM 2's.
        beit3: Sees picture and sentence.
    """

    mask_decoder: sam2_decoder
    fitted: Fitting = staticmethod(stretched)

    def __init__(self, image_encoder: ImageEncoder, beit3: Beit3) -> None:
        super().__init__(image_encoder, beit3)
        self.no_memory_embedding = nn.Parameter(torch.zeros(1, 1, image_encoder.embedding_width))

    def make_decoder(self, width: int) -> MaskDecoder:
        """Makes SAM 2's, which picks the best of three masks."""
        return _AlwaysPresent(width=width, masks="best")

    @staticmethod
    def parts_of(state: StateDict) -> dict[str, StateDict]:
        """Sorts the weights of a published file; see `EvfSam.parts_of`. SAM 2's memory is under "memory"."""
        sam2 = {_metas_name(name): tensor for name, tensor in state.items() if name.startswith(_SAM)}
        model = {name: tensor for name, tensor in state.items() if not name.startswith((_SAM, _BEIT3))}
        for part, prefix in (("image_encoder", "image_encoder.vision."), ("prompt_encoder", "prompt_encoder."),
                             ("mask_decoder", "mask_decoder.")):  # fmt: skip
            model |= {prefix + name: tensor for name, tensor in part_of_meta(sam2, part).items()}  # type: ignore[arg-type]
        memory = part_of_meta(sam2, "memory")
        if "no_memory_embedding" in memory:
            model["no_memory_embedding"] = memory["no_memory_embedding"]
        return {"model": model, "beit3": beit3_of(state), "memory": memory}

    def encode_images(self, images: Tensor) -> EncodedFrames:
        """Encodes frames for SAM 2; see `EvfSam.encode_images`."""
        frames = super().encode_images(images)
        frames.image = frames.image + self.no_memory_embedding.transpose(1, 2).unsqueeze(-1)
        return frames

    def pixels(self, images: Tensor) -> Tensor:
        """Stretches frames to the square; see `EvfSam.pixels`."""
        encoder = self.image_encoder
        stretched = resize_frames(images, (encoder.image_size, encoder.image_size))
        mean, std = (_channels(values, images) for values in (encoder.pixel_mean, encoder.pixel_std))
        return (stretched - mean) / std

    def decode(self, frames: EncodedFrames, dense: Tensor, prompts: Tensor) -> Tensor:
        """Picks the mask of the highest quality, whatever SAM 2 says of the object's presence, as EVF-SAM does."""
        logits, quality, _, _ = self.mask_decoder.all_masks(
            frames.image, frames.positions, dense, prompts, None, frames.fine, slice(1, 4)
        )
        return logits[torch.arange(len(logits), device=logits.device), quality.argmax(1)]

    def restore(self, low_res_logits: Tensor, size: tuple[int, int]) -> Tensor:
        """Stretches logits back; see `EvfSam.restore`."""
        return F.interpolate(low_res_logits[:, None].float(), size, mode="bilinear", align_corners=False)[:, 0]


def _metas_name(name: str) -> str:
    """Gives SAM 2's name of a tensor; EVF-SAM calls `gamma` there `weight`, which transformers once made of it."""
    return re.sub(r"(\.fuser\.layers\.\d+)\.weight$", r"\1.gamma", name.removeprefix(_SAM))


def beit3_of(state: StateDict) -> StateDict:
    """Picks BEiT-3 out of a published file."""
    return {name.removeprefix(_BEIT3): tensor for name, tensor in state.items() if name.startswith(_BEIT3)}


def _channels(values: Sequence[float], like: Tensor) -> Any:
    return torch.tensor(values, dtype=torch.float32, device=like.device).view(3, 1, 1)
