"""SAM 2's memory (arXiv 2408.00714) as a tracker: what was seen in earlier frames changes how a new one is seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.errors import InputError
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.mask_decoders.base import Decoded
from refsam_zoo.model.trackers.base import TRACKERS, Tracker
from refsam_zoo.number_types import Width
from refsam_zoo.registry import ModelCard
from refsam_zoo.weights.files import load_into, warn_random_weights
from refsam_zoo.weights.sam2 import read_sam2

if TYPE_CHECKING:
    from transformers import Sam2VideoConfig

MEMORIES = 7
"""Frames remembered as maps: the first, and the last six."""
POINTERS = 16
"""Frames remembered as object pointers: the first, and the last fifteen."""
CHANNELS = 64
"""Of a remembered map; an object pointer is cut into tokens of as many."""
MASK_SCALE, MASK_BIAS = 20.0, -10.0
"""What makes of a mask's probabilities what the memory encoder reads."""


class Memory(NamedTuple):
    """What is remembered of a video for N expressions, of the first frame and then the latest, the oldest first.

    Attributes:
        maps: float `[N, K, h * w, 64]`, K at most 7; in evaluation rounded to bfloat16, as SAM 2 keeps them.
        pointers: float `[N, P, C]`, P at most 16.
        frames: Frames seen, int64 `[N]`, the same for all expressions of a call, as they are of one video or of clips
            that start together.
    """

    maps: Tensor
    pointers: Tensor
    frames: Tensor


@TRACKERS.register(ModelCard("SAM 2", "part of SAM 2's checkpoints", "Apache-2.0", "2408.00714"))
class sam2_memory(Tracker):
    """SAM 2's memory: attention to maps and object pointers of earlier frames, in the place of a track token.

    Each frame's embedding attends to the memory before the decoder reads it; after the decoder, mask and embedding are
    encoded into a map, and the mask's token into an object pointer. The first frame stands for SAM 2's prompted one.
    The layers are those of the transformers package. Ages of pointers are divided by 15, as where a video is streamed;
    the published package divides those of a video shorter than 16 frames, which it has as a whole, by less.

    Args:
        checkpoint: A file of SAM 2, Meta's or the hub's; None means random weights.
        version: "2.1", which tells pointers' ages apart and marks hidden objects, or "2.0".
        width: Channels of the embedding space, a multiple of 64; None means the image encoder's.
    """

    shows_target = True

    def __init__(
        self,
        checkpoint: str | Path | None = None,
        version: Literal["2.0", "2.1"] = "2.1",
        width: Width | None = None,
    ) -> None:
        super().__init__()
        self.checkpoint, self.version = checkpoint, version
        self.take_width(width)
        if checkpoint is None:
            warn_random_weights("tracker sam2_memory")

    def make_layers(self, width: int) -> None:
        """Makes all layers but those that depend on the number of cells; see `FollowsEmbedding.make_layers`."""
        from transformers.models.sam2_video.modeling_sam2_video import (
            Sam2VideoFeedForward,
            Sam2VideoMemoryEncoder,
            Sam2VideoPositionEmbeddingSine,
        )

        if width % CHANNELS:
            raise InputError(f"tracker sam2_memory needs an embedding width divisible by {CHANNELS}, not {width}")
        latest = self.version != "2.0"
        self.no_memory_embedding = nn.Parameter(torch.zeros(1, 1, width))
        self.memory_temporal_positional_encoding = nn.Parameter(torch.zeros(MEMORIES, 1, 1, CHANNELS))
        self.no_object_pointer = nn.Parameter(torch.zeros(1, width))
        self.object_pointer_proj = Sam2VideoFeedForward(width, width, width, 3)
        self.temporal_positional_encoding_projection_layer = nn.Linear(width, CHANNELS) if latest else nn.Identity()
        self.occlusion_spatial_embedding_parameter = nn.Parameter(torch.zeros(1, CHANNELS)) if latest else None
        self.memory_encoder: Any = Sam2VideoMemoryEncoder(_config(width))
        self._positions = Sam2VideoPositionEmbeddingSine(width // 2, normalize=True)
        # in SAM 2's files, and read only where a mask is given as a prompt
        self.no_memory_positional_encoding = nn.Parameter(torch.zeros(1, 1, width), requires_grad=False)
        self.mask_downsample = nn.Conv2d(1, 1, 4, stride=4).requires_grad_(False)
        for encoding in (self.memory_temporal_positional_encoding, self.no_object_pointer, self.no_memory_embedding):
            nn.init.trunc_normal_(encoding, std=0.02)

    def connect(self, grid: tuple[int, int]) -> None:
        """Makes the attention for a grid of cells, and loads the weights; see `Tracker.connect`."""
        from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoMemoryAttention

        assert self.width is not None
        self.memory_attention = Sam2VideoMemoryAttention(_config(self.width, grid))
        if self.checkpoint is not None:
            part = read_sam2(self.checkpoint, "memory")
            found = "2.1" if "occlusion_spatial_embedding_parameter" in part else "2.0"
            if found != self.version:
                raise InputError(f"{self.checkpoint}: of SAM {found}; give tracker sam2_memory the version {found}")
            load_into(self, part, f"{self.checkpoint} (memory of SAM {self.version})")

    def condition(self, frames: EncodedFrames, track: Memory | None) -> Tensor:
        """Lets the embedding attend to the memory; see `Tracker.condition`."""
        embedding = frames.embedding
        if track is None:
            return embedding + self.no_memory_embedding.transpose(1, 2).unsqueeze(-1)
        places = self._positions(embedding.shape, embedding.device, embedding.dtype)
        maps, map_places = self._maps(track, embedding)
        pointers, pointer_places = self._pointers(track, embedding)
        seen = self.memory_attention(
            current_vision_features=embedding.flatten(2).permute(2, 0, 1),
            current_vision_position_embeddings=places.flatten(2).permute(2, 0, 1),
            memory=torch.cat([maps, pointers], dim=1).transpose(0, 1),
            memory_posision_embeddings=torch.cat([map_places, pointer_places], dim=1).transpose(0, 1),
            num_object_pointer_tokens=pointers.shape[1],
        )
        return seen.transpose(0, 1).reshape(len(embedding), -1, embedding.shape[1]).transpose(1, 2).view_as(embedding)

    def _maps(self, track: Memory, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Gives the remembered maps and where and when they are, each `[N, K * h * w, 64]`."""
        count, kept = track.maps.shape[:2]
        shape = torch.Size([1, CHANNELS, *embedding.shape[-2:]])
        places = self._places(shape, embedding).flatten(2).transpose(1, 2)
        placed = (places + self.ages(kept).view(kept, 1, CHANNELS)).flatten(0, 1).expand(count, -1, -1)
        return track.maps.flatten(1, 2).to(embedding.dtype), placed

    def ages(self, kept: int) -> Tensor:
        """Encodes how old each of the remembered maps is, the oldest first: float `[kept, 1, 1, 64]`."""
        # the first frame has the last encoding, the one t frames ago the encoding t - 1
        encodings = self.memory_temporal_positional_encoding
        return torch.cat([encodings[-1:], encodings[: kept - 1].flip(0)])

    def _places(self, shape: torch.Size, embedding: Tensor) -> Tensor:
        encoding: Tensor = self.memory_encoder.position_encoding(shape, embedding.device, embedding.dtype)
        return encoding

    def _pointers(self, track: Memory, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Gives the object pointers cut into tokens and how old they are, each `[N, P * C / 64, 64]`."""
        count, kept, width = track.pointers.shape
        tokens = track.pointers.to(embedding.dtype).view(count, -1, CHANNELS)
        if self.version == "2.0":
            return tokens, torch.zeros_like(tokens)
        latest = torch.arange(kept - 1, 0, -1, device=embedding.device, dtype=torch.float32)
        ages = torch.cat([track.frames[:1].float(), latest]) / (POINTERS - 1)
        encoded = self.temporal_positional_encoding_projection_layer(_sines(ages, width).to(embedding.dtype))
        return tokens, encoded.repeat_interleave(width // CHANNELS, dim=0).expand(count, -1, -1)

    def prompt(self, track_token: Memory) -> Tensor:
        """Hands the decoder no tokens: it reads the memory through the embedding. See `Tracker.prompt`."""
        return track_token.pointers[:, :0]

    def mask_prompt(self, mask: Tensor) -> Tensor:
        """Shrinks the mask as SAM 2 learned to; see `Tracker.mask_prompt`."""
        shrunk: Tensor = self.mask_downsample(mask)
        return shrunk[:, 0]

    def remember(self, decoded: Decoded, track: Memory | None, frames: EncodedFrames) -> Memory:
        """Encodes what was found and forgets the oldest; see `Tracker.remember`."""
        if decoded.object_score is None:
            raise InputError(
                "tracker sam2_memory needs a mask decoder that tells absent objects: --model.mask_decoder sam2_decoder "
                "or existence_decoder"
            )
        present = (decoded.object_score > 0)[:, None].to(decoded.mask_token.dtype)
        pointer = self.object_pointer_proj(decoded.mask_token[:, 0])
        pointer = (present * pointer + (1 - present) * self.no_object_pointer)[:, None]
        encoded = self._encode(decoded, present, track is None, frames)[:, None]
        if track is None:
            return Memory(encoded, pointer, torch.ones(len(pointer), dtype=torch.long, device=pointer.device))
        return Memory(
            _appended(track.maps, encoded, MEMORIES), _appended(track.pointers, pointer, POINTERS), track.frames + 1
        )

    def _encode(self, decoded: Decoded, present: Tensor, first: bool, frames: EncodedFrames) -> Tensor:
        """Makes a map of a mask and the embedding, which has not attended to anything: float `[N, h * w, 64]`."""
        embedding = frames.embedding
        size = [16 * side for side in embedding.shape[-2:]]
        logits = F.interpolate(decoded.low_res_logits[:, None].float(), size, mode="bilinear", align_corners=False)
        # SAM 2 takes the mask of a prompted frame for certain, and in training no mask
        certain = (first or decoded.certain) and not self.training
        mask = (logits > 0).to(embedding.dtype) if certain else logits.sigmoid().to(embedding.dtype)
        encoded, _ = self.memory_encoder(embedding, mask * MASK_SCALE + MASK_BIAS)
        if self.occlusion_spatial_embedding_parameter is not None:
            encoded = encoded + ((1 - present) * self.occlusion_spatial_embedding_parameter)[..., None, None]
        encoded = encoded.flatten(2).transpose(1, 2)
        return encoded if self.training else encoded.to(torch.bfloat16).to(encoded.dtype)


def _config(width: int, grid: tuple[int, int] = (1, 1)) -> Sam2VideoConfig:
    from transformers import Sam2VideoConfig

    options: dict[str, Any] = {"attn_implementation": "sdpa"}  # of the base class, which does not declare it
    return Sam2VideoConfig(
        **options,
        memory_attention_hidden_size=width,
        memory_attention_feed_forward_hidden_size=8 * width,
        memory_attention_rope_feat_sizes=list(grid[::-1]),
        memory_encoder_hidden_size=width,
        memory_encoder_output_channels=CHANNELS,
        mask_downsampler_embed_dim=width,
        memory_fuser_embed_dim=width,
        memory_fuser_intermediate_dim=4 * width,
    )


def _sines(positions: Tensor, width: int) -> Tensor:
    """Encodes positions `[P]` as sines and cosines of wavelengths from 2 pi to 20000 pi: float `[P, width]`."""
    steps = torch.arange(width // 2, dtype=torch.float32, device=positions.device)
    angles = positions[:, None] / 10000 ** (2 * (steps // 2) / (width // 2))
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def _appended(kept: Tensor, latest: Tensor, most: int) -> Tensor:
    """Adds the latest, `[N, 1, ...]`; of more than `most` the one after the first goes."""
    room = kept if kept.shape[1] < most else torch.cat([kept[:, :1], kept[:, 2:]], dim=1)
    return torch.cat([room, latest], dim=1)
