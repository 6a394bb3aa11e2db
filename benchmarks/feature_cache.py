"""Training a frozen encoder from cached features: the first epoch, which computes them, against the later ones."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from measure import parser, report
from official import SIZES, our_model
from training_step import clip

from refsam_zoo.caching.entries import EntryFolder
from refsam_zoo.caching.features import FeatureCache
from refsam_zoo.model.feature_source import ComputedFeatures, FeatureSource
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.training.losses import MaskLoss
from refsam_zoo.types import ClipBatch


def epoch(model: RefSAM, clips: list[ClipBatch]) -> tuple[float, list[float]]:
    """Seconds per step and the losses, without steps of an optimiser, so that epochs can be compared."""
    losses, start = [], time.perf_counter()
    for batch in clips:
        model.zero_grad()
        logits = model(batch).low_res_logits[0]
        loss = MaskLoss()(model.restore(logits, batch.sizes[0]), batch.masks[0])
        loss.backward()
        losses.append(loss.item())
    return (time.perf_counter() - start) / len(clips), losses


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--size", choices=list(SIZES), default="vit_b")
    arguments.add_argument("--image_size", type=int, default=256)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    model = our_model(options.size, options.image_size).train()
    clips = [clip(options.image_size)]
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(EntryFolder(Path(folder)))
        epoch(model, clips)
        sources: dict[str, FeatureSource] = {"computed": ComputedFeatures(), "cached": cache}
        model.features = cache
        writing, first_losses = epoch(model, clips)
        seconds: dict[str, list[float]] = {name: [] for name in sources}
        losses: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            for name, model.features in sources.items():
                step, losses[name] = epoch(model, clips)
                seconds[name].append(step)
        gigabytes = sum(entry.size for entry in cache.entries.entries()) / 1e9
    difference = max(abs(a - b) for a, b in zip(losses["computed"], losses["cached"], strict=True))
    times = {"computed": median(seconds["computed"]), "first epoch": writing, "later epochs": median(seconds["cached"])}
    rows = [
        {
            "label": name,
            "seconds_per_step": taken,
            "ratio": times["computed"] / taken,
            **({"goal": 10.0} if name == "later epochs" else {}),
            "loss_difference": 0.0 if name == "computed" else difference,
            "same_as_first_epoch": losses["cached"] == first_losses,
            "GB_per_frame": gigabytes / 3,
        }
        for name, taken in times.items()
    ]
    claim = f"frozen {options.size} {options.image_size}, training step: times as fast as without a cache"
    report(f"feature_cache_{options.size}_{options.image_size}", claim, options, rows)


if __name__ == "__main__":
    main()
