"""A training step on a clip of three frames: ours against everything in the graph, one image at a time.

The peer freezes by leaving parameters out of the optimiser, so that the whole image encoder is in the graph, and
encodes a clip frame by frame. Steps are timed without the optimiser, which is the same for both. At 1024 the peer needs
tens of GB for ViT-B; the default size shows the same on little memory.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from measure import interleaved, parser, peak_memory, report
from official import SIZES, OfficialRefSAM, our_model
from torch.nn import functional as F

from refsam_zoo.model.tuners import TUNERS
from refsam_zoo.training.losses import MaskLoss
from refsam_zoo.types import ClipBatch

FRAMES = 3
SENTENCE = "the small red circle moving to the left"
GOALS = {"frozen": (2.5, 3.0), "adapter": (1.5, 2.0)}


def clip(image_size: int) -> ClipBatch:
    generator = torch.Generator().manual_seed(0)
    height, width = image_size * 9 // 16, image_size
    frames = torch.randint(0, 256, (1, FRAMES, 3, height, width), dtype=torch.uint8, generator=generator)
    masks = torch.rand(1, FRAMES, height, width, generator=generator) > 0.5
    return ClipBatch(frames, [(height, width)], [SENTENCE], torch.tensor([0]), masks, clips=[])


def our_step(tuner: str, size: str, image_size: int) -> Callable[[], float]:
    """Makes a step of the zoo's model; gives the loss."""
    model, batch, loss_of = our_model(size, image_size, tuner).train(), clip(image_size), MaskLoss()

    def step() -> float:
        model.zero_grad()
        logits = model(batch).low_res_logits[0]
        loss = loss_of(model.restore(logits, batch.sizes[0]), batch.masks[0])
        loss.backward()
        return loss.item()

    return step


def official_step(tuner: str, size: str, image_size: int) -> Callable[[], float]:
    """Makes a step the official way with the same weights; gives the loss."""
    model, batch, loss_of = our_model(size, image_size), clip(image_size), MaskLoss()
    official = OfficialRefSAM(model, size)
    sam = official.predictor.model
    torch.manual_seed(0)
    TUNERS.build(tuner).apply(sam.image_encoder)
    sam.image_encoder.requires_grad_(True)

    def step() -> float:
        for module in (model, sam):
            module.zero_grad()
        language, token, losses = model.encode_text([SENTENCE]), None, []
        for frame, mask in zip(batch.frames[0], batch.masks[0], strict=True):
            features = F.normalize(sam.image_encoder(sam.preprocess(frame.float())[None]), dim=1)
            logits, token = official.decode(features, language.words, language.sentence, token)
            losses.append(loss_of(sam.postprocess_masks(logits, batch.sizes[0], batch.sizes[0])[0, 0], mask))
        loss = torch.stack(losses).mean()
        loss.backward()
        return loss.item()

    return step


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--size", choices=list(SIZES), default="vit_b")
    arguments.add_argument("--image_size", type=int, default=128)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for tuner, (goal, memory_goal) in GOALS.items():
        ways = {"official": official_step, "ours": our_step}
        steps = {name: make(tuner, options.size, options.image_size) for name, make in ways.items()}
        losses = {name: step() for name, step in steps.items()}
        seconds = interleaved(steps, options.rounds)
        del steps
        memory = {name: peak_memory(make, tuner, options.size, options.image_size) for name, make in ways.items()}
        rows.append(
            {
                "label": tuner,
                "official_s": seconds["official"],
                "ours_s": seconds["ours"],
                "ratio": seconds["official"] / seconds["ours"],
                "goal": goal,
                "official_MiB": memory["official"],
                "ours_MiB": memory["ours"],
                "memory_ratio": memory["official"] / memory["ours"],
                "memory_goal": memory_goal,
                "loss_difference": abs(losses["ours"] - losses["official"]),
            }
        )
    claim = f"{options.size} {options.image_size}, training step: times as fast as the official way"
    report(f"training_step_{options.size}_{options.image_size}", claim, options, rows)


if __name__ == "__main__":
    main()
