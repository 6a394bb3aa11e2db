from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from formats.odd_videos import write_with_sound
from PIL import Image

from refsam_zoo import create_model
from refsam_zoo.errors import InputError
from refsam_zoo.inference.interruption import leave_on_termination
from refsam_zoo.inference.overlay_video import OverlayVideoWriter
from refsam_zoo.inference.segment import segment_video
from refsam_zoo.systems.predictor import Predictor
from refsam_zoo.types import VideoSource
from refsam_zoo.video.frame_choice import FrameChoice
from refsam_zoo.video.masks import read_indexed
from refsam_zoo.video.readers import open_video

WRITTEN = {"expressions.json", "masks", "overlay.mp4", "still.png"}
SENTENCES = ["the red square", "the star that moves to the left"]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(0)
    return Predictor(create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen"))


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 48, 64, 3)).astype(np.uint8)


@pytest.fixture
def frame_folder(tmp_path: Path, frames: np.ndarray) -> Path:
    folder = tmp_path / "cat.walks"
    folder.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{5 * number:05d}.jpg")
    return folder


@pytest.fixture
def video_file(tmp_path: Path, frames: np.ndarray) -> Path:
    with OverlayVideoWriter(tmp_path / "cat.mp4", (48, 64), 12) as video:
        for frame in frames:
            video.write(frame)
    return tmp_path / "cat.mp4"


def test_video_file(predictor: Predictor, video_file: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    with open_video(VideoSource(video_file)) as reader:
        segment_video(predictor, reader, SENTENCES, output)
        expected = [found.masks for found in predictor.stream(reader.stream(4), SENTENCES)]

    assert names(output) == WRITTEN
    listing = json.loads((output / "expressions.json").read_text(encoding="utf-8"))
    assert listing == {"video": "cat", "expressions": {"1": SENTENCES[0], "2": SENTENCES[1]}}
    assert len(list((output / "masks").rglob("*"))) == 1 + 2 + 2 * 5
    for frame, masks in enumerate(expected):
        for number, mask in enumerate(masks, 1):
            path = output / "masks" / "cat" / str(number) / f"{frame:05d}.png"
            np.testing.assert_array_equal(read_indexed(path, (48, 64)), mask)
    with av.open(str(output / "overlay.mp4")) as container:
        stream = container.streams.video[0]
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert stream.average_rate == 12
    assert len(pictures) == 5


def test_frame_folder_keeps_the_names_of_its_frames(predictor: Predictor, frame_folder: Path, tmp_path: Path) -> None:
    with open_video(VideoSource(frame_folder)) as reader:
        segment_video(predictor, reader, SENTENCES[:1], tmp_path / "output")
    written = sorted(path.name for path in (tmp_path / "output" / "masks" / "cat.walks" / "1").iterdir())
    assert written == ["00000.png", "00005.png", "00010.png", "00015.png", "00020.png"]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def film_length(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_damaged_frame_keeps_what_comes_before_it(predictor: Predictor, frame_folder: Path, tmp_path: Path) -> None:
    damaged = frame_folder / "00015.jpg"
    damaged.write_bytes(damaged.read_bytes()[:900])
    output = tmp_path / "output"
    said = r"00015\.jpg.*first 3 of 5 frames are kept in .*output; the same command with --resume"
    with open_video(VideoSource(frame_folder)) as reader, pytest.raises(InputError, match=said):
        segment_video(predictor, reader, SENTENCES, output)
    assert len(list((output / "masks").rglob("*.png"))) == 2 * 3
    assert names(output) == {".unfinished", *WRITTEN}
    assert film_length(output / "overlay.mp4") == 3


class InterruptedPredictor(Predictor):
    """Sends its own process a signal at the third frame."""

    signal_number, frames = 0, 0

    def decode(self, *arguments: Any) -> torch.Tensor:
        self.frames += 1
        if self.frames == 3:
            signal.raise_signal(self.signal_number)
        return super().decode(*arguments)


@pytest.mark.parametrize(
    ("number", "end"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)], ids=["Ctrl-C", "kill"]
)
def test_interruption_leaves_a_film_and_says_what_is_kept(
    predictor: Predictor,
    video_file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    end: type[BaseException],
) -> None:
    interrupted = InterruptedPredictor(predictor.model)
    interrupted.signal_number = number
    output = tmp_path / "output"
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with open_video(VideoSource(video_file)) as reader, pytest.raises(end) as caught, leave_on_termination():
            segment_video(interrupted, reader, SENTENCES, output)
    finally:
        signal.signal(signal.SIGINT, earlier)
    if isinstance(caught.value, SystemExit):
        assert caught.value.code == 143
    assert "the first 2 of 5 frames are kept in" in capsys.readouterr().err
    assert film_length(output / "overlay.mp4") == 2
    assert (output / "masks" / "cat" / "2" / "00001.png").is_file()
    assert names(output) == {".unfinished", *WRITTEN}


def test_results_have_the_name_of_a_link(predictor: Predictor, video_file: Path, tmp_path: Path) -> None:
    link = tmp_path / "newest.mp4"
    link.symlink_to(video_file)
    with open_video(VideoSource(link)) as reader:
        segment_video(predictor, reader, SENTENCES[:1], tmp_path / "output")
    assert [path.name for path in (tmp_path / "output" / "masks").iterdir()] == ["newest"]


@pytest.mark.parametrize("size", [(1, 60), (90, 1), (17, 900)])
def test_strips(predictor: Predictor, tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "clip").mkdir()
    for number in range(2):
        Image.new("RGB", size[::-1], (200, 40 * number, 0)).save(tmp_path / "clip" / f"{number}.png")
    with open_video(VideoSource(tmp_path / "clip")) as reader:
        segment_video(predictor, reader, SENTENCES, tmp_path / "output")
    assert read_indexed(tmp_path / "output" / "masks" / "clip" / "1" / "1.png", size).shape == size
    assert film_length(tmp_path / "output" / "overlay.mp4") == 2


def test_a_warning_does_not_stand_behind_the_progress_bar(
    predictor: Predictor, frame_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_video(VideoSource(frame_folder)) as reader:
        segment_video(predictor, reader, ["the very " + "long " * 200 + "sentence"], tmp_path / "output")
    printed = capsys.readouterr().err
    assert re.search(r"(^|[\r\n])an expression of \d+ tokens is cut to \d+.*\n", printed), printed


@pytest.mark.parametrize(("end", "frames", "seconds"), [("1.2", 9, 0.7), (None, 19, 1.5)])
def test_a_part_has_its_own_sound(
    predictor: Predictor, tmp_path: Path, end: str | None, frames: int, seconds: float
) -> None:
    write_with_sound(tmp_path / "v.mp4", "aac", 44100, "mono")
    with open_video(tmp_path / "v.mp4") as reader:
        part = FrameChoice(start="0.5", end=end, stride=2).of(reader)
        assert segment_video(predictor, part, ["it"], tmp_path / "o", save=["overlay"], quiet=True) == frames
    with av.open(str(tmp_path / "o/overlay.mp4")) as container:
        shown = [float(frame.time) for frame in container.decode(video=0)]
    np.testing.assert_allclose(shown, np.arange(frames) * 0.08, atol=1e-3)
    with av.open(str(tmp_path / "o/overlay.mp4")) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) / 44100 == pytest.approx(seconds, abs=0.1)
