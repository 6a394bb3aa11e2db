"""Peak memory over a video's length: grounded_sam2, samwise, and the transformers package's session, which keeps all.

The first and the last follow one object with the same tiny random SAM 2 on frames of 64 x 64 pixels; at full size a
frame of the package takes some 100 times more. samwise has tiny random weights, too.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from measure import parser, peak_memory, report

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # tiny models are made there
from systems.noise import noise
from systems.tiny_detectors_and_trackers import tiny_grounding_dino, tiny_sam2_video
from systems.tiny_samwise import tiny_roberta_tokenizer, write_tiny_samwise

from refsam_zoo.systems.grounded_sam2 import grounded_sam2
from refsam_zoo.systems.samwise import samwise

LENGTHS = (200, 2000)


def system(folder: Path, frames: int) -> Callable[[], int]:
    """Makes the run of the system, frames read one at a time."""
    made = grounded_sam2(folder / "detector", folder / "tracker", box_threshold=0.0)
    return lambda: sum(int(found.masks.sum()) for found in made.stream(_pictures(frames), ["the red square"]))


def windows(folder: Path, frames: int) -> Callable[[], int]:
    """Makes the run of samwise in windows of eight frames."""
    made = samwise(folder / "samwise.pth", folder / "roberta")
    return lambda: sum(int(found.masks.sum()) for found in made.stream(_pictures(frames), ["the red square"]))


def package(folder: Path, frames: int) -> Callable[[], int]:
    """Makes the run of the package's session, streamed as its documentation says."""
    tracker = grounded_sam2(folder / "detector", folder / "tracker").tracker

    def run() -> int:
        session = tracker.processor.init_video_session()
        tracker.processor.add_inputs_to_inference_session(
            session, frame_idx=0, obj_ids=1, input_boxes=[[[10, 5, 40, 30]]], original_size=(64, 64)
        )
        found = 0
        for picture in _pictures(frames):
            prepared = tracker.processor.video_processor(videos=picture.permute(2, 0, 1)[None], return_tensors="pt")
            output = tracker.model(session, frame=prepared["pixel_values_videos"][0, 0])
            found += int((output.pred_masks > 0).sum())
        return found

    return run


def _pictures(frames: int) -> Iterator[torch.Tensor]:
    for number in range(frames):
        yield noise(number % 50, 64, 64).permute(1, 2, 0)


def main() -> None:
    options = parser(__doc__).parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tiny_grounding_dino(folder / "detector")
        tiny_sam2_video(folder / "tracker")
        write_tiny_samwise(folder / "samwise.pth")
        tiny_roberta_tokenizer(folder / "roberta")
        for label, run in (("grounded_sam2", system), ("samwise", windows), ("the package's session", package)):
            for frames in LENGTHS:
                peak = peak_memory(run, folder, frames)
                rows.append({"label": f"{label}, {frames} frames", "frames": frames, "ratio": peak, "peak_MiB": peak})
    report("system_memory", "MiB of memory at the peak, above what the models take", options, rows)


if __name__ == "__main__":
    main()
