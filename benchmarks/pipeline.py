"""From an mp4 file to masks and overlay on disk: frames per second, and how well the stages overlap.

Each stage is timed alone (decode the video; encode and decode masks; draw, encode and write), then all together as
`refsam-zoo segment` runs them. `total_over_slowest` is 1 where the stages overlap perfectly and cores are plenty.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from encode_once import SENTENCES
from measure import interleaved, parser, report
from official import SIZES, our_model

from refsam_zoo import create_model
from refsam_zoo.inference.mask_folder import MaskFolder
from refsam_zoo.inference.overlay import Overlay
from refsam_zoo.inference.overlay_video import OverlayVideoWriter
from refsam_zoo.inference.predictor import FrameMasks, Predictor
from refsam_zoo.inference.segment import FRAMES_AT_ONCE, segment_video
from refsam_zoo.types import VideoSource
from refsam_zoo.video.readers import open_video

HEIGHT, WIDTH = 480, 854
MASK = np.zeros((HEIGHT, WIDTH), bool)
MASK[100:300, 200:500] = True


class SolidMasks(Predictor):
    """Does all the work and then gives one solid mask: a random model's are noise, which no real mask is."""

    def stream(self, frames: Iterable[np.ndarray], expressions: Sequence[str]) -> Iterator[FrameMasks]:
        for found in super().stream(frames, expressions):
            yield FrameMasks(found.frame, np.stack([MASK] * len(found.masks)))


def write_video(path: Path, frames: int) -> None:
    """Writes smooth moving colours, so that the file is of a size like a real one's."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    with OverlayVideoWriter(path, (HEIGHT, WIDTH), 25) as film:
        for frame in range(frames):
            waves = [np.sin((rows * (1 + c) + columns * (3 - c)) / 90 + frame / 9) for c in range(3)]
            film.write((127 + 120 * np.stack(waves, axis=-1)).astype(np.uint8))


def stages(predictor: Predictor, video: Path, sentences: list[str], frames: int) -> dict[str, Callable[[], object]]:
    """Each stage alone, and all of them."""
    with open_video(VideoSource(video)) as reader:
        decoded = np.concatenate(list(reader.stream(FRAMES_AT_ONCE)))

    def decode() -> int:
        with open_video(VideoSource(video)) as reader:
            return sum(len(batch) for batch in reader.stream(FRAMES_AT_ONCE))

    def compute() -> list[FrameMasks]:
        batches = (decoded[start : start + FRAMES_AT_ONCE] for start in range(0, frames, FRAMES_AT_ONCE))
        return list(predictor.stream(batches, sentences))

    def write() -> None:
        overlay = Overlay((HEIGHT, WIDTH), sentences)
        with (
            tempfile.TemporaryDirectory() as folder,
            OverlayVideoWriter(Path(folder, "overlay.mp4"), overlay.size, 25) as film,
            MaskFolder(Path(folder, "masks")) as files,
        ):
            for number, frame in enumerate(decoded):
                for row in range(len(sentences)):
                    files.write("video", str(row), f"{number:05d}", MASK)
                film.write(overlay.draw(frame, np.stack([MASK] * len(sentences))))

    def everything() -> None:
        with tempfile.TemporaryDirectory() as folder, open_video(VideoSource(video)) as reader:
            segment_video(predictor, reader, sentences, Path(folder))

    return {"decode": decode, "model": compute, "write": write, "everything": everything}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", default="vit_tiny", choices=["vit_tiny", *SIZES])
    arguments.add_argument("--image_size", type=int, default=1024, help="of SAM's sizes")
    arguments.add_argument("--frames", type=int, default=24)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    if options.model == "vit_tiny":
        model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen")
    else:
        model = our_model(options.model, options.image_size)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder, "clip.mp4")
        write_video(video, options.frames)
        for count in (1, 4):
            runs = stages(SolidMasks(model), video, SENTENCES[:count], options.frames)
            seconds = interleaved(runs, options.rounds)
            slowest = max(seconds[name] for name in ("decode", "model", "write"))
            for name, taken in seconds.items():
                row = {"label": f"{name}, {count} sentences", "frames_per_second": options.frames / taken}
                # of what the slowest stage alone would allow
                row["ratio"] = slowest / seconds["everything"] if name == "everything" else taken / slowest
                if name == "everything":
                    row |= {"goal": 1 / 1.15, "total_over_slowest": taken / slowest}
                rows.append(row)
    claim = f"{options.model}, 480p: share of the slowest stage's time; everything: slowest stage / total"
    report("pipeline", claim, options, rows)


if __name__ == "__main__":
    main()
