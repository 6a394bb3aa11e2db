"""Segments an open video by sentences and writes what was found."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from refsam_zoo.inference.background import read_ahead
from refsam_zoo.inference.interruption import say_what_is_kept
from refsam_zoo.inference.open_outputs import OpenOutputs
from refsam_zoo.inference.outputs import SegmentedFrame, VideoFacts
from refsam_zoo.inference.prompt_file import Prompts
from refsam_zoo.inference.segment_folder import write_listing
from refsam_zoo.inference.unfinished import Unfinished, UnfinishedFile
from refsam_zoo.systems.base import VideoSegmenter
from refsam_zoo.systems.inputs import checked_sentences
from refsam_zoo.systems.session import VideoSession
from refsam_zoo.video.frame_stream import Frame, FrameStream

FRAMES_AT_ONCE = 4
BATCHES_AHEAD = 2
"""Batches read while an earlier one is segmented."""

SAVED = ("masks", "overlay", "still")
"""Outputs that are written unless others are asked for."""

FRAMES_BETWEEN_SAVES = 32
"""Frames that are computed again, at most, when a run goes on where an earlier one was stopped; or a larger batch."""


def segment_video(
    system: VideoSegmenter[Any],
    video: FrameStream,
    expressions: Sequence[str],
    output: str | Path,
    *,
    save: Sequence[str] = SAVED,
    min_score: float = 0.0,
    batch: int = FRAMES_AT_ONCE,
    prompts: Prompts | None = None,
    watched: FrameStream | None = None,
    resume: bool = False,
    quiet: bool = False,
    settings: Mapping[str, object] | None = None,
) -> int:
    """Segments an open video and writes outputs and the list of sentences; shows a progress bar.

    Frames are read ahead, and outputs encoded and written behind, in threads of their own.

    Args:
        system: Finds the masks.
        video: The video; its length need not be known.
        expressions: N sentences; none where objects are shown.
        output: Folder for the result.
        save: Names of outputs, see `OUTPUTS`.
        min_score: Masks of a lower score, 0..1, become empty.
        batch: Frames that the system gets together.
        prompts: What is shown in some of them, and objects without a sentence, whose masks follow the sentences'.
        watched: The same video, opened once more, for a system that `watches`.
        resume: Whether to go on where an earlier call with the same arguments was stopped, if there was one.
        quiet: Whether to show no progress bar.
        settings: What else the masks depend on, and must be the same when a later call goes on.

    Returns:
        How many frames it had.

    Raises:
        InputError: A frame is damaged, or the output cannot be written; what was found up to there is on disk. An
            output is unknown, or an earlier call had other arguments.
    """
    output, prompts = Path(output), prompts or Prompts()
    sentences = [] if prompts.objects and not expressions else checked_sentences(expressions)
    facts = video_facts(system, video, [*sentences, *prompts.objects])
    asked = {"video": video.name, "size": video.size, "sentences": facts.expressions, "min_score": min_score}
    file = UnfinishedFile(output, system, {**asked, "prompts": prompts, **(settings or {})})
    with logging_redirect_tqdm():  # warnings go above the progress bar
        session = VideoSession(system, sentences)
        for name in prompts.objects:
            session.add_object(name)
        earlier = file.load(type(session.tracks[0])) if resume else None
        if watched is not None and (earlier is None or not earlier.tracks):
            system.watch((frame.picture for frame in watched.frames()), session.tracks[0])
    with say_what_is_kept(output, video.length) as kept, ExitStack() as stack:
        outputs = stack.enter_context(OpenOutputs(save, output, facts, earlier.kept if earlier else None))
        write_listing(output, video.name, facts.numbered)
        if earlier is None or not earlier.tracks or outputs.frames < earlier.frames:
            file.save(Unfinished(outputs.keep()))
            begin = 0
        else:
            begin, session.tracks = earlier.frames, earlier.tracks
        kept.frames = outputs.frames
        stack.enter_context(logging_redirect_tqdm())
        batches = stack.enter_context(closing(read_ahead(video.batches(batch), BATCHES_AHEAD)))
        bar = stack.enter_context(tqdm(desc=video.name, total=video.length, unit="frame", disable=quiet))

        def save_state(frames: int) -> None:
            file.save(Unfinished(outputs.keep(), frames, session.tracks))

        for frame in _segmented(session, batches, begin, prompts, save_state):
            frame.found.masks[frame.found.scores < min_score] = False
            outputs.add(frame)
            kept.frames = max(kept.frames, frame.position + 1)
            bar.update(kept.frames - bar.n)
    file.remove()
    prompts.require_all_used()
    return kept.frames


def video_facts(system: VideoSegmenter[Any], video: FrameStream, sentences: Sequence[str]) -> VideoFacts:
    """Gathers what outputs are told before the first frame."""
    return VideoFacts(
        video.name,
        video.size,
        tuple(sentences),
        system.score_meaning,
        video.fps,
        video.time_unit,
        video.pixel_aspect,
        (video.path, video.begin) if video.path and video.path.is_file() else None,
        video.goes_on,
    )


def _segmented(
    session: VideoSession,
    batches: Iterable[list[Frame]],
    begin: int,
    prompts: Prompts,
    save: Callable[[int], None],
) -> Iterator[SegmentedFrame]:
    """Segments a video after the frames that its session has seen.

    Args:
        session: Finds the masks.
        batches: All frames of the video.
        begin: Frames that the session has seen.
        prompts: What is shown in them.
        save: Called now and then with the number of frames that the session has seen, all of which were given.
    """
    under_way = deque[Frame]()

    def pictures() -> Iterator[np.ndarray]:
        position, saved = 0, begin
        for batch in batches:
            if not under_way and position >= saved + FRAMES_BETWEEN_SAVES:  # no frame waits for its window
                save(position)
                saved = position
            seen = max(0, begin - position)
            for frame in batch[:seen]:
                prompts.due(frame)
            unseen = batch[seen:]
            if unseen:
                under_way.extend(unseen)
                yield np.stack([frame.picture for frame in unseen])
            position += len(batch)

    for position, found in enumerate(session.stream(pictures()), begin):
        frame = under_way.popleft()
        yield SegmentedFrame(position, frame.name, frame.time, prompts.apply(frame, session, found))
