"""SAMWISE (arXiv 2411.17646) over videos: words and frames change each other inside of SAM 2, window by window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from refsam_zoo.errors import InputError
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.image_encoders.sam2 import Sam2ImageEncoder, sam2_hiera_base_plus
from refsam_zoo.model.samwise import Samwise, SamwiseSize, Window
from refsam_zoo.model.trackers.sam2_memory import Memory
from refsam_zoo.number_types import FiniteFloat, PositiveInt
from refsam_zoo.registry import ModelCard
from refsam_zoo.systems.base import SYSTEMS, Found, VideoSegmenter, joined
from refsam_zoo.systems.predictor import MASK_CONFIDENCE, PRESENCE, mask_confidence
from refsam_zoo.systems.sentences import tokenized
from refsam_zoo.weights.files import check_fit, load_state_dict, weights_follow
from refsam_zoo.weights.hub_folders import HubFolder, model_type, read_processor
from refsam_zoo.weights.samwise import in_our_names

TOKENIZER = HubFolder(
    "FacebookAI/roberta-base", "", ("config.json", "tokenizer.json", "vocab.json", "merges.txt"), "3 MB"
)  # no revision is known that could be pinned


@dataclass
class Seen:
    """What some sentences have seen of a video.

    Attributes:
        switched: See `model.samwise.Step`.
        memory: Of the last frames; None before the first.
    """

    switched: Tensor
    memory: Memory | None = None


@dataclass
class SamwiseTrack:
    """A video under way.

    Attributes:
        sentences: Token ids of each, int64 `[L]`.
        seen: What each group of sentences has seen of it, those that are decoded together.
        positions: The decoder's position terms, the same for all frames.
    """

    sentences: list[Tensor]
    seen: list[Seen] = field(default_factory=list)
    positions: list[Tensor] = field(default_factory=list)


class SamwiseSegmenter(VideoSegmenter[SamwiseTrack]):
    """SAMWISE over videos.

    Args:
        model: In evaluation mode, unless it is in training.
        tokenizer: RoBERTa's, of the transformers package.
        window: See `samwise`.
        conditional: See `samwise`.
        threshold: See `samwise`.
        expressions_at_once: See `samwise`.
    """

    model: Samwise

    def __init__(
        self,
        model: Samwise,
        tokenizer: Any,
        window: PositiveInt = 8,
        conditional: bool = True,
        threshold: FiniteFloat = 0.0,
        expressions_at_once: PositiveInt = 4,
    ) -> None:
        super().__init__(model)
        self.tokenizer = tokenizer
        self.score_meaning = PRESENCE if model.size.presence else MASK_CONFIDENCE
        self.window_length = self.frames_at_once = window
        self.conditional = conditional
        self.threshold = threshold
        self.expressions_at_once = expressions_at_once

    @property
    def compiled_parts(self) -> Sequence[nn.Module]:
        """The blocks of Hiera; see `VideoSegmenter.compiled_parts`."""
        return [*self.model.image_encoder.vision.backbone.blocks]

    def start(self, expressions: Sequence[str]) -> SamwiseTrack:
        """Tokenises the sentences: they are read together with each window. See `VideoSegmenter.start`."""
        ids = self.token_ids(expressions)
        groups = [
            ids[first : first + self.expressions_at_once] for first in range(0, len(ids), self.expressions_at_once)
        ]
        seen = [Seen(torch.zeros(len(group), dtype=torch.long, device=self.device)) for group in groups]
        return SamwiseTrack(ids, seen)

    def token_ids(self, expressions: Sequence[str]) -> list[Tensor]:
        """Tokenises sentences, each int64 `[L]` without padding."""
        limit = self.model.size.positions - 2  # two rows are never read
        return [tokenized(self.tokenizer, [said], limit).input_ids[0].to(self.device) for said in expressions]

    def segment(self, images: Tensor, track: SamwiseTrack) -> Iterator[Found]:
        """Encodes a window at a time; see `VideoSegmenter.segment`."""
        track.positions = track.positions or self.model.positions()
        for window in images.to(self.device).split(self.window_length):
            encoded = self.model.encode(self.model.pixels(window), track.sentences)
            size = (images.shape[-2], images.shape[-1])
            found = [
                [*self._window([*islice(encoded, len(seen.switched))], seen, track.positions, size)]
                for seen in track.seen
            ]
            for groups in zip(*found, strict=True):
                yield joined(groups)

    def _window(
        self, windows: Sequence[Window], seen: Seen, positions: list[Tensor], size: tuple[int, int]
    ) -> Iterator[Found]:
        """Decodes the frames of a window for a group of sentences."""
        prompts = torch.cat([window.prompt for window in windows])
        for index in range(windows[0].embedding.shape[1]):
            frame = joined_frames([window.frame(index, positions) for window in windows])
            step = self.model.segment(frame, prompts, seen.memory, seen.switched, self.conditional)
            seen.memory, seen.switched = step.memory, step.switched
            logits = self.model.restore(step.decoded.logits, size)
            masks = logits > self.threshold
            score = step.decoded.object_score
            yield Found(masks, mask_confidence(logits, masks) if score is None else score.sigmoid())


@SYSTEMS.register(
    ModelCard(
        "SAMWISE (SAM 2 Hiera-B+, RoBERTa-base)",
        "final_model_mevis.pth, linked to in ClaudiaCuttano/SAMWISE, a local file",
        "Apache-2.0",
        "2411.17646",
        limits="masks come window by window of 8 frames; what moved before is known by memory alone",
        parameters=210_124_100,
    )
)
class samwise(SamwiseSegmenter):
    """SAM 2 whose image encoder reads the sentence, with adapters that see windows of frames, and SAM 2's memory.

    A video is cut into windows at multiples of their length, whatever batches it comes in; only the last is shorter.
    A session that is given single frames has windows of one frame. For each sentence the masks are those that it has
    alone.

    Args:
        weights: The published file, `final_model_mevis.pth` or the like, that of single pictures too, or what
            `refsam-zoo convert` made of it.
        tokenizer: A folder with the tokenizer of RoBERTa-base in the hub's layout.
        window: Frames of a window; the published models were trained with 8, and with 1 each frame has its masks at
            once.
        conditional: Whether masks that were found without memory may take the place of what is remembered.
        threshold: Logit above which a pixel belongs to the object.
        expressions_at_once: Sentences decoded together; bounds memory.

    Attributes:
        kinds: Channels of Hiera's first stage and number of its blocks -> image encoder, and sizes of all else.

    Raises:
        InputError: No weights, or files of something else, incomplete or damaged.
    """

    kinds: ClassVar[dict[tuple[int, int], tuple[Callable[[], Sam2ImageEncoder], SamwiseSize]]] = {
        (112, 24): (sam2_hiera_base_plus, SamwiseSize())
    }

    def __init__(
        self,
        weights: str | Path | None = None,
        tokenizer: str | Path | None = None,
        window: PositiveInt = 8,
        conditional: bool = True,
        threshold: FiniteFloat = 0.0,
        expressions_at_once: PositiveInt = 4,
    ) -> None:
        if weights is None:
            raise InputError(
                "no weights given: name a file of SAMWISE (final_model_mevis.pth; about 0.8 GB), which its authors "
                "link to in their repository ClaudiaCuttano/SAMWISE"
            )
        words = read_roberta_tokenizer(TOKENIZER.locate(tokenizer, option="tokenizer"))
        model = load_samwise(Path(weights), self.kinds).eval()
        super().__init__(model, words, window, conditional, threshold, expressions_at_once)


def joined_frames(frames: Sequence[EncodedFrames]) -> EncodedFrames:
    """Puts one frame as some sentences see it together."""
    fine = [torch.cat(maps) for maps in zip(*(frame.fine for frame in frames), strict=True)]
    return EncodedFrames(torch.cat([frame.image for frame in frames]), [], frames[0].positions, None, fine)


def read_roberta_tokenizer(folder: Path) -> Any:
    """Reads the tokenizer of RoBERTa.

    Args:
        folder: In the hub's layout.

    Raises:
        InputError: It is of another model, incomplete or damaged.
    """
    if (found := model_type(folder)) != "roberta":
        raise InputError(f"{folder}: model_type is '{found}', but SAMWISE reads words as roberta does")
    return read_processor(folder, "AutoTokenizer")


def load_samwise(
    path: Path, kinds: dict[tuple[int, int], tuple[Callable[[], Sam2ImageEncoder], SamwiseSize]]
) -> Samwise:
    """Loads a SAMWISE, every weight of it, in float32 on the CPU.

    Args:
        path: The published file, or one with our names.
        kinds: See `samwise`.

    Raises:
        InputError: No such file, or it is damaged or of something else.
    """
    state = in_our_names(load_state_dict(path), path)
    places = state.get("image_encoder.vision.backbone.pos_embed")
    blocks = {name.split(".")[4] for name in state if name.startswith("image_encoder.vision.backbone.blocks.")}
    kind = (0 if places is None else places.shape[1], len(blocks))
    if kind not in kinds:
        known = " or ".join(f"{channels} channels and {count} blocks" for channels, count in kinds)
        raise InputError(f"{path}: its Hiera begins with {kind[0]} channels and has {kind[1]} blocks, not {known}")
    encoder, size = kinds[kind]
    if "mask_decoder.obj_score_token.weight" not in state:
        size = size.on_pictures()
    with weights_follow():
        model = Samwise(encoder(), size)
    check_fit(model.state_dict(), state, f"{path} does not fit SAMWISE")
    model.load_state_dict(state)
    return model
