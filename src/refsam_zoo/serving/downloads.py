"""Results to take home: any output of `refsam-zoo segment`, made of the masks that were found."""

from __future__ import annotations

import shutil
import threading
import zipfile
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from refsam_zoo.inference.open_outputs import OpenOutputs
from refsam_zoo.inference.outputs import OUTPUTS, SegmentedFrame
from refsam_zoo.inference.outputs.base import UNFINISHED
from refsam_zoo.inference.segment import video_facts
from refsam_zoo.inference.segment_folder import write_listing
from refsam_zoo.serving.clips import Clip
from refsam_zoo.serving.runs import Run
from refsam_zoo.systems.base import VideoSegmenter


def write_output(clip: Clip, run: Run, system: VideoSegmenter[Any], name: str, stop: threading.Event) -> Path | None:
    """Writes one output of what was found so far; several files come as a zip.

    Args:
        clip: The clip, held meanwhile.
        run: Its run.
        system: What found the masks.
        name: Name of the output, see `OUTPUTS`.
        stop: Set where nobody waits for it any more.

    Returns:
        The file, in the clip's folder; None where it was stopped.

    Raises:
        InputError: A frame is damaged, or the output cannot be written.
    """
    folder, count = clip.folder / "taken" / name, run.frames
    shutil.rmtree(folder, ignore_errors=True)  # what was taken before, so that a clip's folder does not grow
    with clip.open() as video:
        facts = replace(video_facts(system, video, run.question.sentences), name=clip.name, goes_on=count < clip.length)
        with OpenOutputs([name], folder, facts) as outputs:
            for position, frame in enumerate(islice(video.frames(), count)):
                if stop.is_set():
                    return None
                found = clip.found(position, frame.picture)
                outputs.add(SegmentedFrame(position, frame.name, frame.time, found))
    result = folder / OUTPUTS.get(name).file
    if result.is_file():
        return result
    write_listing(folder, clip.name, facts.numbered)
    return _zip(folder, folder.with_suffix(".zip"))


def _zip(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_file() and inside.parts[0] != UNFINISHED:
                archive.write(path, inside)
    return target
