"""`refsam-zoo segment`: your own video, your own sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from refsam_zoo.inference.interruption import leave_on_termination
from refsam_zoo.inference.segment import segment_video
from refsam_zoo.inference.segment_folder import clear, require_free
from refsam_zoo.number_types import FiniteFloat
from refsam_zoo.precision import choose_device, computing_in
from refsam_zoo.systems.inputs import checked_sentences
from refsam_zoo.systems.predictor import Predictor
from refsam_zoo.types import VideoSource
from refsam_zoo.video.readers import Backend, open_video


def segment(
    video: Path | str,
    expressions: Sequence[str],
    *,
    checkpoint: Path | str,
    output: Path | str,
    device: str = "auto",
    threshold: FiniteFloat = 0.0,
    video_backend: Backend = "auto",
    overwrite: bool = False,
) -> None:
    """Segments a video by sentences, each frame encoded once for all of them.

    Computes in bfloat16 where the hardware does, as `refsam-zoo test` does by default.

    Writes `masks/<video>/<number of the sentence>/<frame>.png`, `expressions.json`, `overlay.mp4` and `still.png`. When
    it is interrupted or comes to a damaged frame, the masks, the film and the still up to there are kept.

    Args:
        video: A video file or a folder of frames.
        expressions: What to look for: one sentence per mask.
        checkpoint: A checkpoint of `refsam-zoo fit`.
        output: Folder for the result, empty or not there yet.
        device: "cpu", "cuda", "cuda:1", ...; "auto" takes a GPU where there is one.
        threshold: Logit above which a pixel belongs to the object.
        video_backend: Decoder of video files: auto, decord, torchcodec or pyav.
        overwrite: Replace the earlier result that is in the output folder.

    Raises:
        InputError: No video, no sentence, an output folder with something in it, a checkpoint of another kind, a
            damaged frame.
    """
    video, checkpoint, output = Path(video), Path(checkpoint), Path(output)
    sentences = checked_sentences(expressions)
    require_free(output, overwrite)
    target = choose_device(device)
    with open_video(VideoSource(video), backend=video_backend) as reader:
        from refsam_zoo.checkpoints.restoring import load_model  # takes seconds: after what a typing mistake can cause

        model = load_model(checkpoint).to(target).eval()
        clear(output)
        with leave_on_termination(), computing_in(target):
            count = segment_video(Predictor(model, threshold), reader, sentences, output)
    summary = f"{count} frames of {video}: masks/, overlay.mp4 and still.png are in {output}"
    print(summary.encode(errors="backslashreplace").decode())  # names of files may be no text
