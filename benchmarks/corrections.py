"""How long a correction holds: a target is shown in one frame, and the frames after it are scored.

For every sentence about the videos of a RefShapes split the ground truth of one frame, or its box or a click on it, is
shown, and region similarity J of the frames after it is compared with a run that is not corrected. An object without a
sentence is shown in the same frame.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def what_is_shown(truth: np.ndarray, kind: str) -> dict[str, Any]:
    """What of a mask bool `[H, W]` is shown: all, its box, or its pixel that is nearest to its middle."""
    rows, columns = np.nonzero(truth)
    if kind == "mask" or not len(rows):
        return {"mask": truth}
    if kind == "box":
        return {"box": [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]}
    nearest = np.hypot(rows - rows.mean(), columns - columns.mean()).argmin()
    return {"points": [[columns[nearest] + 0.5, rows[nearest] + 0.5]]}


def runs(system: Predictor, referral: Referral, at: int, kind: str, seconds: list[float]) -> Iterator[np.ndarray]:
    """J `[T]` of a sentence, of the same corrected in a frame, and of its target shown there without the sentence.

    How long each correction took is added to `seconds`.
    """
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
                begin = time.perf_counter()
                found = session.correct(0, **what_is_shown(truth[at], kind))
                seconds.append(time.perf_counter() - begin)
            masks.append(found.masks[0])
        yield similarity(np.stack(masks), truth)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--checkpoint", default="runs/demo/checkpoints/last.ckpt", help="of a RefSAM")
    arguments.add_argument("--root", default="data/ref_shapes", help="folder of RefShapes")
    arguments.add_argument("--split", default="test")
    arguments.add_argument("--at", type=int, default=4, help="the frame in which targets are shown, from 0")
    arguments.add_argument("--shown", choices=("mask", "box", "click"), default="mask")
    arguments.add_argument("--every", type=int, default=1, help="take each so manieth sentence")
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    if not Path(options.checkpoint).is_file():
        print(f"left out, as {options.checkpoint} is not there; `make demo` makes it")
        return
    system = Predictor.from_pretrained(options.checkpoint, device="cpu")
    referrals = RefShapes.splits(options.root)[options.split]()
    long_enough = [each for each in referrals if len(each.frames) > options.at + 1][:: options.every]
    seconds: list[float] = []
    measured = [list(runs(system, each, options.at, options.shown, seconds)) for each in long_enough]
    found = np.array(measured)  # [sentences, 3, T]
    wrong = found[:, 0, options.at] < WRONG
    rows = []
    for kind, chosen in (("all", np.ones(len(found), bool)), (f"J < {WRONG} in the frame", wrong)):
        for number, label in enumerate(("not corrected", "corrected", "without a sentence")):
            after = found[chosen, number, options.at + 1 :].mean(0) * 100
            steps = [step for step in (1, 2, 4, len(after)) if step <= len(after)]
            row = {"label": f"{kind}: {label}", "ratio": float(after.mean()), "sentences": int(chosen.sum())}
            rows.append(row | {f"J_{step}_later": float(after[step - 1]) for step in steps})
    milliseconds = np.array(seconds) * 1000
    print(f"a correction took {np.median(milliseconds):.0f} ms (median), {milliseconds.max():.0f} ms at most")
    report("corrections", "mean J of the frames after the one that is corrected", options, rows)


if __name__ == "__main__":
    main()
