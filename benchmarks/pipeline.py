"""From an mp4 file to masks and overlay on disk: frames per second, and how well the stages overlap.

Each stage is timed alone (decode the video; encode its frames; decode masks; draw, encode and write), then all together
as `refsam-zoo segment` runs them: `total_over_slowest` is 1 where the slowest stage hides all others. `of_ceiling` is
the share of what the machine could do: PyAV decoding to arrays, the largest matrix products for encoder and masks,
libx264 alone for what is written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import torch
from encode_once import SENTENCES
from measure import interleaved, parser, report
from official import SIZES, our_model
from torch.utils.flop_counter import FlopCounterMode

from refsam_zoo import create_model
from refsam_zoo.inference.mask_folder import MaskFolder
from refsam_zoo.inference.overlay import Overlay
from refsam_zoo.inference.overlay_video import OverlayVideoWriter
from refsam_zoo.inference.segment import FRAMES_AT_ONCE, segment_video
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.systems.base import FrameMasks
from refsam_zoo.systems.predictor import Predictor
from refsam_zoo.types import VideoSource
from refsam_zoo.video.readers import open_video

HEIGHT, WIDTH = 480, 854
STAGES = ("decode", "encode", "mask", "write", "everything")
MASK = np.zeros((HEIGHT, WIDTH), bool)
MASK[100:300, 200:500] = True


class SolidMasks(Predictor):
    """Does all the work and then gives one solid mask: a random model's are noise, which no real mask is."""

    def stream(self, frames: Iterable[np.ndarray], expressions: Sequence[str]) -> Iterator[FrameMasks]:
        for found in super().stream(frames, expressions):
            yield FrameMasks(found.frame, np.stack([MASK] * len(found.masks)), found.scores)


def write_video(path: Path, frames: int) -> None:
    """Writes smooth moving colours, so that the file is of a size like a real one's."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    with OverlayVideoWriter(path, (HEIGHT, WIDTH), 25) as film:
        for frame in range(frames):
            waves = [np.sin((rows * (1 + c) + columns * (3 - c)) / 90 + frame / 9) for c in range(3)]
            film.write((127 + 120 * np.stack(waves, axis=-1)).astype(np.uint8))


class Stages:
    """The stages of one video, each alone, and their ceilings.

    Args:
        model: The model.
        video: The file.
        sentences: What to look for.
    """

    def __init__(self, model: RefSAM, video: Path, sentences: list[str]) -> None:
        self.model, self.video, self.sentences = model, video, sentences
        self.predictor = SolidMasks(model)
        with open_video(VideoSource(video)) as reader:
            self.frames = np.concatenate(list(reader.stream(FRAMES_AT_ONCE)))
        with torch.inference_mode():
            self.encoded = self.encode()
        self.overlay = Overlay((HEIGHT, WIDTH), sentences)
        self.pictures = [self.overlay.draw(frame, np.stack([MASK] * len(sentences))) for frame in self.frames]

    def decode(self) -> int:
        with open_video(VideoSource(self.video)) as reader:
            return sum(len(batch) for batch in reader.stream(FRAMES_AT_ONCE))

    @torch.inference_mode()
    def encode(self) -> list[EncodedFrames]:
        images = torch.from_numpy(self.frames).permute(0, 3, 1, 2)
        return [self.model.encode_images(batch) for batch in images.split(FRAMES_AT_ONCE)]

    @torch.inference_mode()
    def mask(self) -> None:
        track = self.predictor.start(self.sentences)
        for encoded in self.encoded:
            for row in range(len(encoded.image)):
                self.predictor.decode(encoded.select(slice(row, row + 1)), (HEIGHT, WIDTH), track)

    def write(self) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            OverlayVideoWriter(Path(folder, "overlay.mp4"), self.overlay.size, 25) as film,
            MaskFolder(Path(folder, "masks")) as files,
        ):
            for number, frame in enumerate(self.frames):
                for row in range(len(self.sentences)):
                    files.write("video", str(row), f"{number:05d}", MASK)
                film.write(self.overlay.draw(frame, np.stack([MASK] * len(self.sentences))))

    def everything(self) -> None:
        with tempfile.TemporaryDirectory() as folder, open_video(VideoSource(self.video)) as reader:
            segment_video(self.predictor, reader, self.sentences, Path(folder))

    def ceilings(self, rounds: int) -> dict[str, float]:
        """Seconds of each stage if nothing but its core were done, at the machine's best."""
        square = torch.randn(2048, 2048)

        def decode_alone() -> None:
            with av.open(str(self.video)) as container:
                container.streams.video[0].thread_type = "AUTO"
                for frame in container.decode(video=0):
                    frame.to_ndarray(format="rgb24")

        def write_alone() -> None:
            path = self.video.with_name("ceiling.mp4")
            with OverlayVideoWriter(path, self.overlay.size, 25) as film:
                for picture in self.pictures:
                    film.write(picture)

        runs = {"decode": decode_alone, "write": write_alone, "product": lambda: square @ square}
        seconds = interleaved(runs, rounds)
        per_operation = seconds.pop("product") / (2 * 2048**3)
        return seconds | {name: per_operation * operations(getattr(self, name)) for name in ("encode", "mask")}


def operations(run: Callable[[], object]) -> int:
    """Counts the multiplications and additions of a run's matrix products, convolutions and attention."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", default="vit_b", choices=["vit_tiny", *SIZES])
    arguments.add_argument("--image_size", type=int, default=256, help="of SAM's sizes")
    arguments.add_argument("--frames", type=int, default=3)
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
            stages = Stages(model, video, SENTENCES[:count])
            ceilings = stages.ceilings(options.rounds)
            seconds = interleaved({name: getattr(stages, name) for name in STAGES}, options.rounds)
            # encoder and masks share the processor and the main thread: one stage, as far as overlapping goes
            slowest = max(seconds["decode"], seconds["encode"] + seconds["mask"], seconds["write"])
            for name, taken in seconds.items():
                row = {"label": f"{name}, {count} sentences", "frames_per_second": options.frames / taken}
                # of what the slowest stage alone would allow
                row["ratio"] = slowest / taken if name == "everything" else taken / slowest
                row |= {"of_ceiling": ceilings[name] / taken} if name in ceilings else {}
                row |= {"goal": 1 / 1.15, "total_over_slowest": taken / slowest} if name == "everything" else {}
                rows.append(row)
    name = options.model if options.model == "vit_tiny" else f"{options.model} {options.image_size}"
    claim = f"{name}, 480p: share of the slowest stage's time; everything: slowest stage / total"
    report(f"pipeline_{name.replace(' ', '_')}", claim, options, rows)


if __name__ == "__main__":
    main()
