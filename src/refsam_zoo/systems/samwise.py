"""SAMWISE (arXiv 2411.17646) over videos: words and frames change each other inside of SAM 2, window by window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.errors import InputError
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.image_encoders.sam2 import Sam2ImageEncoder, sam2_hiera_base_plus
from refsam_zoo.model.pointing import mask_logits
from refsam_zoo.model.samwise import Samwise, SamwiseSize, Window, fitted
from refsam_zoo.model.samwise_decoder import SamwiseDecoded
from refsam_zoo.model.trackers.base import replaced, selected
from refsam_zoo.model.trackers.sam2_memory import Memory
from refsam_zoo.number_types import FiniteFloat, PositiveInt
from refsam_zoo.registry import ModelCard
from refsam_zoo.systems.base import SYSTEMS, Found, VideoSegmenter, joined
from refsam_zoo.systems.corrections import Correction
from refsam_zoo.systems.predictor import MASK_CONFIDENCE, PRESENCE, mask_confidence, square_points
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
        earlier: The memory before the last frame, for a correction of that.
        logits: Of the last frame, float `[N, 4h, 4w]`, for the same.
        nameless: Whether it is a thing without a sentence, which is nowhere until it is shown.
    """

    switched: Tensor
    memory: Memory | None = None
    earlier: Memory | None = None
    logits: Tensor | None = None
    nameless: bool = False


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
        self.takes_corrections = window == 1

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

    def start_object(self) -> SamwiseTrack:
        """See `VideoSegmenter.start_object`."""
        if not self.takes_corrections:
            raise self.refusal()
        return SamwiseTrack(
            self.token_ids([""]), [Seen(torch.zeros(1, dtype=torch.long, device=self.device), nameless=True)]
        )

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
        prompts = None if seen.nameless else torch.cat([window.prompt for window in windows])
        for index in range(windows[0].embedding.shape[1]):
            frame = joined_frames([window.frame(index, positions) for window in windows])
            if seen.nameless and seen.memory is None:
                device = self.device
                yield Found(torch.zeros(1, *size, dtype=torch.bool, device=device), torch.zeros(1, device=device))
                continue
            trusting = seen.nameless or not self.conditional
            step = self.model.segment(frame, prompts, seen.memory, seen.switched, not trusting)
            seen.earlier, seen.memory, seen.switched = seen.memory, step.memory, step.switched
            seen.logits = step.decoded.logits
            yield self._found(step.decoded, size)

    def _found(self, decoded: SamwiseDecoded, size: tuple[int, int]) -> Found:
        logits = self.model.restore(decoded.logits, size)
        masks = logits > self.threshold
        score = decoded.object_score
        return Found(masks, mask_confidence(logits, masks) if score is None else score.sigmoid())

    def correct(self, image: Tensor, track: SamwiseTrack, row: int, correction: Correction) -> Found:
        """Decodes the frame as SAM 2 does it, points and box in the place of words; see `VideoSegmenter.correct`.

        The memory of the frame is replaced. It needs windows of one frame, after which nothing was seen yet.
        """
        if not self.takes_corrections:
            raise self.refusal()
        size, image = (image.shape[-2], image.shape[-1]), image.to(self.device)
        group, place = divmod(row, self.expressions_at_once)
        seen, rows = track.seen[group], slice(place, place + 1)
        track.positions = track.positions or self.model.positions()
        (window,) = self.model.encode(self.model.pixels(image), [track.sentences[row]])
        earlier = None if seen.earlier is None else selected(seen.earlier, rows)
        previous = None if seen.logits is None else seen.logits[rows]
        tokens, previous = self._prompt(correction, size, window.embedding, previous)
        decoded, memory = self.model.segment_shown(window.frame(0, track.positions), tokens, previous, earlier)
        seen.memory = memory if seen.memory is None else replaced(seen.memory, place, memory)
        seen.logits = decoded.logits if seen.logits is None else replaced(seen.logits, place, decoded.logits)
        seen.switched = replaced(seen.switched, place, memory.frames)  # the memory is trusted for a while
        found = self._found(decoded, size)
        if correction.mask is None:
            return found
        return Found(torch.from_numpy(correction.mask)[None].to(self.device), torch.ones_like(found.scores))

    def _prompt(
        self, correction: Correction, size: tuple[int, int], like: Tensor, previous: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Makes the prompt tokens of points and a box, and the logits that they correct; or those of a mask alone."""
        side = self.model.image_encoder.image_size
        if correction.mask is not None:
            mask = torch.from_numpy(correction.mask).to(self.device)
            return None, mask_logits(mask, 4 * like.shape[-1], side, fitted)
        points, labels = square_points(correction, size, side, like, fitted)
        # a point that says nothing stands behind the others, as in SAM 2
        points, labels = F.pad(points, (0, 0, 0, 1)), F.pad(labels, (0, 1), value=-1)
        return self.model.prompt_encoder.point_tokens(points, labels), previous

    def refusal(self) -> InputError:
        """Says that windows are in the way."""
        return InputError(
            f"system {type(self).__name__} takes no points, boxes or masks in windows of {self.window_length} frames; "
            "give it the option window=1"
        )


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
