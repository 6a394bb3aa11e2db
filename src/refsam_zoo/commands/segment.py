"""`refsam-zoo segment`: your own video, your own sentences."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.inference.interruption import leave_on_termination
from refsam_zoo.inference.outputs import OUTPUTS
from refsam_zoo.inference.segment import SAVED, segment_video
from refsam_zoo.inference.segment_folder import clear, require_free
from refsam_zoo.number_types import FiniteFloat, Probability
from refsam_zoo.precision import Precision, choose_device, computing_in
from refsam_zoo.systems.base import SystemOrMaker, VideoSegmenter
from refsam_zoo.systems.inputs import checked_sentences
from refsam_zoo.systems.refsam import refsam
from refsam_zoo.types import VideoSource
from refsam_zoo.video.readers import Backend, open_video


def segment(
    video: Path | str,
    expressions: Sequence[str],
    *,
    output: Path | str,
    checkpoint: Path | str | None = None,
    system: SystemOrMaker | None = None,
    device: str = "auto",
    precision: Precision | None = None,
    compile: bool = False,
    threshold: FiniteFloat = 0.0,
    min_score: Probability = 0.0,
    video_backend: Backend = "auto",
    save: Sequence[str] | str = ",".join(SAVED),
    overlay: bool = True,
    quiet: bool = False,
    overwrite: bool = False,
    resume: bool = False,
) -> None:
    """Segments a video by sentences, each frame encoded once for all of them.

    Writes `expressions.json` and what `save` names, by default `masks/<video>/<number of the sentence>/<frame>.png`,
    `overlay.mp4` and `still.png`. When it is interrupted, comes to a damaged frame or to the end of the disk, all
    finished frames are kept in files that can be read, and the same command with `--resume` goes on.

    Args:
        video: A video file or a folder of frames.
        expressions: What to look for: one sentence per mask.
        output: Folder for the result, empty or not there yet.
        checkpoint: A checkpoint of `refsam-zoo fit` or a folder of `refsam-zoo export`; short for the system `refsam`.
        system: A system of the zoo by name, or a class by import path, with its options (`--system.help NAME`). In
            Python a ready one, or what makes it once all else is known to be right.
        device: "cpu", "cuda", "cuda:1", ...; "auto" takes a GPU where there is one.
        precision: "32-true" or "bf16-mixed"; if not given, bfloat16 where the hardware computes in it.
        compile: Compile the parts that take the time: the first frames take minutes, later ones less time.
        threshold: With a checkpoint, the logit above which a pixel belongs to the object.
        min_score: Masks of a lower score, 0 to 1, become empty.
        video_backend: Decoder of video files: auto, decord, torchcodec or pyav.
        save: Outputs with commas between them: masks, indexed, cutouts, coco, yolo, polygons, tracks, overlay, still.
        overlay: Write the film of the overlay where `save` names it; `--no-overlay` leaves it out.
        quiet: Show no progress bar and no summary.
        overwrite: Replace the earlier result that is in the output folder.
        resume: Go on where the same command was stopped; where nothing was begun, begin.

    Raises:
        InputError: No video, no sentence, an output folder with something in it, an unknown output, no system or two,
            one without its weights, a damaged frame.
    """
    video, output = Path(video), Path(output)
    sentences = checked_sentences(expressions)
    chosen = _chosen(checkpoint, system, threshold)
    outputs = _chosen_outputs(save, overlay)
    require_free(output, overwrite, resume)
    target = choose_device(device)
    with open_video(VideoSource(video), backend=video_backend) as reader:
        # takes seconds: after what a typing mistake can cause
        ready = chosen if isinstance(chosen, VideoSegmenter) else chosen()
        ready.model.to(target)
        if compile:
            ready.compile()
        if not resume:
            clear(output)
        settings = {"checkpoint": checkpoint, "threshold": threshold, "precision": precision, "device": target}
        with leave_on_termination(), computing_in(target, precision):
            count = segment_video(
                ready,
                reader,
                sentences,
                output,
                save=list(outputs),
                min_score=min_score,
                resume=resume,
                quiet=quiet,
                settings=settings,
            )
    if not quiet:
        files = ", ".join(file if "." in file else f"{file}/" for file in outputs.values())
        summary = f"{count} frames of {video}: {files} in {output}"
        print(summary.encode(errors="backslashreplace").decode())  # names of files may be no text


def _chosen_outputs(save: Sequence[str] | str, overlay: bool) -> dict[str, str]:
    """Gives each name of an output and its file or folder."""
    names = [name.strip() for name in (save.split(",") if isinstance(save, str) else save)]
    outputs = {name: OUTPUTS.get(name).file for name in names if overlay or name != "overlay"}
    if not outputs:
        raise InputError(f"--save names nothing to write (valid: {', '.join(OUTPUTS)})")
    return outputs


def _chosen(checkpoint: Path | str | None, system: SystemOrMaker | None, threshold: float) -> SystemOrMaker:
    if (checkpoint is None) == (system is None):
        given = "both were given" if system else "neither was given"
        raise InputError(f"give --checkpoint FILE or --system NAME, which segments the video; {given}")
    if system is None:
        return partial(refsam, str(checkpoint), threshold)
    if threshold:
        raise InputError("--threshold goes with --checkpoint; a system has options of its own: --system.threshold")
    return system
