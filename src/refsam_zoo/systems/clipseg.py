"""CLIPSeg (arXiv 2112.10003): text to mask in every frame by itself, the smallest system that needs no training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from refsam_zoo.number_types import PositiveInt, Probability
from refsam_zoo.registry import ModelCard
from refsam_zoo.systems.base import SYSTEMS, Found, VideoSegmenter
from refsam_zoo.systems.predictor import MASK_CONFIDENCE, mask_confidence
from refsam_zoo.systems.sentences import tokenized
from refsam_zoo.weights.hub_folders import HubFolder, load_model, read_processor

if TYPE_CHECKING:
    from transformers import CLIPSegForImageSegmentation

PUBLISHED = HubFolder(
    "CIDAS/clipseg-rd64-refined",
    "999e0328d9e10b484360c477313983f9afdd7050",
    (
        "config.json", "model.safetensors", "preprocessor_config.json",
        "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt",
    ),
    "0.6 GB",
)  # fmt: skip


@SYSTEMS.register(
    ModelCard(
        "CLIPSeg",
        f"{PUBLISHED.repository}, a local folder",
        "Apache-2.0",
        "2112.10003",
        "d00ca85d6b859f9d07b7cfb8ef26fe9771cb275b34c9368f2ecf603139307f55",
        limits="sees one frame: no motion, no memory; marks all things of a kind",
        parameters=150_747_746,
    )
)
class clipseg(VideoSegmenter[Tensor]):
    """Text to mask in each frame by itself: no memory, no motion; a frame is encoded once for all sentences.

    Args:
        weights: A folder in the hub's layout, as of `CIDAS/clipseg-rd64-refined`.
        download: Without a folder, take the files from the hub at a pinned revision.
        threshold: Probability above which a pixel belongs to the object.
        expressions_at_once: Sentences decoded together; bounds memory.

    Raises:
        InputError: No weights, or a folder of something else, incomplete or damaged.
    """

    model: CLIPSegForImageSegmentation
    score_meaning = MASK_CONFIDENCE
    classes: ClassVar = {"clipseg": "CLIPSegForImageSegmentation"}

    def __init__(
        self,
        weights: str | Path | None = None,
        download: bool = False,
        threshold: Probability = 0.5,
        expressions_at_once: PositiveInt = 8,
    ) -> None:
        folder = PUBLISHED.locate(weights, download)
        super().__init__(load_model(folder, self.classes, "system clipseg"))
        self.tokenizer = read_processor(folder, "AutoTokenizer")
        self.image_processor = read_processor(folder, "AutoImageProcessor")
        self.threshold = threshold
        self.expressions_at_once = expressions_at_once

    def start(self, expressions: Sequence[str]) -> Tensor:
        """Encodes the sentences, float `[N, C]`; see `VideoSegmenter.start`."""
        limit = self.model.clip.text_model.config.max_position_embeddings
        tokens = tokenized(self.tokenizer, expressions, limit).to(self.device)
        return self.model.get_conditional_embeddings(len(expressions), tokens.input_ids, tokens.attention_mask)

    def segment(self, images: Tensor, track: Tensor) -> Iterator[Found]:
        """Encodes all frames at once; see `VideoSegmenter.segment`."""
        pixels = self.image_processor(list(images), return_tensors="pt").pixel_values.to(self.device)
        layers = self.model.clip.vision_model(pixels, output_hidden_states=True).hidden_states
        read = [layers[index + 1] for index in self.model.extract_layers]  # the first is what enters the first layer
        for step in range(len(images)):
            logits = torch.cat([self._decode(read, step, some) for some in track.split(self.expressions_at_once)])
            logits = F.interpolate(logits[:, None].float(), images.shape[-2:], mode="bilinear", align_corners=False)[
                :, 0
            ]
            masks = logits.sigmoid() > self.threshold
            yield Found(masks, mask_confidence(logits, masks))

    def _decode(self, read: Sequence[Tensor], step: int, sentences: Tensor) -> Tensor:
        """Gives logits, float `[n, h, w]`, of one frame for n sentences `[n, C]`."""
        frame = tuple(layer[step : step + 1].expand(len(sentences), -1, -1) for layer in read)
        logits: Tensor = self.model.decoder(frame, sentences).logits
        return logits
