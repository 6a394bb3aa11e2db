"""The mask decoder with Dense Attention: one prompt at a time through the package's against ours, batched and fused."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from measure import interleaved, parser, report
from official import OfficialRefSAM, our_model

from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.types import ImageFeatures


def embeddings(model: RefSAM, frames: int) -> torch.Tensor:
    grid = model.image_encoder.image_size // model.image_encoder.stride
    final = torch.nn.functional.normalize(torch.randn(frames, 256, grid, grid), dim=1)
    return final.contiguous(memory_format=torch.channels_last)


def official_loop(official: OfficialRefSAM, images: torch.Tensor, language: Language) -> torch.Tensor:
    logits = []
    for image in images.split(1):
        for words, sentence in zip(language.words.split(1), language.sentence.split(1), strict=True):
            logits.append(official.decode(image, words, sentence, None)[0][:, 0])
    return torch.cat(logits)


def ours(model: RefSAM, images: torch.Tensor, positions: list[torch.Tensor], language: Language) -> torch.Tensor:
    """Goes as `Predictor` does; positions are made once per video, the dense prompt's image half once per frame."""
    encoded = EncodedFrames(images, model.dense_prompt.maps(ImageFeatures(images, [])), positions)
    frames = (encoded.select(slice(number, number + 1)) for number in range(len(images)))
    return torch.cat([model.segment(frame.repeat(len(language.mask)), language).low_res_logits for frame in frames])


def main() -> None:
    arguments = parser(__doc__, rounds=11)
    arguments.add_argument("--words", type=int, default=12)
    arguments.add_argument("--image_size", type=int, default=1024)
    options = arguments.parse_args()
    model = our_model("small", options.image_size)  # its encoder is not run
    official = OfficialRefSAM(model, "small")
    positions = model.mask_decoder.position_terms(model.prompt_encoder.get_dense_pe())
    rows = []
    cases = itertools.product(sorted({1, options.threads}), ((1, 1), (4, 1), (1, 8)))
    with torch.inference_mode():
        for threads, (frames, sentences) in cases:
            torch.set_num_threads(threads)
            words = torch.nn.functional.normalize(torch.randn(sentences, options.words, 256), dim=-1)
            language = Language(words, words[:, 0], torch.ones(sentences, options.words, dtype=torch.bool))
            images = embeddings(model, frames)
            runs: dict[str, Callable[[], torch.Tensor]] = {
                "official": lambda: official_loop(official, images, language),  # noqa: B023  called at once
                "ours": lambda: ours(model, images, positions, language),  # noqa: B023
            }
            error = (runs["ours"]() - runs["official"]()).abs().max().item()
            seconds = interleaved(runs, options.rounds)
            rows.append(
                {
                    "label": f"{frames} frames x {sentences} sentences, {threads} threads",
                    "official_ms": 1e3 * seconds["official"] / frames / sentences,
                    "ours_ms": 1e3 * seconds["ours"] / frames / sentences,
                    "ratio": seconds["official"] / seconds["ours"],
                    "goal": 2.2,
                    "max_error": error,
                }
            )
    report("decoder", "mask decoder: times as fast as the official loop", options, rows)


if __name__ == "__main__":
    main()
