"""The mask decoder with Dense Attention: one prompt at a time through the package's against ours, batched and fused."""

from __future__ import annotations

from collections.abc import Callable

import torch
from measure import interleaved, parser, report
from official import OfficialRefSAM, our_model

from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.refsam import EncodedFrames, RefSAM
from refsam_zoo.types import ImageFeatures


def encoded_frames(model: RefSAM, frames: int) -> EncodedFrames:
    grid = model.image_encoder.image_size // model.image_encoder.stride
    final = torch.nn.functional.normalize(torch.randn(frames, 256, grid, grid), dim=1)
    final = final.contiguous(memory_format=torch.channels_last)
    positions = model.mask_decoder.position_terms(model.prompt_encoder.get_dense_pe())
    return EncodedFrames(final, model.dense_prompt.maps(ImageFeatures(final, [])), positions)


def official_loop(official: OfficialRefSAM, encoded: EncodedFrames, language: Language) -> torch.Tensor:
    logits = []
    for image in encoded.image.split(1):
        for words, sentence in zip(language.words.split(1), language.sentence.split(1), strict=True):
            logits.append(official.decode(image, words, sentence, None)[0][:, 0])
    return torch.cat(logits)


def ours(model: RefSAM, encoded: EncodedFrames, language: Language) -> torch.Tensor:
    frames, sentences = len(encoded.image), len(language.mask)
    index = torch.arange(frames).repeat_interleave(sentences)
    repeated = Language(*(part.repeat(frames, *[1] * (part.ndim - 1)) for part in language))
    return model.segment(encoded.select(index), repeated).low_res_logits


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--words", type=int, default=12)
    arguments.add_argument("--image_size", type=int, default=1024)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    model = our_model("small", options.image_size)  # its encoder is not run
    official = OfficialRefSAM(model, "small")
    rows = []
    with torch.inference_mode():
        for frames, sentences in ((1, 1), (4, 1), (1, 8)):
            words = torch.nn.functional.normalize(torch.randn(sentences, options.words, 256), dim=-1)
            language = Language(words, words[:, 0], torch.ones(sentences, options.words, dtype=torch.bool))
            encoded = encoded_frames(model, frames)
            error = (ours(model, encoded, language) - official_loop(official, encoded, language)).abs().max().item()
            runs: dict[str, Callable[[], object]] = {
                "official": lambda: official_loop(official, encoded, language),  # noqa: B023  called at once
                "ours": lambda: ours(model, encoded, language),  # noqa: B023
            }
            seconds = interleaved(runs, options.rounds)
            rows.append(
                {
                    "label": f"{frames} frames x {sentences} sentences",
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
