"""SAMWISE (arXiv 2411.17646): SAM 2 and RoBERTa frozen, adapters between their stages, and a memory that may be wrong.

The adapters put words into the image encoder behind its second stage, so that sentences share two stages of four.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.image_encoders.sam2 import Sam2ImageEncoder
from refsam_zoo.model.mask_decoders.sam import build_prompt_encoder
from refsam_zoo.model.preprocessing import preprocess, restore
from refsam_zoo.model.sam_layers import MLP
from refsam_zoo.model.samwise_adapter import CrossModalTemporalAdapter, Projected
from refsam_zoo.model.samwise_decoder import SamwiseDecoded, SamwiseDecoder
from refsam_zoo.model.samwise_memory import ConditionalMemoryEncoder, RecentMemory, believed, enlarged
from refsam_zoo.model.trackers.sam2_memory import Memory
from refsam_zoo.types import ClipBatch

if TYPE_CHECKING:
    from transformers import RobertaConfig

FIRST_DECISION, BETWEEN_DECISIONS = 5, 3
"""Index of the first frame whose memory may be distrusted, and frames from one switch to the next decision."""
PADDING = 1
"""Token id of RoBERTa's padding."""
_LIMIT, _CERTAIN = 32.0, 10.0
_SHORTER = 4


@dataclass(frozen=True)
class SamwiseSize:
    """What a SAMWISE is made of, beside its image encoder.

    Attributes:
        adapter: Channels of the adapters.
        patches: Side of the patches in cells within which frames tell each other of themselves, per adapter; zeros for
            the model that was trained on single pictures.
        presence: Whether it tells if the target is in the frame.
        text_width: Channels of RoBERTa.
        text_heads: Of its attention.
        text_hidden: Channels of its feed-forward layers.
        text_layers: Ends of its four pieces: one runs beside each stage of Hiera, and behind the last three words and
            frames meet.
        words: Its vocabulary.
        positions: Rows of its positional embedding, two more than tokens that it reads.
    """

    adapter: int = 256
    patches: tuple[int, int, int] = (8, 4, 2)
    presence: bool = True
    text_width: int = 768
    text_heads: int = 12
    text_hidden: int = 3072
    text_layers: tuple[int, int, int, int] = (1, 4, 8, 12)
    words: int = 50265
    positions: int = 514

    def on_pictures(self) -> SamwiseSize:
        """The same without what was trained on videos alone."""
        return replace(self, patches=(0, 0, 0), presence=False)

    def text_config(self) -> RobertaConfig:
        """RoBERTa's configuration."""
        from transformers import RobertaConfig

        options: dict[str, Any] = {"attn_implementation": "sdpa"}  # of the base class, which does not declare it
        return RobertaConfig(
            **options,
            vocab_size=self.words,
            hidden_size=self.text_width,
            num_hidden_layers=self.text_layers[-1],
            num_attention_heads=self.text_heads,
            intermediate_size=self.text_hidden,
            max_position_embeddings=self.positions,
            type_vocab_size=1,
            layer_norm_eps=1e-5,
            pad_token_id=PADDING,
        )


def fitted(size: tuple[int, int], image_size: int) -> tuple[int, int]:
    """Height and width after resizing, as SAMWISE does it: the shorter side to four less than the square's side.

    Where the longer one would then not fit, that is as long as the square. Fractions are cut off: 480 x 854 becomes
    575 x 1024, and a square 1020 x 1020.
    """
    short, long = image_size - _SHORTER, int((image_size - _SHORTER) * max(size) / min(size))
    if long > image_size:
        short, long = max(1, int(image_size * short / long)), image_size
    return (short, long) if size[0] <= size[1] else (long, short)


class Looked(NamedTuple):
    """B windows before any word was read.

    Attributes:
        second: Output of Hiera's second stage, float `[B, T, H, W, C]`.
        projected: The same on the first adapter's channels.
        finest: What the decoder made of the finest map, float `[B, T, C', h', w']`.
    """

    second: Tensor
    projected: Projected
    finest: Tensor


class Window(NamedTuple):
    """Windows as N sentences see them.

    Attributes:
        embedding: float `[N, T, C, h, w]`.
        fine: What the decoder made of the finer maps, each float `[N, T, C', h', w']`.
        prompt: The sentences as tokens, float `[N, C]`.
    """

    embedding: Tensor
    fine: Sequence[Tensor]
    prompt: Tensor

    def frame(self, index: int, positions: list[Tensor]) -> EncodedFrames:
        """Gives one frame of each window, with the decoder's position terms."""
        return EncodedFrames(self.embedding[:, index], [], positions, None, [maps[:, index] for maps in self.fine])


class Step(NamedTuple):
    """One frame of N sentences.

    Attributes:
        decoded: What the decoder gave with memory.
        memory: With this frame in it.
        switched: Index of the frame where each sentence last switched, int64 `[N]`; 0 before it did.
        decision: Logits of keeping and switching, float `[N, 2]`, and what was seen without memory; None where none was
            due.
    """

    decoded: SamwiseDecoded
    memory: Memory
    switched: Tensor
    decision: tuple[Tensor, SamwiseDecoded] | None


class SamwiseClips(NamedTuple):
    """What a forward pass gives for N expressions over clips of T frames.

    Attributes:
        logits: float `[N, T, 4h, 4w]`.
        decisions: Of each frame where the memory was judged: what was found with it, the logits of keeping and
            switching, float `[N, 2]`, and what was found without it.
    """

    logits: Tensor
    decisions: list[tuple[SamwiseDecoded, Tensor, SamwiseDecoded]]


class Samwise(nn.Module):
    """SAMWISE.

    Args:
        image_encoder: SAM 2's.
        size: Of all else.
    """

    def __init__(self, image_encoder: Sam2ImageEncoder, size: SamwiseSize = SamwiseSize()) -> None:
        super().__init__()
        from transformers import RobertaModel

        width, side = image_encoder.embedding_width, image_encoder.image_size
        self.size = size
        self.image_encoder = image_encoder
        self.text_encoder: Any = RobertaModel(size.text_config(), add_pooling_layer=False)
        self.cmt_adapters: Any = nn.ModuleList(
            CrossModalTemporalAdapter(channels, size.text_width, size.adapter, patch)
            for channels, patch in zip(
                (*image_encoder.intermediate_widths[1:], image_encoder.width), size.patches, strict=True
            )
        )
        self.project_text = MLP(size.text_width, width, width, 3)
        self.prompt_encoder = build_prompt_encoder(side, side // image_encoder.stride, width)
        self.mask_decoder = SamwiseDecoder(width, size.presence)
        self.memory = RecentMemory(width, size.presence)
        self.memory.connect((side // image_encoder.stride,) * 2)
        self.conditional_memory_encoder = ConditionalMemoryEncoder(width)

    def pixels(self, images: Tensor, sizes: Sequence[tuple[int, int]] | None = None) -> Tensor:
        """Makes the model's input `[T, 3, S, S]` of frames uint8 `[T, 3, H, W]`, of these sizes before padding."""
        encoder = self.image_encoder
        sizes = sizes or [(images.shape[-2], images.shape[-1])] * len(images)
        return preprocess(images, sizes, encoder.image_size, encoder.pixel_mean, encoder.pixel_std, fitted)

    def restore(self, low_res_logits: Tensor, size: tuple[int, int]) -> Tensor:
        """Resizes logits `[N, 4h, 4w]` to frames of height and width `size`: float `[N, H, W]`."""
        return restore(low_res_logits.float(), size, self.image_encoder.image_size, fitted)

    def look(self, pixels: Tensor, steps: int) -> Looked:
        """Runs what is the same for all sentences: two stages of four.

        Args:
            pixels: Frames of B windows as `pixels` makes them, float `[B * T, 3, S, S]`.
            steps: T, frames of each window.
        """
        first = self._stage(0, self._embedded(pixels))
        second = self._stage(1, first)
        finest = self.mask_decoder.conv_s0(self._lateral(0, first))
        return Looked(second.unflatten(0, (-1, steps)), self.cmt_adapters[0].project(second, steps),
                      finest.unflatten(0, (-1, steps)))  # fmt: skip

    def read(self, looked: Looked, sentences: Sequence[Tensor], index: Tensor) -> Window:
        """Reads sentences together with the windows they are about.

        A sentence's numbers are exactly those it has alone only where it is read alone; others fill it up with padding,
        which is masked.

        Args:
            looked: What `look` gave of B windows.
            sentences: Token ids of each of N sentences, int64 `[L]`.
            index: The window of each, int64 `[N]`.
        """
        ids = nn.utils.rnn.pad_sequence([*sentences], batch_first=True, padding_value=PADDING)
        padding = ids == PADDING if len(sentences) > 1 else None
        words = self._read(0, self.text_encoder.embeddings(ids), padding)
        second = looked.second[index] if len(looked.second) > 1 or len(index) > 1 else looked.second
        maps, projected, steps = second.flatten(0, 1), looked.projected.select(index), second.shape[1]
        stages = []
        for number, adapter in enumerate(self.cmt_adapters, 1):
            if number > 1:
                maps = self._stage(number, maps)
                projected = adapter.project(maps, steps)
            words = self._read(number, words, padding)
            shown, said = adapter(projected, words, padding)
            maps, words = maps + shown, words + said
            stages.append(maps)
        coarse = F.interpolate(self._lateral(3, stages[2]).float(), scale_factor=2.0, mode="nearest")
        third = self._lateral(2, stages[1])
        embedding = (third + coarse.to(third.dtype)).unflatten(0, (-1, steps))
        finer = self.mask_decoder.conv_s1(self._lateral(1, stages[0])).unflatten(0, (-1, steps))
        return Window(embedding, (looked.finest[index], finer), self.project_text(words[:, 0]))

    def encode(self, pixels: Tensor, sentences: Sequence[Tensor]) -> Iterator[Window]:
        """Encodes a window for one sentence after the other: each has the numbers it has alone.

        Args:
            pixels: The window's frames as `pixels` makes them, float `[T, 3, S, S]`.
            sentences: Token ids of each, int64 `[L]`, without padding.
        """
        looked = self.look(pixels, len(pixels))
        for ids in sentences:
            yield self.read(looked, [ids], torch.zeros(1, dtype=torch.long, device=ids.device))

    def _embedded(self, pixels: Tensor) -> Tensor:
        """Makes patches with their positions, float `[T, H, W, C]`: those in the picture, and those in a window."""
        backbone = self.image_encoder.vision.backbone
        maps: Tensor = backbone.patch_embed(pixels)
        height, width = maps.shape[1:3]
        places, window = backbone.pos_embed, backbone.pos_embed_window
        places = F.interpolate(places, (height, width), mode="bicubic")
        windows = window.tile(1, 1, height // window.shape[2], width // window.shape[3])
        return maps + (places + windows).permute(0, 2, 3, 1)

    def _stage(self, number: int, maps: Tensor) -> Tensor:
        """Runs a stage of Hiera, float `[T, H, W, C]`."""
        backbone = self.image_encoder.vision.backbone
        begin = backbone.stage_ends[number - 1] + 1 if number else 0
        for block in backbone.blocks[begin : backbone.stage_ends[number] + 1]:
            maps = block(maps)
        return maps

    def _lateral(self, stage: int, maps: Tensor) -> Tensor:
        """Projects a stage's maps `[T, H, W, C]` into the embedding space: float `[T, 256, H, W]`."""
        lateral: Tensor = self.image_encoder.vision.neck.convs[3 - stage](maps.permute(0, 3, 1, 2))
        return lateral

    def _read(self, piece: int, words: Tensor, padding: Tensor | None) -> Tensor:
        """Runs a piece of RoBERTa, float `[N, L, W]`."""
        ends = (0, *self.size.text_layers)
        seen = None if padding is None else ~padding[:, None, None]
        for layer in self.text_encoder.encoder.layer[ends[piece] : ends[piece + 1]]:
            words = layer(words, seen)
        return words

    def positions(self) -> list[Tensor]:
        """Gives the decoder's position terms, the same for all frames while the weights stay the same."""
        return self.mask_decoder.position_terms(self.prompt_encoder.get_dense_pe())

    def segment(
        self,
        frames: EncodedFrames,
        prompts: Tensor | None,
        memory: Memory | None,
        switched: Tensor,
        conditional: bool = True,
    ) -> Step:
        """Segments the next frame of N sentences.

        Args:
            frames: The frame as each sentence sees it.
            prompts: The sentences, float `[N, C]`; None of things without one.
            memory: Of the frames before; None at the first.
            switched: See `Step`.
            conditional: Whether the memory may be distrusted.
        """
        decoded = self._decode(self.memory.condition(frames, memory), frames, prompts)
        pointer = self.memory.pointer(decoded.token, decoded.object_score)
        side = self.image_encoder.image_size
        logits, decision = enlarged(decoded.logits, side), None
        index = 0 if memory is None else int(memory.frames[0])
        due = index - switched >= BETWEEN_DECISIONS
        if conditional and index >= FIRST_DECISION and due.any():
            without = self._decode(self.memory.condition(frames, None), frames, prompts)
            compared = self.conditional_memory_encoder(pointer.detach(), without.early.detach())
            decision = compared, without
            if not self.training:
                switches = due & (compared.argmax(1) == 1)
                logits = believed(logits, enlarged(without.logits, side), switches)
                switched = torch.where(switches, index, switched)
        return Step(decoded, self.memory.keep(frames.embedding, logits, pointer, memory), switched, decision)

    def segment_shown(
        self, frame: EncodedFrames, tokens: Tensor | None, previous: Tensor | None, memory: Memory | None
    ) -> tuple[SamwiseDecoded, Memory]:
        """Segments one frame by what somebody shows in it, in the place of words.

        Args:
            frame: The frame as the sentence sees it.
            tokens: Points and corners of a box as `point_tokens` makes them, float `[1, L, C]`; None means that
                `previous` is the mask that is shown.
            previous: Logits of the mask that is corrected or shown, float `[1, 4h, 4w]`; None if there was none.
            memory: Of the frames before; None at the first.

        Returns:
            What the decoder gave, and the memory with this frame in it, whose mask is certain.
        """
        image = self.memory.condition(frame, memory)
        sparse = self.prompt_encoder.not_a_point_embed.weight.expand(1, 2, -1) if tokens is None else tokens
        if previous is None:
            dense = self.prompt_encoder.no_mask_embed.weight[:, :, None, None].expand_as(image)
        else:
            dense = self.prompt_encoder.mask_downscaling(previous.clamp(-_LIMIT, _LIMIT)[:, None].to(image.dtype))
        decoded = self.mask_decoder.decode(image, frame.positions, dense, sparse, frame.fine)
        logits = decoded.logits if tokens is not None or previous is None else previous
        pointer = self.memory.pointer(decoded.token, None)
        certain = enlarged(logits, self.image_encoder.image_size).sign() * _CERTAIN
        return decoded._replace(logits=logits), self.memory.keep(frame.embedding, certain, pointer, memory)

    def _decode(self, embedding: Tensor, frames: EncodedFrames, prompts: Tensor | None) -> SamwiseDecoded:
        dense = self.prompt_encoder.no_mask_embed.weight[:, :, None, None].expand_as(embedding)
        sparse = self.prompt_encoder.not_a_point_embed.weight.expand(len(embedding), 2, -1)
        if prompts is not None:
            sparse = torch.cat([sparse, prompts[:, None]], dim=1)
        return self.mask_decoder.decode(embedding, frames.positions, dense, sparse, frames.fine)

    def forward(self, batch: ClipBatch, sentences: Sequence[Tensor]) -> SamwiseClips:
        """Segments clips, each a window of its own.

        Args:
            batch: B clips of T frames with N expressions.
            sentences: Token ids of each expression, int64 `[L]`.
        """
        steps_of_clip = batch.frames.shape[1]
        device = sentences[0].device
        sizes = [size for size in batch.sizes for _ in range(steps_of_clip)]
        looked = self.look(self.pixels(batch.frames.flatten(0, 1).to(device), sizes), steps_of_clip)
        window, positions = self.read(looked, sentences, batch.clip_index), self.positions()
        memory, switched, steps = None, torch.zeros(len(sentences), dtype=torch.long, device=device), []
        for index in range(steps_of_clip):
            step = self.segment(window.frame(index, positions), window.prompt, memory, switched)
            memory, switched = step.memory, step.switched
            steps.append(step)
        logits = torch.stack([step.decoded.logits for step in steps], dim=1)
        return SamwiseClips(logits, [(step.decoded, *step.decision) for step in steps if step.decision is not None])
