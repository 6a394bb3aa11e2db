"""How long a correction holds: the mask of a target is shown in one frame, and the frames after it are scored.

For every sentence about the videos of a RefShapes split the ground truth of one frame is shown, and region similarity J
of the frames after it is compared with a run that is not corrected. An object without a sentence, shown in the same
frame, is followed by the track alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from measure import parser, report

from refsam_zoo import Predictor, RefShapes, VideoSession, open_video
from refsam_zoo.types import Referral

WRONG = 0.5
"""J in the corrected frame below which the sentence had failed."""


def similarity(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Region similarity J of masks bool `[T, H, W]`, frame by frame; 1 where both are empty."""
    union = (found | truth).sum((1, 2))
    return np.where(union, (found & truth).sum((1, 2)) / np.maximum(union, 1), 1)


def runs(system: Predictor, referral: Referral, at: int) -> Iterator[np.ndarray]:
    """J `[T]` of a sentence, of the same corrected in a frame, and of its target shown there without the sentence."""
    assert referral.masks is not None
    with open_video(referral.source, referral.frames) as video:
        frames = video.read(range(len(video)))
    truth = referral.masks.read(range(len(frames)), frames.shape[1:3])
    for sentence, shown in ((True, False), (True, True), (False, True)):
        session, masks = VideoSession(system), []
        if sentence:
            session.add(referral.expression)
        else:
            session.add_object("the target")
        for number, frame in enumerate(frames):
            found = session(frame)
            if shown and number == at:
                found = session.correct(0, mask=truth[at])
            masks.append(found.masks[0])
        yield similarity(np.stack(masks), truth)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--checkpoint", default="runs/demo/checkpoints/last.ckpt", help="of a RefSAM")
    arguments.add_argument("--root", default="data/ref_shapes", help="folder of RefShapes")
    arguments.add_argument("--split", default="test")
    arguments.add_argument("--at", type=int, default=4, help="the frame in which targets are shown, from 0")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    if not Path(options.checkpoint).is_file():
        print(f"left out, as {options.checkpoint} is not there; `make demo` makes it")
        return
    system = Predictor.from_pretrained(options.checkpoint, device="cpu")
    referrals = RefShapes.splits(options.root)[options.split]()
    measured = [list(runs(system, each, options.at)) for each in referrals if len(each.frames) > options.at + 1]
    found = np.array(measured)  # [sentences, 3, T]
    wrong = found[:, 0, options.at] < WRONG
    rows = []
    for kind, chosen in (("all", np.ones(len(found), bool)), (f"J < {WRONG} in the frame", wrong)):
        for number, label in enumerate(("not corrected", "corrected", "without a sentence")):
            after = found[chosen, number, options.at + 1 :].mean(0) * 100
            steps = [step for step in (1, 2, 4, len(after)) if step <= len(after)]
            row = {"label": f"{kind}: {label}", "ratio": float(after.mean()), "sentences": int(chosen.sum())}
            rows.append(row | {f"J_{step}_later": float(after[step - 1]) for step in steps})
    report("corrections", "mean J of the frames after the one that is corrected", options, rows)


if __name__ == "__main__":
    main()
