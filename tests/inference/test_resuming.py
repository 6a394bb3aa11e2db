"""A run that goes on where one was stopped ends with the files of a run that was not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from formats.segment_outputs import film_length
from PIL import Image
from torch import Tensor, nn

from refsam_zoo import create_model
from refsam_zoo.errors import InputError
from refsam_zoo.inference import segment as module
from refsam_zoo.inference.outputs import OUTPUTS
from refsam_zoo.inference.outputs.base import UNFINISHED
from refsam_zoo.inference.segment import segment_video
from refsam_zoo.inference.segment_folder import require_free
from refsam_zoo.systems.base import Found, VideoSegmenter
from refsam_zoo.systems.predictor import Predictor
from refsam_zoo.types import VideoSource
from refsam_zoo.video.readers import open_video

SENTENCES = ["the red square", "the star"]
FRAMES = 22


class Spot(NamedTuple):
    place: Tensor
    size: int


@dataclass
class Memory:
    """All that a track may be made of: what is seen in a frame depends on all frames before it."""

    words: list[str]
    spots: dict[str, Spot]
    seen: int = 0
    last: Tensor | None = None


class Counting(VideoSegmenter[Memory]):
    """Marks as many columns as the mean of all frames says; stops at a frame if told to."""

    stop_at = -1

    def __init__(self) -> None:
        super().__init__(nn.Linear(1, 1))
        self.computed: list[int] = []

    def start(self, expressions: Sequence[str]) -> Memory:
        return Memory(list(expressions), {word: Spot(torch.zeros(()), 1) for word in expressions})

    def segment(self, images: Tensor, track: Memory) -> Iterator[Found]:
        for image in images:
            if track.seen == self.stop_at:
                raise KeyboardInterrupt
            self.computed.append(track.seen)
            track.seen += 1
            track.last = image.float().mean()
            masks = torch.zeros(len(track.words), *image.shape[1:], dtype=torch.bool)
            for row, word in enumerate(track.words):
                place = (7 * track.spots[word].place + track.last * (row + 1)) % 61
                track.spots[word] = Spot(place, track.seen)
                masks[row, :, : int(place)] = True
            yield Found(masks, torch.linspace(0.3, 0.9, len(masks)))


class Opaque(Counting):
    """Its track has a part that no field names."""

    def start(self, expressions: Sequence[str]) -> Memory:
        track = super().start(expressions)
        track.words = Words(track.words)
        return track


class Words(list):  # type: ignore[type-arg]
    pass


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos") / "cat"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(FRAMES):
        Image.new("RGB", (60, 32), tuple(random.integers(0, 256, 3).tolist())).save(folder / f"{number}.png")
    return folder


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRAMES_BETWEEN_SAVES", 8)


def run(system: VideoSegmenter[Any], video: Path, output: Path, **options: Any) -> int:
    with open_video(VideoSource(video)) as reader:
        return segment_video(system, reader, SENTENCES, output, quiet=True, **{"save": list(OUTPUTS), **options})


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".mp4")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def check_equal(output: Path, whole: Path) -> None:
    assert contents(output) == contents(whole)
    assert film_length(output / "overlay.mp4") == FRAMES


@pytest.fixture(scope="module")
def whole(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("whole")
    assert run(Counting(), video, output) == FRAMES
    return output


def test_frames_together_may_be_more_or_fewer_than_before_the_stop(video: Path, whole: Path, tmp_path: Path) -> None:
    stopped = Counting()
    stopped.stop_at = 13
    with pytest.raises(KeyboardInterrupt):
        run(stopped, video, tmp_path, resume=True, batch=3)
    last = Counting()
    assert run(last, video, tmp_path, resume=True, batch=5) == FRAMES
    assert last.computed == list(range(9, FRAMES))
    check_equal(tmp_path, whole)


@pytest.mark.parametrize("stops", [[0], [3], [8], [13], [21], [5, 6, 18]])
def test_files_are_those_of_a_run_never_stopped(stops: list[int], video: Path, whole: Path, tmp_path: Path) -> None:
    for stop in stops:
        stopped = Counting()
        stopped.stop_at = stop
        with pytest.raises(KeyboardInterrupt):
            run(stopped, video, tmp_path, resume=True)
        assert (tmp_path / UNFINISHED).is_dir()
        assert film_length(tmp_path / "overlay.mp4") == stop if stop else not (tmp_path / "overlay.mp4").exists()
    last = Counting()
    assert run(last, video, tmp_path, resume=True) == FRAMES
    assert last.computed == list(range(stops[-1] // 8 * 8, FRAMES)), "it goes on from the last state that was saved"
    check_equal(tmp_path, whole)
    with pytest.raises(InputError, match="holds a finished result; nothing is left to resume"):
        require_free(tmp_path, overwrite=False, resume=True)


def test_a_track_that_cannot_be_saved_is_computed_again(
    video: Path, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopped = Opaque()
    stopped.stop_at = 18
    with pytest.raises(KeyboardInterrupt):
        run(stopped, video, tmp_path)
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("the state of Opaque cannot be saved: --resume will compute all frames: ")
    last = Opaque()
    run(last, video, tmp_path, resume=True)
    assert last.computed == list(range(FRAMES))
    check_equal(tmp_path, whole)


@pytest.mark.parametrize("lost", ["overlay.mp4", "tracks.json", f"{UNFINISHED}/still.npz", f"{UNFINISHED}/coco.2"])
def test_what_was_lost_is_made_again(lost: str, video: Path, whole: Path, tmp_path: Path) -> None:
    stopped = Counting()
    stopped.stop_at = 18
    with pytest.raises(KeyboardInterrupt):
        run(stopped, video, tmp_path)
    (tmp_path / lost).unlink()
    run(Counting(), video, tmp_path, resume=True)
    check_equal(tmp_path, whole)


def test_another_command_is_refused(video: Path, tmp_path: Path) -> None:
    stopped = Counting()
    stopped.stop_at = 9
    with pytest.raises(KeyboardInterrupt):
        run(stopped, video, tmp_path, settings={"threshold": 0.5})
    for system, options, said in (
        (Counting(), {"settings": {"threshold": 0.6}}, "begun with another threshold: 0.5, now 0.6"),
        (Counting(), {"settings": {"threshold": 0.5}, "min_score": 0.5}, "begun with another min_score: 0.0, now 0.5"),
        (Opaque(), {"settings": {"threshold": 0.5}}, "begun with another system: Counting, now Opaque"),
    ):
        with pytest.raises(InputError, match=said):
            run(system, video, tmp_path, resume=True, **options)
    (tmp_path / UNFINISHED / "state.pt").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"state\.pt is damaged; the same command with --overwrite begins anew"):
        run(Counting(), video, tmp_path, resume=True, settings={"threshold": 0.5})


def test_refsam_goes_on_with_its_track(video: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen")

    class Stopped(Predictor):
        frames = 0

        def decode(self, *arguments: Any) -> Found:
            self.frames += 1
            if self.frames == 19:
                raise KeyboardInterrupt
            return super().decode(*arguments)

    Stopped.__name__ = Predictor.__name__
    with pytest.raises(KeyboardInterrupt):
        run(Stopped(model), video, tmp_path / "in two", save=["masks", "tracks"])
    assert run(Predictor(model), video, tmp_path / "in two", resume=True, save=["masks", "tracks"]) == FRAMES
    run(Predictor(model), video, tmp_path / "at once", save=["masks", "tracks"])
    assert contents(tmp_path / "in two") == contents(tmp_path / "at once")


def test_masks_of_a_low_score_are_empty(video: Path, tmp_path: Path) -> None:
    run(Counting(), video, tmp_path, min_score=0.5)
    for number, present in (("1", False), ("2", True)):
        masks = [np.asarray(Image.open(path)) for path in (tmp_path / "masks" / "cat" / number).iterdir()]
        assert np.any(masks) == present
