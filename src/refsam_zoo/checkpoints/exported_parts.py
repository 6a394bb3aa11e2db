"""RefSAM cut where a program without PyTorch joins it again: two encoders, and one step of time with its state."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from refsam_zoo.errors import InputError
from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.types import Tokens


class ImagePart(nn.Module):
    """What is done once per frame.

    Args:
        model: The model; only what is needed of it is kept.
    """

    def __init__(self, model: RefSAM) -> None:
        super().__init__()
        self.model = _with_parts(model, "image_encoder", "dense_prompt")

    def forward(self, frame: Tensor) -> tuple[Tensor, ...]:
        """Encodes a preprocessed frame, float `[1, 3, S, S]`: its embedding, then its maps, each `[1, C, h, w]`."""
        encoded = self.model.prepare(self.model.image_encoder(frame), positions=[])
        return encoded.image, *encoded.maps


class TextPart(nn.Module):
    """What is done once per sentence.

    Args:
        model: The model; only what is needed of it is kept.
    """

    def __init__(self, model: RefSAM) -> None:
        super().__init__()
        self.text_encoder, self.cross_modal = model.text_encoder, model.cross_modal

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Encodes tokens, int64 and bool `[N, L]`: words, float `[N, L, C]`, and sentences, float `[N, C]`."""
        language = self.cross_modal(self.text_encoder(Tokens(ids, mask)))
        return language.words, language.sentence


class FirstFrame(nn.Module):
    """What is done per frame and sentence: prompts, decoder, tracker. Position terms are constants.

    Args:
        model: The model; only what is needed of it is kept.
    """

    def __init__(self, model: RefSAM) -> None:
        super().__init__()
        terms = model.mask_decoder.position_terms(model.prompt_encoder.get_dense_pe())
        self.positions = nn.ParameterList(nn.Parameter(term.detach(), requires_grad=False) for term in terms)
        self.model = _with_parts(model, "sparse_prompt", "dense_prompt", "prompt_encoder", "mask_decoder", "tracker")

    def forward(
        self, words: Tensor, sentence: Tensor, mask: Tensor, image: Tensor, *maps: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Segments a first frame for N sentences: logits, float `[N, 4h, 4w]`, and track tokens, float `[N, M, C]`."""
        return self.segment(Language(words, sentence, mask), None, image, maps)

    def segment(
        self, language: Language, track_token: Tensor | None, image: Tensor, maps: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Segments a frame; see `RefSAM.segment`."""
        frame = EncodedFrames(image, list(maps), list(self.positions)).repeat(language.mask.shape[0])
        found = self.model.segment(frame, language, track_token)
        assert found.track_token is not None, "the tracker was tried first"
        return found.low_res_logits, found.track_token


class NextFrame(FirstFrame):
    """As `FirstFrame`, with the track tokens that the frame before gave."""

    def forward(  # type: ignore[override]
        self, words: Tensor, sentence: Tensor, mask: Tensor, track_token: Tensor, image: Tensor, *maps: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Segments a later frame; see `FirstFrame.forward`."""
        return self.segment(Language(words, sentence, mask), track_token, image, maps)


class ExportedPart(NamedTuple):
    """A part as a graph without Python.

    Attributes:
        program: The graph with its weights.
        inputs: Names, in order.
        outputs: Names, in order.
    """

    program: ExportedProgram
    inputs: list[str]
    outputs: list[str]


def exported_parts(model: RefSAM) -> dict[str, ExportedPart]:
    """Makes graphs of a model's parts, for any number of sentences of any length.

    Args:
        model: In evaluation mode, on the CPU, in float32.

    Returns:
        Name of a part -> its graph: `image_encoder`, `text_encoder`, `first_frame`, `next_frame`.

    Raises:
        InputError: The tracker carries no token, or something else than tokens, or chooses among objects, or the
            encoder is SAM 2's.
    """
    if not model.image_encoder.unit_length:
        raise InputError(
            f"image encoder {type(model.image_encoder).__name__} hands the decoder more than the graphs hold; "
            "--format folder takes any model"
        )
    if model.tracker.chooses:
        raise InputError(
            f"tracker {type(model.tracker).__name__} chooses among objects, which the graphs do not hold; "
            "--format folder takes any model"
        )
    model = _traceable(model)
    side = model.image_encoder.image_size
    frame, tokens = torch.zeros(1, 3, side, side), model.text_encoder.tokenize(["a dog", "a small dog that runs"])
    image_part, text_part, first_frame = ImagePart(model), TextPart(model), FirstFrame(model)
    with torch.no_grad():
        (image, *maps), (words, sentence) = image_part(frame), text_part(*tokens)
        track_token = _first_track_token(first_frame, Language(words, sentence, tokens.mask), image, maps)
    language = {"words": words, "sentence": sentence, "mask": tokens.mask}
    state = {"track_token": track_token}
    seen = [f"map_{number}" for number in range(len(maps))]
    # one less: a slice of a whole table would be traced as no slice
    found, longest = ["logits", "next_track_token"], model.text_encoder.max_tokens - 1
    return {
        "image_encoder": _export(image_part, {"frame": frame}, ["image", *seen], longest),
        "text_encoder": _export(text_part, tokens._asdict(), ["words", "sentence"], longest),
        "first_frame": _export(first_frame, {**language, "image": image}, found, longest, maps),
        "next_frame": _export(NextFrame(model), {**language, **state, "image": image}, found, longest, maps),
    }


def _first_track_token(step: FirstFrame, language: Language, image: Tensor, maps: list[Tensor]) -> Tensor:
    """Gives what a tracker carries, if that is as many tokens after every frame."""
    frame = EncodedFrames(image, maps, list(step.positions)).repeat(len(language.mask))
    first = step.model.segment(frame, language).track_token
    second = None if first is None else step.model.segment(frame, language, first).track_token
    if not (isinstance(first, Tensor) and isinstance(second, Tensor) and first.shape == second.shape):
        raise InputError(
            f"tracker {type(step.model.tracker).__name__} does not hand the same number of tokens from every frame to "
            "the next, which a graph needs; --format folder takes any model"
        )
    return first


def _export(
    part: nn.Module, inputs: Mapping[str, Tensor], outputs: list[str], max_tokens: int, maps: Sequence[Tensor] = ()
) -> ExportedPart:
    """Traces a part; the axes of sentences and words may have any size."""
    sentences, words = {0: Dim("sentences", min=1)}, {1: Dim("words", min=1, max=max_tokens)}
    axes = {"sentence": sentences, "track_token": sentences}
    axes |= {name: {**sentences, **words} for name in ("ids", "mask", "words")}
    shapes = [axes.get(name, {}) for name in inputs]
    program = torch.export.export(
        part, (*inputs.values(), *maps), dynamic_shapes=(*shapes, ({},) * len(maps)) if maps else tuple(shapes)
    )
    return ExportedPart(program, [*inputs, *(f"map_{number}" for number in range(len(maps)))], outputs)


def _traceable(model: RefSAM) -> RefSAM:
    """Copies a model so that all its weights, which are shared, need gradients.

    Then every part computes in the plain way, in one piece and not in place, which is what a graph is to hold.
    """
    parameters = {id(part): nn.Parameter(part.detach(), part.is_floating_point()) for part in model.parameters()}
    return copy.deepcopy(model, {**parameters, **{id(buffer): buffer for buffer in model.buffers()}})


def _with_parts(model: RefSAM, *names: str) -> RefSAM:
    """Copies a model without its other parts; weights are shared."""
    copied = copy.deepcopy(model, {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())})
    for name, _ in model.named_children():
        if name not in names:
            delattr(copied, name)
    return copied
