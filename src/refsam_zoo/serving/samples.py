"""Clips for visitors who have none at hand: scenes of RefShapes, rendered when they are asked for."""

from __future__ import annotations

from pathlib import Path

from refsam_zoo.synthesis.dataset import write_mp4
from refsam_zoo.synthesis.options import SynthesisOptions
from refsam_zoo.synthesis.videos import make_video

SAMPLES = (3, 5, 7)
"""Numbers of scenes of RefShapes' split test."""
OPTIONS = SynthesisOptions(image_size=384, frames=36, fps=12, noise=2.0)


def write_sample(number: int, path: Path) -> list[str]:
    """Writes the video file of a sample.

    Args:
        number: Which of `SAMPLES`, from 1 on.
        path: The file, without a suffix.

    Returns:
        Sentences about it, whose targets differ.
    """
    video = make_video("test", SAMPLES[number - 1], OPTIONS)
    film = path.with_suffix(".mp4")
    write_mp4(film, video.pictures, OPTIONS.fps)
    film.rename(path)
    targets: dict[tuple[int, ...], str] = {}
    for expression in video.expressions:
        if expression.kind == "attribute" and expression.object_ids:
            targets.setdefault(tuple(expression.object_ids), expression.sentence)
    return list(targets.values())
