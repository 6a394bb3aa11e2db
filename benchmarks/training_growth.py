"""How time and memory of a training step of the demo grow with frames, clips, sentences and image size."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import yaml
from jsonargparse import ArgumentParser
from measure import interleaved, parser, peak_memory, report

from refsam_zoo.training.module import ReferringSegmentation
from refsam_zoo.types import ClipBatch
from refsam_zoo.weights.files import weights_follow

DEMO = Path(__file__).parents[1] / "configs" / "demo.yaml"
SENTENCE = "the small red circle moving to the left"


@dataclass(frozen=True)
class Batch:
    """What a step is made on: clips of so many frames, squares of so many pixels, each with so many sentences."""

    frames: int = 2
    clips: int = 2
    sentences: int = 2
    image_size: int = 128

    def make(self) -> ClipBatch:
        generator = torch.Generator().manual_seed(0)
        side, count = self.image_size, self.clips * self.sentences
        frames = torch.randint(0, 256, (self.clips, self.frames, 3, side, side), dtype=torch.uint8, generator=generator)
        masks = torch.rand(count, self.frames, side, side, generator=generator) > 0.8
        index = torch.arange(self.clips).repeat_interleave(self.sentences)
        return ClipBatch(frames, [(side, side)] * self.clips, [SENTENCE] * count, index, masks, clips=[])


SERIES = {"frames": (1, 2, 4, 8), "clips": (1, 2, 4, 8), "sentences": (1, 2, 4, 8), "image_size": (64, 128, 256)}


def demo(image_size: int) -> ReferringSegmentation:
    """Makes the demo's model for squares of this size."""
    options = yaml.safe_load(DEMO.read_text(encoding="utf-8"))["model"]
    options["image_encoder"]["init_args"]["image_size"] = image_size
    made = ArgumentParser(exit_on_error=False)
    made.add_class_arguments(ReferringSegmentation, "model")
    made.set_defaults({"model.cross_modal": "CrossModalMLP"})
    torch.manual_seed(0)
    with weights_follow():
        module: ReferringSegmentation = made.instantiate(made.parse_object({"model": options})).model
    module.log = lambda *_, **__: None  # type: ignore[method-assign]  # there is no trainer
    return module.train()


def training_step(batch: Batch) -> Callable[[], float]:
    """Makes a step: forwards, backwards, AdamW; it gives the loss."""
    module, clips = demo(batch.image_size), batch.make()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4)

    def step() -> float:
        optimizer.zero_grad()
        loss = module.training_step(clips, 0)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def main() -> None:
    options = parser(__doc__).parse_args()
    torch.set_num_threads(options.threads)
    points = {(name, size): replace(Batch(), **{name: size}) for name, sizes in SERIES.items() for size in sizes}
    memory = {batch: peak_memory(training_step, batch) for batch in set(points.values())}
    seconds = interleaved({batch: training_step(batch) for batch in memory}, options.rounds, clock=time.process_time)
    rows = [
        {
            "label": f"{name.replace('_', ' ')} {size}",
            "series": name.replace("_", " "),
            "x": size,
            "seconds": seconds[batch],
            "peak_MiB": memory[batch],
            "ratio": seconds[batch] / seconds[Batch()],
            "memory_ratio": memory[batch] / memory[Batch()],
        }
        for (name, size), batch in points.items()
    ]
    claim = "a training step of the demo: processor time and peak memory (2 frames, clips, sentences of 128 x 128)"
    report("training_growth", claim, options, rows)


if __name__ == "__main__":
    main()
