"""Whole-video throughput with several sentences: each frame encoded once, against the official way.

The official way is a plain loop over `SamPredictor.set_image` and the mask decoder, per frame and sentence. Both have
the same weights and run in the same process, interleaved. The frames have the network's own width, so that neither
resizes them and the two can be compared number by number.
"""

from __future__ import annotations

import numpy as np
import torch
from measure import interleaved, parser, report
from official import SIZES, OfficialRefSAM, our_model

from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.systems.predictor import Predictor

SENTENCES = [f"the {colour} {shape}" for colour in ("red", "blue") for shape in ("circle", "star", "square", "ring")]


@torch.no_grad()
def first_frame_error(model: RefSAM, official: OfficialRefSAM, frame: np.ndarray) -> float:
    """Largest difference of the logits of the first frame and sentence."""
    language = model.encode_text(SENTENCES[:1])
    official.predictor.set_image(frame)
    features = torch.nn.functional.normalize(official.predictor.features, dim=1)
    theirs, _ = official.decode(features, language.words, language.sentence, None)
    images = torch.from_numpy(frame).permute(2, 0, 1)[None]
    return (model.segment(model.encode_images(images), language).low_res_logits - theirs[:, 0]).abs().max().item()


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--size", choices=list(SIZES), default="vit_b")
    arguments.add_argument("--image_size", type=int, default=256)
    arguments.add_argument("--frames", type=int, default=1)
    arguments.add_argument("--sentences", type=int, nargs="+", default=[1, 8])
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    model = our_model(options.size, options.image_size)
    predictor, official = Predictor(model), OfficialRefSAM(model, options.size)
    shape = (options.frames, options.image_size * 9 // 16, options.image_size, 3)
    video = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    def ours(sentences: list[str]) -> np.ndarray:
        return np.stack([found.masks for found in predictor.stream(iter(video[:, None]), sentences)])

    @torch.no_grad()
    def theirs(sentences: list[str]) -> np.ndarray:
        return np.stack([official.segment(video, sentence) for sentence in sentences], axis=1)

    error = first_frame_error(model, official, video[0])
    rows = []
    for count in options.sentences:
        chosen = SENTENCES[:count]
        differing = float(np.mean(ours(chosen) != theirs(chosen)))
        seconds = interleaved({"ours": lambda: ours(chosen), "official": lambda: theirs(chosen)}, options.rounds)  # noqa: B023
        rows.append(
            {
                "label": f"{count} sentences",
                "official_s": seconds["official"],
                "ours_s": seconds["ours"],
                "ratio": seconds["official"] / seconds["ours"],
                "goal": 6.0 if count == 8 else 1.0,
                "differing_pixels": differing,
                "max_error": error,
            }
        )
    claim = f"{options.size} {options.image_size}, whole video: times as fast as the official way"
    report(f"encode_once_{options.size}_{options.image_size}", claim, options, rows)


if __name__ == "__main__":
    main()
