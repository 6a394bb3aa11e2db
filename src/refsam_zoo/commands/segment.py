"""`refsam-zoo segment`: your own video, your own sentences."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from refsam_zoo.calibration import Calibration
from refsam_zoo.errors import InputError
from refsam_zoo.inference.interruption import leave_on_termination
from refsam_zoo.inference.outputs import OUTPUTS
from refsam_zoo.inference.prompt_file import Prompts, read_prompts
from refsam_zoo.inference.segment import FRAMES_AT_ONCE, SAVED, segment_video
from refsam_zoo.inference.segment_folder import clear, require_free
from refsam_zoo.number_types import FiniteFloat, PositiveFloat, PositiveInt, Probability
from refsam_zoo.precision import Precision, choose_device, computing_in
from refsam_zoo.systems.base import SystemOrMaker, VideoSegmenter
from refsam_zoo.systems.choice import chosen_system, ready_system
from refsam_zoo.systems.inputs import checked_sentences
from refsam_zoo.video.frame_choice import FrameChoice
from refsam_zoo.video.readers import Backend
from refsam_zoo.video.sources import RawFrames, find_sources, open_frames


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
    batch: PositiveInt = FRAMES_AT_ONCE,
    prompt: Path | str | None = None,
    threshold: FiniteFloat = 0.0,
    calibration: Path | str | None = None,
    min_score: Probability = 0.0,
    also: list[str | Path] | None = None,
    start: str | None = None,
    end: str | None = None,
    stride: PositiveInt = 1,
    fps: PositiveFloat | None = None,
    max_side: PositiveInt | None = None,
    raw: str | None = None,
    raw_pixels: str = "rgb24",
    raw_fps: PositiveFloat = 25.0,
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
        video: A video file, a folder of frames, a picture, a camera (0), an address (rtsp://..., http://...), - for
            standard input, or a pattern such as 'clips/*.mp4'. The results of several go to folders named after them.
        expressions: What to look for: one sentence per mask. None is needed where `prompt` shows objects.
        output: Folder for the result, empty or not there yet.
        checkpoint: A checkpoint of `refsam-zoo fit` or a folder of `refsam-zoo export`; short for the system `refsam`.
        system: A system by its name in `refsam-zoo list`, or a class by import path; `--system.help NAME` lists its
            options. In Python a ready one, or what makes it once all else is known to be right.
        device: "cpu", "cuda", "cuda:1", ...; "auto" takes a GPU where there is one.
        precision: "32-true" or "bf16-mixed"; if not given, bfloat16 where the hardware computes in it.
        compile: Compile the parts that take the time: the first frames take minutes, later ones less time.
        batch: Frames that the system gets together: RefSAM and CLIPSeg encode them together, which takes more memory.
            The masks are the same.
        prompt: A `prompts.json` with points, boxes and masks of targets in some frames, which later frames follow:
            `[{"frame": 0, "object": "the ball", "points": [[320, 180]]}]`; see docs/segment.md.
        threshold: With a checkpoint, the logit above which a pixel belongs to the object.
        calibration: A `calibration.json` of `refsam-zoo validate`: makes scores say how good a mask is to be expected.
        min_score: Masks of a lower score, 0 to 1, become empty.
        also: More videos, of any kind: `--also+ b.mp4 --also+ c.mp4`.
        start: Where to begin: seconds (1.5), 00:01:10, or a frame (120f).
        end: Where to stop, before this moment.
        stride: Take every n-th frame.
        fps: Take at most so many frames a second.
        max_side: Shrink frames so that their longer side has at most so many pixels; masks have that size, too.
        raw: WIDTHxHEIGHT of raw frames, which come without a file format.
        raw_pixels: FFmpeg's name of their pixel format: rgb24, bgr24, gray, yuv420p, ...
        raw_fps: Their frames per second.
        video_backend: Decoder of video files: auto, decord, torchcodec or pyav.
        save: Outputs with commas between them: masks, indexed, cutouts, labels, coco, yolo, polygons, tracks,
            overlay, still.
        overlay: Write the film of the overlay where `save` names it; `--no-overlay` leaves it out.
        quiet: Show no progress bar and no summary.
        overwrite: Replace the earlier result that is in the output folder.
        resume: Go on where the same command was stopped; where nothing was begun, begin.

    Raises:
        InputError: No video, no sentence, an output folder with something in it, an unknown output, no system or two,
            one without its weights or with scores of another kind than the calibration's, a damaged frame.
    """
    output, sentences = Path(output), [] if prompt and not expressions else checked_sentences(expressions)
    scale = None if calibration is None else Calibration.read(calibration)
    chosen = chosen_system(checkpoint, system, threshold)
    outputs = _chosen_outputs(save, overlay)
    target = choose_device(device)
    frames = {"start": start, "end": end, "stride": stride, "fps": fps, "max_side": max_side}
    choice = FrameChoice(start, end, stride, fps, max_side)
    raw_frames = RawFrames(raw, raw_pixels, raw_fps) if raw else None
    folders = _folders(find_sources([video, *(also or [])]), output)
    if prompt is not None and len(folders) > 1:
        raise InputError(f"--prompt {prompt} is about one video, not about {len(folders)}; segment that alone")
    for folder in folders:
        require_free(folder, overwrite, resume)
    settings = {"checkpoint": checkpoint, "threshold": threshold, "precision": precision, "device": target, **frames}
    settings["calibration"] = calibration

    @cache
    def ready() -> VideoSegmenter[Any]:
        made = ready_system(chosen, target, compile)
        if scale is not None:
            made.calibrate(scale)
        return made

    def segment_one(source: str, folder: Path) -> None:
        with open_frames(source, video_backend, raw_frames) as stream, ExitStack() as twice:
            found = choice.of(stream)
            if resume and found.path is None:
                raise InputError(f"{found.name}: frames that went by do not come again; --resume is for files")
            prompts = Prompts() if prompt is None else read_prompts(Path(prompt), sentences, found.size)
            watches = ready().watches  # takes seconds: after what a typing mistake can cause
            if prompt is not None and not ready().takes_corrections:
                raise ready().refusal()
            if watches and found.path is None:
                raise InputError(
                    f"{found.name}: frames that went by do not come again; give the system --system.back 0"
                )
            if not resume:
                clear(folder)
            again = twice.enter_context(open_frames(source, video_backend, raw_frames)) if watches else None
            count = segment_video(
                ready(),
                found,
                sentences,
                folder,
                save=list(outputs),
                min_score=min_score,
                batch=batch,
                prompts=prompts,
                watched=None if again is None else choice.of(again),
                resume=resume,
                quiet=quiet,
                settings=settings,
            )
        if not quiet:
            files = ", ".join(file if "." in file else f"{file}/" for file in outputs.values())
            summary = f"{count} frames of {source}: {files} in {folder}"
            print(summary.encode(errors="backslashreplace").decode())  # names of files may be no text

    if len(folders) > 1:
        ready()  # what is wrong with it is wrong for every video
    with leave_on_termination(), computing_in(target, precision):
        _for_each(folders, segment_one)


def _folders(sources: Mapping[str, str], output: Path) -> dict[Path, str]:
    """Gives each video a folder for its results: the output itself where there is one video."""
    if len(sources) == 1:
        return dict.fromkeys([output], *sources.values())
    return {output / name: source for name, source in sources.items()}


def _for_each(folders: Mapping[Path, str], segment_one: Callable[[str, Path], None]) -> None:
    """Segments every video; one that cannot be read does not stop the others, and is named once more at the end."""
    if len(folders) == 1:
        for folder, source in folders.items():
            segment_one(source, folder)
        return

    def fails(folder: Path, source: str) -> bool:
        try:
            segment_one(source, folder)
        except InputError as error:
            print(f"refsam-zoo: {error}", file=sys.stderr)
            return True
        return False

    failed = [source for folder, source in folders.items() if fails(folder, source)]
    if failed:
        raise InputError(f"{len(failed)} of {len(folders)} videos could not be segmented: {', '.join(failed)}")


def _chosen_outputs(save: Sequence[str] | str, overlay: bool) -> dict[str, str]:
    """Gives each name of an output and its file or folder."""
    names = [name.strip() for name in (save.split(",") if isinstance(save, str) else save)]
    outputs = {name: OUTPUTS.get(name).file for name in names if overlay or name != "overlay"}
    if not outputs:
        raise InputError(f"--save names nothing to write (valid: {', '.join(OUTPUTS)})")
    return outputs
