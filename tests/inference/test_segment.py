from __future__ import annotations

import io
import json
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from refsam_zoo import create_model
from refsam_zoo.errors import InputError
from refsam_zoo.inference.overlay_video import OverlayVideoWriter
from refsam_zoo.inference.predictor import FrameMasks, Predictor
from refsam_zoo.inference.segment import Still, segment, segment_video
from refsam_zoo.types import VideoSource
from refsam_zoo.video.masks import read_indexed
from refsam_zoo.video.readers import open_video

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

    assert sorted(path.name for path in output.iterdir()) == ["expressions.json", "masks", "overlay.mp4", "still.png"]
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
    with Image.open(output / "still.png") as still:
        assert pictures[0].shape == (still.height, still.width, 3)
    assert len(pictures) == 5


def test_frame_folder_keeps_the_names_of_its_frames(predictor: Predictor, frame_folder: Path, tmp_path: Path) -> None:
    with open_video(VideoSource(frame_folder)) as reader:
        segment_video(predictor, reader, SENTENCES[:1], tmp_path / "output")
    written = sorted(path.name for path in (tmp_path / "output" / "masks" / "cat.walks" / "1").iterdir())
    assert written == ["00000.png", "00005.png", "00010.png", "00015.png", "00020.png"]


def test_damaged_frame_keeps_the_masks_before_it(predictor: Predictor, frame_folder: Path, tmp_path: Path) -> None:
    damaged = frame_folder / "00020.jpg"
    damaged.write_bytes(damaged.read_bytes()[:900])
    output = tmp_path / "output"
    with open_video(VideoSource(frame_folder)) as reader, pytest.raises(InputError, match=r"00020\.jpg"):
        segment_video(predictor, reader, SENTENCES, output)
    assert len(list((output / "masks").rglob("*.png"))) == 2 * 4
    assert sorted(path.name for path in output.iterdir()) == ["expressions.json", "masks"], "nothing half finished"


def test_what_is_wrong_is_said_before_anything_is_loaded(video_file: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a video")
    (tmp_path / "empty").mkdir()
    (tmp_path / "judo" / "images").mkdir(parents=True)
    (tmp_path / "judo" / "images" / "0.jpg").touch()
    good = {"video": video_file, "expressions": SENTENCES, "checkpoint": tmp_path / "c.ckpt", "output": tmp_path / "o"}
    for wrong, message in [
        ({"expressions": []}, "no sentence was given"),
        ({"expressions": ["the star", " "]}, "sentence 2 is empty"),
        ({"video": tmp_path / "missing.mp4"}, r"missing\.mp4: no such video"),
        ({"video": tmp_path / "notes.txt"}, r"notes\.txt: not a readable video"),
        ({"video": tmp_path / "empty"}, r"empty: holds no \.jpg"),
        ({"video": tmp_path / "judo"}, r"judo: holds no .* frames; did you mean .*judo.images\?"),
        ({"video": Path("https:/host/x.mp4")}, "https://host/x.mp4: a web address is not read from"),
        ({"output": tmp_path}, "is not empty"),
        ({"output": video_file}, "Not a directory"),
        ({"device": "toaster"}, "--device toaster: "),
    ]:
        with pytest.raises(InputError, match=message):
            segment(**{**good, **wrong})
        assert not (tmp_path / "o").exists()


def test_still_shows_the_most(frames: np.ndarray) -> None:
    masks = np.zeros((4, 2, 48, 64), bool)
    masks[1, 0] = True
    masks[2, :, :3] = True
    masks[3, :, :2] = True
    still = Still()
    for frame, found in zip(frames, masks, strict=False):
        still.consider(FrameMasks(frame, found), frame)
    with Image.open(io.BytesIO(still.encode())) as picture:
        np.testing.assert_array_equal(np.asarray(picture), frames[2])
