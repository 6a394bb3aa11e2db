"""Detectors of the transformers package that find boxes for a sentence: Grounding DINO, MM Grounding DINO, OWLv2."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torchvision.ops import box_convert, clip_boxes_to_image

from refsam_zoo.errors import InputError
from refsam_zoo.systems.sentences import tokenized
from refsam_zoo.weights.hub_folders import load_model, read_processor

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CLASSES = {
    "grounding-dino": "GroundingDinoForObjectDetection",
    "mm-grounding-dino": "MMGroundingDinoForObjectDetection",
    "owlv2": "Owlv2ForObjectDetection",
}
"""`model_type` of a folder's `config.json` -> class of transformers."""


class FoundBoxes(NamedTuple):
    """What a detector sees in a frame for one sentence, the best first.

    Attributes:
        boxes: Left, upper, right and lower edges in pixels of the frame, float `[K, 4]`.
        scores: float `[K]`, 0..1.
    """

    boxes: Tensor
    scores: Tensor


class BoxDetector(ABC):
    """Finds boxes for sentences in a frame, which is encoded once for all of them.

    Args:
        model: Of the transformers package.
        tokenizer: Its tokenizer.
        image_processor: What prepares its images.

    Attributes:
        threshold: Score above which the package takes a box for found, unless it is told another.
    """

    threshold: ClassVar[float]

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, image_processor: Any) -> None:
        self.model: Any = model
        self.tokenizer = tokenizer
        self.image_processor = image_processor

    @property
    @abstractmethod
    def image_encoder(self) -> nn.Module:
        """What takes most of the time, called once for a frame."""

    @abstractmethod
    def encode(self, sentence: str) -> Any:
        """Makes of a sentence what `find` takes, once for all frames.

        Raises:
            InputError: It holds no word.
        """

    @abstractmethod
    def find(self, image: Tensor, encoded: Sequence[Any]) -> Iterator[FoundBoxes]:
        """Looks for sentences in a frame.

        Args:
            image: RGB, uint8 `[3, H, W]`, on the model's device.
            encoded: What `encode` gave for each sentence.

        Yields:
            Every box, likely or not, for each sentence.
        """

    def _tokens(self, sentence: str, text: str, limit: int, fill: bool = False) -> Mapping[str, Tensor]:
        """Makes int64 `[1, L]` of the text that a sentence becomes; see `sentences.tokenized`."""
        tokens = tokenized(self.tokenizer, [text], limit, fill)
        known = self.tokenizer.decode(tokens["input_ids"][0], skip_special_tokens=True)
        if not any(map(str.isalnum, known)):
            raise InputError(
                f"the detector's vocabulary has no word of the sentence '{sentence}'; say it in other words"
            )
        return dict(tokens.to(self.model.device))

    def _pixels(self, image: Tensor) -> Mapping[str, Tensor]:
        return dict(self.image_processor(images=image, device=image.device, return_tensors="pt"))


class GroundingDino(BoxDetector):
    """Grounding DINO (arXiv 2303.05499) and MM Grounding DINO (arXiv 2401.02361)."""

    threshold: ClassVar[float] = 0.25

    @property
    def image_encoder(self) -> nn.Module:
        """The backbone without the positions of its maps."""
        part: nn.Module = self.model.model.backbone.conv_encoder
        return part

    def encode(self, sentence: str) -> Mapping[str, Tensor]:
        """Makes token ids of a sentence, in lower case and with a full stop, as the model was trained."""
        text = f"{sentence.strip().rstrip('.').lower()}."
        return self._tokens(sentence, text, self.model.config.max_text_len)

    def find(self, image: Tensor, encoded: Sequence[Mapping[str, Tensor]]) -> Iterator[FoundBoxes]:
        """Gives each box the probability of its likeliest word, as the published evaluation does."""
        pixels = self._pixels(image)
        with _called_once(self.model.model.backbone):
            for tokens in encoded:
                output = self.model(**pixels, **tokens)
                yield _best_first(output.pred_boxes[0], output.logits[0].amax(-1), image.shape[1:], image.shape[1:])


class Owlv2(BoxDetector):
    """OWLv2 (arXiv 2306.09683)."""

    threshold: ClassVar[float] = 0.1

    @property
    def image_encoder(self) -> nn.Module:
        """The vision transformer."""
        part: nn.Module = self.model.owlv2.vision_model
        return part

    def encode(self, sentence: str) -> Tensor:
        """Makes a sentence's embedding, float `[1, 1, C]`."""
        limit = self.model.config.text_config.max_position_embeddings
        tokens = self._tokens(sentence, sentence, limit, fill=True)
        embedding = self.model.owlv2.get_text_features(**tokens, return_dict=True).pooler_output
        return nn.functional.normalize(embedding, dim=-1)[None]

    def find(self, image: Tensor, encoded: Sequence[Tensor]) -> Iterator[FoundBoxes]:
        """Gives each box the probability that the package computes for the sentence."""
        maps, _ = self.model.image_embedder(**self._pixels(image))
        regions = maps.flatten(1, 2)
        boxes = self.model.box_predictor(regions, maps)[0]
        side = max(image.shape[1:])  # the frame is padded on the right or below to a square
        for embedding in encoded:
            logits, _ = self.model.class_predictor(regions, embedding)
            yield _best_first(boxes, logits[0, :, 0], (side, side), image.shape[1:])


def open_detector(folder: Path) -> BoxDetector:
    """Loads the detector that a folder in the hub's layout holds.

    Raises:
        InputError: See `hub_folders.load_model`.
    """
    model = load_model(folder, CLASSES, "detector of system grounded_sam2")
    entry = Owlv2 if model.config.model_type == "owlv2" else GroundingDino
    return entry(model, read_processor(folder, "AutoTokenizer"), read_processor(folder, "AutoImageProcessor"))


def _best_first(boxes: Tensor, logits: Tensor, covered: Sequence[int], size: Sequence[int]) -> FoundBoxes:
    """Sorts boxes and gives them in pixels.

    Args:
        boxes: Centres, widths and heights relative to what is covered, float `[K, 4]`.
        logits: float `[K]`.
        covered: Height and width that the detector saw, in pixels of the frame.
        size: Height and width of the frame.
    """
    scores, order = logits.float().sigmoid().sort(descending=True, stable=True)
    scale = boxes.new_tensor([covered[1], covered[0]], dtype=torch.float32).repeat(2)
    corners = box_convert(boxes[order].float(), "cxcywh", "xyxy") * scale
    return FoundBoxes(clip_boxes_to_image(corners, (size[0], size[1])), scores)


@contextmanager
def _called_once(backbone: nn.Module) -> Iterator[None]:
    """Inside, a backbone encodes one frame; asked again, it gives what it gave before."""
    encode, given = backbone.forward, list[tuple[list[Any], list[Tensor]]]()

    def once(*inputs: Tensor) -> tuple[list[Any], list[Tensor]]:
        if not given:
            given.append(encode(*inputs))
        maps, positions = given[0]
        return list(maps), list(positions)  # the caller makes the lists longer

    backbone.forward = once
    try:
        yield
    finally:
        del backbone.forward
