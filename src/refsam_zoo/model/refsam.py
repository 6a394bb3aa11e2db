"""RefSAM (arXiv 2307.00997), top to bottom as in the paper's figure of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.errors import InputError
from refsam_zoo.model.cross_modal import CrossModalMLP, Language
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.feature_source import ComputedFeatures, FeatureSource
from refsam_zoo.model.image_encoders import ImageEncoder
from refsam_zoo.model.mask_decoders import MaskDecoder
from refsam_zoo.model.mask_decoders.sam import build_prompt_encoder
from refsam_zoo.model.preprocessing import restore
from refsam_zoo.model.pretrained_folder import write_pretrained_folder
from refsam_zoo.model.prompts import DensePrompt, SparsePrompt
from refsam_zoo.model.text_encoders import TextEncoder
from refsam_zoo.model.text_encoders.base import known_unpadded
from refsam_zoo.model.trackers import Tracker
from refsam_zoo.model.trackers.base import Choice, Chosen, Track, joined, selected
from refsam_zoo.types import ClipBatch, ImageFeatures, to_device

CELLS_AT_ONCE = 4096
"""Cells of image embeddings decoded together on a processor: one prompt at 64 x 64."""


@dataclass
class Segmentation:
    """Masks of N expressions in one frame each.

    Attributes:
        low_res_logits: float `[N, 4h, 4w]`; above zero is the object.
        iou: Predicted mask quality, float `[N]`. RefSAM trains no head for it.
        track_token: What the tracker hands to the next frame, in RefSAM float `[N, M, 256]`; None without a tracker.
        object_score: Logit of the target being in the frame, float `[N]`; None where neither mask decoder nor tracker
            tells it.
        choice: How a tracker that follows all objects chose among them; None of others.
    """

    low_res_logits: Tensor
    iou: Tensor
    track_token: Track | None
    object_score: Tensor | None = None
    choice: Choice | None = None

    @classmethod
    def of(cls, chosen: Chosen) -> Segmentation:
        """What a tracker chose; its probability stands for the quality of the mask."""
        score = chosen.object_score
        return cls(chosen.low_res_logits, score.sigmoid(), chosen.track, score, chosen.choice)


class SegmentedClips(NamedTuple):
    """What a forward pass gives for N expressions over B clips of T frames.

    Attributes:
        low_res_logits: float `[N, T, 4h, 4w]`.
        track_token: What the tracker carries after the last frame; None without one.
        frames: The B * T encoded frames, clip by clip.
        language: The N sentences.
        choices: Of each of the T frames, of a tracker that follows all objects; of others there are none.
    """

    low_res_logits: Tensor
    track_token: Track | None
    frames: EncodedFrames
    language: Language
    choices: Sequence[Choice] = ()


class RefSAM(nn.Module):
    """Referring video object segmentation: image encoder + text encoder -> prompts -> SAM's mask decoder -> next frame.

    Args:
        image_encoder: Encodes frames.
        text_encoder: Encodes sentences.
        cross_modal: Projects text features into SAM's embedding space.
        sparse_prompt: Makes prompt tokens of the words.
        dense_prompt: Makes a prompt map of words and image.
        mask_decoder: SAM's decoder.
        tracker: Carries the target to the next frame.

    Attributes:
        composition: How each part was made, in plain values, where `compose` put them together.
        features: Gives the encoders' features; a `caching.features.FeatureCache` computes none twice.
    """

    def __init__(
        self,
        image_encoder: ImageEncoder,
        text_encoder: TextEncoder,
        cross_modal: CrossModalMLP,
        sparse_prompt: SparsePrompt,
        dense_prompt: DensePrompt,
        mask_decoder: MaskDecoder,
        tracker: Tracker,
    ) -> None:
        super().__init__()
        for part in (cross_modal, sparse_prompt, dense_prompt, mask_decoder, tracker):
            part.take_width(image_encoder.embedding_width)
        _require_one_width(
            {
                "image_encoder.embedding_width": image_encoder.embedding_width,
                "cross_modal.width": cross_modal.width,
                "sparse_prompt.width": sparse_prompt.width,
                "dense_prompt.width": dense_prompt.width,
                "mask_decoder.width": mask_decoder.width,
                "tracker.width": tracker.width,
            }
        )
        cross_modal.connect(text_encoder.width)
        dense_prompt.connect(image_encoder.intermediate_widths)
        mask_decoder.connect(image_encoder.fine_widths)
        tracker.connect((image_encoder.image_size // image_encoder.stride,) * 2)
        self.image_encoder = image_encoder
        self.text_encoder = text_encoder
        self.cross_modal = cross_modal
        self.sparse_prompt = sparse_prompt
        self.dense_prompt = dense_prompt
        self.prompt_encoder = build_prompt_encoder(
            image_encoder.image_size,
            image_encoder.image_size // image_encoder.stride,
            image_encoder.embedding_width,
        )
        self.mask_decoder = mask_decoder
        self.tracker = tracker
        self.features: FeatureSource = ComputedFeatures()
        self.composition: dict[str, Any] = {}

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.prompt_encoder.no_mask_embed.weight.device

    def save_pretrained(self, folder: str | Path, about: str = "") -> None:
        """Writes a folder that `load_model` and `Predictor.from_pretrained` read; see `write_pretrained_folder`."""
        write_pretrained_folder(Path(folder), self.composition, self.state_dict(), self.text_encoder, about)

    def encode_images(
        self,
        frames: Tensor,
        sizes: Sequence[tuple[int, int]] | None = None,
        positions: list[Tensor] | None = None,
    ) -> EncodedFrames:
        """Encodes frames, each once for all sentences.

        Args:
            frames: RGB, uint8 `[B, 3, H, W]`, on any device.
            sizes: B pairs of height and width before padding; None means no frame is padded.
            positions: Those of earlier frames, while the weights stay the same; None computes them.
        """
        if sizes is None:
            sizes = [(frames.shape[-2], frames.shape[-1])] * len(frames)
        features = self.features.images(self.image_encoder, frames, sizes)
        if positions is None:
            positions = self.mask_decoder.position_terms(self.prompt_encoder.get_dense_pe())
        encoded = self.prepare(features, positions)
        encoded.seen = self.tracker.look(encoded, self.mask_decoder, self.prompt_encoder)
        return encoded

    def prepare(self, features: ImageFeatures, positions: list[Tensor]) -> EncodedFrames:
        """Makes what the decoder sees of an image encoder's features of B frames."""
        # channels last, so that the decoder need not turn the pixels of every prompt into tokens
        final = F.normalize(features.final, dim=1).contiguous(memory_format=torch.channels_last)
        return EncodedFrames(
            final,
            self.dense_prompt.maps(ImageFeatures(final, features.intermediate)),
            positions,
            None if self.image_encoder.unit_length else features.final,
            self.mask_decoder.fine_maps(features.fine) if features.fine else (),
        )

    def encode_text(self, expressions: Sequence[str]) -> Language:
        """Encodes sentences, identical ones once.

        Args:
            expressions: N sentences.
        """
        distinct = list(dict.fromkeys(expressions))
        tokens = self.text_encoder.tokenize(distinct)
        language = self.cross_modal(self.features.text(self.text_encoder, tokens))
        if len(distinct) == len(expressions):
            return language
        rows = [distinct.index(expression) for expression in expressions]
        index = to_device(torch.tensor(rows, device="cpu"), self.device)
        return Language(*(part[index] for part in language))

    def segment(self, frames: EncodedFrames, language: Language, track_token: Track | None = None) -> Segmentation:
        """Segments one time step.

        Without gradients on a processor, as many expressions at a time as its caches and allocator like.

        Args:
            frames: The frame of each expression: N frames.
            language: N sentences.
            track_token: What the previous time step gave; None at the first.
        """
        some = max(1, CELLS_AT_ONCE // frames.image[0, 0].numel())
        if torch.is_grad_enabled() or frames.image.device.type != "cpu" or len(frames.image) <= some:
            return self._segment(frames, language, track_token)
        parts = []
        for first in range(0, len(frames.image), some):
            rows = slice(first, first + some)
            token = None if track_token is None else selected(track_token, rows)
            parts.append(self._segment(frames.select(rows), Language(*(part[rows] for part in language)), token))
        tokens = [part.track_token for part in parts if part.track_token is not None]
        object_scores = [part.object_score for part in parts if part.object_score is not None]
        return Segmentation(
            torch.cat([part.low_res_logits for part in parts]),
            torch.cat([part.iou for part in parts]),
            joined(tokens) if tokens else None,
            torch.cat(object_scores) if object_scores else None,
        )

    def _segment(self, frames: EncodedFrames, language: Language, track_token: Track | None) -> Segmentation:
        chosen = self.tracker.choose(frames, language, track_token)
        if chosen is not None:
            return Segmentation.of(chosen)
        sparse = self.sparse_prompt(frames.image, language)
        dense = self.dense_prompt(frames.image, frames.maps, language)
        if dense is None:
            dense = self.prompt_encoder.no_mask_embed.weight[:, :, None, None].expand_as(frames.image)
        mask = None if known_unpadded(language.mask) else language.mask
        if track_token is not None:
            carried, moved = self.tracker.prompt(track_token), self.tracker.dense(frames.image, track_token, language)
            sparse = torch.cat([sparse, carried], dim=1)
            mask = None if mask is None else F.pad(mask, (0, carried.shape[1]), value=True)
            dense = dense if moved is None else dense + moved
        image = self.tracker.condition(frames, track_token)
        decoded = self.mask_decoder(image, frames.positions, dense, sparse, mask, frames.fine)
        carried_on = self.tracker.remember(decoded, track_token, frames)
        return Segmentation(decoded.low_res_logits, decoded.iou, carried_on, decoded.object_score)

    def restore(self, low_res_logits: Tensor, size: tuple[int, int]) -> Tensor:
        """Resizes logits float `[N, 4h, 4w]` to frames of height and width `size`: float `[N, H, W]`."""
        return restore(low_res_logits, size, self.image_encoder.image_size)

    def forward(self, batch: ClipBatch) -> SegmentedClips:
        """Segments clips, all frames encoded in one batch and each once.

        Args:
            batch: B clips of T frames with N expressions.

        Returns:
            Logits of every frame and expression, and what they were made of.
        """
        steps = batch.frames.shape[1]
        encoded = self.encode_images(batch.frames.flatten(0, 1), [size for size in batch.sizes for _ in range(steps)])
        language = self.encode_text(batch.expressions)
        logits, choices, track_token = [], [], None
        for step in range(steps):
            frames = encoded.select(batch.clip_index * steps + step)
            segmentation = self.segment(frames, language, track_token)
            track_token = segmentation.track_token
            logits.append(segmentation.low_res_logits)
            choices += [] if segmentation.choice is None else [segmentation.choice]
        return SegmentedClips(torch.stack(logits, dim=1), track_token, encoded, language, choices)


def _require_one_width(widths: Mapping[str, int | None]) -> None:
    own = {name: width for name, width in widths.items() if width is not None}
    if len(set(own.values())) > 1:
        found = ", ".join(f"{name} {width}" for name, width in own.items())
        raise InputError(
            f"the parts of a model must share one embedding width, not {found}; a part without a width of its own "
            "follows the image encoder"
        )
