"""EVF-SAM (arXiv 2406.20076) in every frame by itself: a sentence and the frame, read together, prompt SAM or SAM 2."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from refsam_zoo.errors import InputError
from refsam_zoo.model.beit3 import Beit3, Beit3Size
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.evf_sam import EvfSam, EvfSam2
from refsam_zoo.model.image_encoders.base import ImageEncoder
from refsam_zoo.model.image_encoders.sam import vit_h
from refsam_zoo.model.image_encoders.sam2 import sam2_hiera_large, sam2_hiera_tiny
from refsam_zoo.model.pointing import segment_by_points, segment_by_previous
from refsam_zoo.model.trackers.base import replaced
from refsam_zoo.model.trackers.sam2_memory import sam2_memory
from refsam_zoo.number_types import FiniteFloat, PositiveInt
from refsam_zoo.registry import ModelCard
from refsam_zoo.systems.base import SYSTEMS, Found, VideoSegmenter
from refsam_zoo.systems.corrections import Correction
from refsam_zoo.systems.predictor import MASK_CONFIDENCE, mask_confidence, square_points
from refsam_zoo.systems.sentences import tokenized
from refsam_zoo.types import Tokens
from refsam_zoo.weights.files import check_fit, weights_follow
from refsam_zoo.weights.hub_folders import TAKEN_BY, HubFolder, model_type, read_weights
from refsam_zoo.weights.sentencepiece import read_tokenizer

VOCABULARY = "sentencepiece.bpe.model"


@dataclass
class EvfTrack:
    """A video under way.

    Attributes:
        sentences: The N sentences; None for a thing without a sentence.
        logits: Of the last frame, float `[N, 4h, 4w]`; None before the first, or before anything was shown.
        shown: Numbers of the sentences whose target somebody showed.
    """

    sentences: Tokens | None
    logits: Tensor | None = None
    shown: list[int] = field(default_factory=list)


class EvfSegmenter(VideoSegmenter[EvfTrack]):
    """What EVF-SAM over SAM and over SAM 2 have in common.

    Args:
        weights: A folder with the published files: `config.json`, weights, and the SentencePiece vocabulary.
        threshold: Logit above which a pixel belongs to the object.
        expressions_at_once: Sentences read together; bounds memory.

    Attributes:
        published: The files.
        kind: Class of the model.
        encoders: `sam_scale` of a `config.json` -> image encoder.

    Raises:
        InputError: No weights, or a folder of something else, incomplete or damaged.
    """

    model: EvfSam
    takes_corrections = True
    score_meaning = MASK_CONFIDENCE
    published: ClassVar[HubFolder]
    kind: ClassVar[type[EvfSam]]
    encoders: ClassVar[dict[str, Callable[[], ImageEncoder]]]

    def __init__(
        self,
        weights: str | Path | None = None,
        threshold: FiniteFloat = 0.0,
        expressions_at_once: PositiveInt = 8,
    ) -> None:
        folder = self.published.locate(weights)
        self.tokenizer = read_tokenizer(folder / VOCABULARY)
        super().__init__(load_evf_sam(folder, self.kind, self.encoders).eval())
        self.threshold = threshold
        self.expressions_at_once = expressions_at_once

    @property
    def compiled_parts(self) -> Sequence[nn.Module]:
        """The image encoder, which sees frames of one size; see `VideoSegmenter.compiled_parts`."""
        return [self.model.image_encoder]

    def start(self, expressions: Sequence[str]) -> EvfTrack:
        """Tokenises the sentences: they are read together with each frame. See `VideoSegmenter.start`."""
        limit = self.model.beit3.size.positions - 2  # two rows are never read
        tokens = tokenized(self.tokenizer, expressions, limit).to(self.device)
        return EvfTrack(Tokens(tokens.input_ids, tokens.attention_mask.bool()))

    def start_object(self) -> EvfTrack:
        """See `VideoSegmenter.start_object`."""
        return EvfTrack(None)

    def segment(self, images: Tensor, track: EvfTrack) -> Iterator[Found]:
        """Encodes all frames at once; see `VideoSegmenter.segment`."""
        images = images.to(self.device)
        size = (images.shape[-2], images.shape[-1])
        encoded, small = self.model.encode_images(images), self.model.small_pixels(images)
        for step in range(len(images)):
            frame, previous = encoded.select(slice(step, step + 1)), track.logits
            if track.sentences is None:
                prompts, logits = None, previous
            else:
                prompts, logits = self._asked(frame, small[step : step + 1], track.sentences)
            if logits is None:
                yield Found(torch.zeros_like(images[:1, 0], dtype=torch.bool), torch.zeros(1, device=self.device))
                continue
            for row in track.shown:
                assert previous is not None
                tokens = None if prompts is None else prompts[row : row + 1]
                decoded = segment_by_previous(self.model, frame, tokens, previous[row : row + 1])
                logits = replaced(logits, row, decoded.low_res_logits)
            track.logits = logits
            yield self._found(logits, size)

    def _asked(self, frame: EncodedFrames, small: Tensor, sentences: Tokens) -> tuple[Tensor, Tensor]:
        """Reads sentences together with a frame: prompts float `[N, 1, 256]` and logits `[N, 4h, 4w]`."""
        prompts, logits = [], []
        for some in zip(*(part.split(self.expressions_at_once) for part in sentences), strict=True):
            prompts.append(self.model.prompts(small, Tokens(*some)))
            logits.append(self.model.segment(frame, prompts[-1]))
        return torch.cat(prompts), torch.cat(logits)

    def _found(self, low_res_logits: Tensor, size: tuple[int, int]) -> Found:
        logits = self.model.restore(low_res_logits.float(), size)
        masks = logits > self.threshold
        return Found(masks, mask_confidence(logits, masks))

    def correct(self, image: Tensor, track: EvfTrack, row: int, correction: Correction) -> Found:
        """Decodes the frame as SAM does it, points and box in the place of words; see `VideoSegmenter.correct`.

        From then on the target's mask is a prompt in the next frame, beside the sentence.
        """
        size, image = (image.shape[-2], image.shape[-1]), image.to(self.device)
        frame = self.model.encode_images(image)
        if correction.mask is not None:
            mask = torch.from_numpy(correction.mask).to(self.device)
            logits = self.model.mask_logits(mask, 4 * frame.image.shape[-1])
            found = Found(mask[None], torch.ones(1, device=self.device))
        else:
            side = self.model.image_encoder.image_size
            points, labels = square_points(correction, size, side, frame.image, self.model.fitted)
            previous = None if track.logits is None else track.logits[row : row + 1]
            logits = segment_by_points(self.model, frame, points, labels, previous, None).low_res_logits
            found = self._found(logits, size)
        track.logits = logits if track.logits is None else replaced(track.logits, row, logits.to(track.logits))
        track.shown = sorted({*track.shown, row})
        return found


def load_evf_sam(folder: Path, kind: type[EvfSam], encoders: dict[str, Callable[[], ImageEncoder]]) -> EvfSam:
    """Loads a published EVF-SAM, every weight of it, in float32 on the CPU.

    Args:
        folder: As `HubFolder.locate` gives it.
        kind: Class of the model.
        encoders: `sam_scale` of its `config.json` -> image encoder.

    Raises:
        InputError: The folder holds another model, or files that are incomplete or damaged.
    """
    if (found := model_type(folder)) != "evf":
        fitting = f"; such a folder is for the {TAKEN_BY[found]}" if found in TAKEN_BY else ""
        raise InputError(f"{folder}: model_type is '{found}', but EVF-SAM takes evf{fitting}")
    scale = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("sam_scale")
    if scale not in encoders:
        other = {"huge": "evf_sam", "large": "evf_sam2", "tiny": "evf_sam2"}.get(str(scale))
        hint = f"; such a folder is for system {other}" if other else ""
        raise InputError(f"{folder}: sam_scale is '{scale}', not {' or '.join(encoders)}{hint}")
    parts = kind.parts_of(read_weights(folder))
    try:
        size = Beit3Size.of(parts["beit3"])
    except (LookupError, ValueError) as error:
        raise InputError(f"{folder}: its weights lack those of BEiT-3, 'mm_extractor.beit3.…'") from error
    with weights_follow():
        model = kind(encoders[scale](), Beit3(size))
    state = parts["model"] | {f"beit3.{name}": tensor for name, tensor in parts["beit3"].items()}
    check_fit(model.state_dict(), state, f"{folder} does not fit EVF-SAM")
    if "memory" in parts:
        _check_memory(parts["memory"], model.image_encoder, folder)
    model.load_state_dict(state)
    return model


def _check_memory(state: dict[str, Tensor], encoder: ImageEncoder, folder: Path) -> None:
    """Makes sure that what is left over is SAM 2's memory, which single frames do without, and nothing else."""
    with torch.device("meta"):
        memory = sam2_memory(version="2.0", width=encoder.embedding_width)
        memory.connect((encoder.image_size // encoder.stride,) * 2)
    check_fit(memory.state_dict(), state, f"{folder} does not fit SAM 2.0's memory")


def _folder(repository: str, weights: str, size: str) -> HubFolder:
    return HubFolder(
        repository, "", ("config.json", weights, VOCABULARY), size
    )  # no revision is known that could be pinned


_LIMITS = "sees one frame: no motion, no memory; reads frame and sentence at 224 x 224"


@SYSTEMS.register(
    ModelCard(
        "EVF-SAM (SAM ViT-H, BEiT-3 L)",
        "YxZhang/evf-sam, a local folder",
        "Apache-2.0",
        "2406.20076",
        limits=_LIMITS,
        parameters=1_315_105_072,
    )
)
class evf_sam(EvfSegmenter):
    """BEiT-3 reads frame and sentence together and prompts SAM ViT-H: no memory. Options as in `EvfSegmenter`."""

    published = _folder("YxZhang/evf-sam", "pytorch_model.bin", "2.6 GB")
    kind = EvfSam
    encoders: ClassVar = {"huge": vit_h}


@SYSTEMS.register(
    ModelCard(
        "EVF-SAM 2 (Hiera-L, BEiT-3 L)",
        "YxZhang/evf-sam2, a local folder",
        "Apache-2.0",
        "2406.20076",
        "de5ea4da5236e386ca1c7f5eba51d008f10082d433d9bb354050721701f2e5db",
        limits=_LIMITS,
        parameters=898_444_594,
    )
)
class evf_sam2(EvfSegmenter):
    """BEiT-3 reads frame and sentence together and prompts SAM 2, without memory. Options as in `EvfSegmenter`."""

    published = _folder("YxZhang/evf-sam2", "model.safetensors", "3.2 GB")
    kind = EvfSam2
    encoders: ClassVar = {"large": sam2_hiera_large, "tiny": sam2_hiera_tiny}
