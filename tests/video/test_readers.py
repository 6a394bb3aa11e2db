from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.types import VideoSource
from refsam_zoo.video.masks import read_indexed
from refsam_zoo.video.readers import open_video

FRAMES = 24


def numbered_frames(count: int = FRAMES, height: int = 48, width: int = 64) -> np.ndarray:
    """Frames whose grey level is ten times their number, with a bright left half."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    frames[...] = (np.arange(count) * 10 % 256).astype(np.uint8)[:, None, None, None]
    return frames


def write_folder(folder: Path, frames: np.ndarray, suffix: str = ".jpg") -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{5 * number:05d}" for number in range(len(frames))]
    for name, frame in zip(names, frames, strict=True):
        if suffix == ".png":
            Image.fromarray(frame).save(folder / f"{name}.png")
        else:
            (folder / f"{name}{suffix}").write_bytes(simplejpeg.encode_jpeg(frame, quality=95))
    return names


def write_video(path: Path, frames: np.ndarray, gop: int = 12) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10, options={"g": str(gop), "qscale": "2"})
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture(params=["jpg", "png", "mp4"])
def video(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[VideoSource, list[str]]:
    frames = numbered_frames()
    names = [f"{5 * number:05d}" for number in range(FRAMES)]
    if request.param == "mp4":
        write_video(tmp_path / "v.mp4", frames)
        return VideoSource(tmp_path / "v.mp4"), names
    write_folder(tmp_path / "v", frames, f".{request.param}")
    return VideoSource(tmp_path / "v"), names


def levels(frames: np.ndarray) -> list[int]:
    return np.rint(frames.mean(axis=(1, 2, 3)) / 10).astype(int).tolist()


@pytest.mark.parametrize("indices", [[0], [3, 7, 8], [8, 3, 7], [5, 5, 2], [23], [], list(range(FRAMES))])
def test_every_reader_gives_the_frames_asked_for(video: tuple[VideoSource, list[str]], indices: list[int]) -> None:
    source, names = video
    with open_video(source, names) as reader:
        frames = reader.read(indices)
        assert len(reader) == FRAMES
        assert reader.size == (48, 64)
        assert reader.fps > 0
    assert frames.shape == (len(indices), 48, 64, 3)
    assert frames.dtype == np.uint8
    assert levels(frames) == indices if indices else True


def test_a_video_can_be_opened_without_names(video: tuple[VideoSource, list[str]]) -> None:
    with open_video(video[0]) as reader:
        assert levels(reader.read([20, 1])) == [20, 1]


def test_streaming_gives_every_frame_once_in_order(video: tuple[VideoSource, list[str]]) -> None:
    with open_video(video[0]) as reader:
        batches = list(reader.stream(7))
    assert [len(batch) for batch in batches] == [7, 7, 7, 3]
    assert levels(np.concatenate(batches)) == list(range(FRAMES))


@pytest.mark.parametrize("batch", [1, 4, 24])
def test_streaming_gives_every_frame_before_a_damaged_one(tmp_path: Path, batch: int) -> None:
    names = write_folder(tmp_path, numbered_frames())
    file = tmp_path / f"{names[14]}.jpg"
    file.write_bytes(file.read_bytes()[:-40])
    found: list[int] = []
    with open_video(VideoSource(tmp_path)) as reader, pytest.raises(InputError, match=r"00070\.jpg"):
        found.extend(level for frames in reader.stream(batch) for level in levels(frames))
    assert found == list(range(14))


def test_positions_of_a_video_file_follow_its_indices(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", numbered_frames())
    source = VideoSource(tmp_path / "v.mp4", indices=(4, 9, 14))
    with open_video(source, ["a", "b", "c"]) as reader:
        assert len(reader) == 3
        assert levels(reader.read([2, 0])) == [14, 4]


def test_a_position_outside_the_video_is_an_input_error(video: tuple[VideoSource, list[str]]) -> None:
    with open_video(*video) as reader, pytest.raises(InputError, match="no frame 24, the video has 24 frames"):
        reader.read([24])


def test_a_truncated_jpeg_is_refused_by_name(tmp_path: Path) -> None:
    names = write_folder(tmp_path, numbered_frames(4))
    file = tmp_path / f"{names[2]}.jpg"
    file.write_bytes(file.read_bytes()[:-40])
    with open_video(VideoSource(tmp_path), names) as reader:
        reader.read([0, 1, 3])
        with pytest.raises(InputError, match=r"00010\.jpg: damaged JPEG"):
            reader.read([1, 2])


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "not a readable"), (b"<html>", "not a readable"), (None, "cannot read the frame")]
)
def test_a_frame_that_is_no_picture_is_refused_by_name(tmp_path: Path, content: bytes | None, message: str) -> None:
    names = write_folder(tmp_path, numbered_frames(3))
    if content is None:
        (tmp_path / "00005.jpg").unlink()
    else:
        (tmp_path / "00005.jpg").write_bytes(content)
    with open_video(VideoSource(tmp_path), names) as reader, pytest.raises(InputError, match=rf"00005\.jpg: {message}"):
        reader.read([1])


def test_a_frame_of_another_size_is_refused_by_name(tmp_path: Path) -> None:
    names = write_folder(tmp_path, numbered_frames(3))
    (tmp_path / "00005.jpg").write_bytes(simplejpeg.encode_jpeg(np.zeros((20, 30, 3), np.uint8)))
    with open_video(VideoSource(tmp_path), names) as reader:
        assert reader.size == (48, 64)
        with pytest.raises(InputError, match=r"20x30.*48x64"):
            reader.read([1])


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_jpegs_become_rgb(tmp_path: Path, mode: str) -> None:
    Image.new("RGB", (64, 48), (90, 90, 90)).convert(mode).save(tmp_path / "00000.jpg")
    with open_video(VideoSource(tmp_path)) as reader:
        np.testing.assert_allclose(reader.read([0]), 90, atol=3)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_orientation_tags_are_ignored_for_frames_and_masks(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    ids = np.zeros((48, 64), np.uint8)
    ids[:10] = 3
    mask = Image.fromarray(ids, "P")
    mask.putpalette([0, 0, 0, 0, 0, 255, 0, 255, 0, 255, 0, 0])
    Image.fromarray(np.where(ids[..., None], 255, np.zeros(3)).astype(np.uint8)).save(
        tmp_path / f"00000{suffix}", exif=exif
    )
    mask.save(tmp_path / "mask.png", exif=exif)
    with open_video(VideoSource(tmp_path), ["00000"]) as reader:
        frame = reader.read([0])[0]
    np.testing.assert_array_equal(read_indexed(tmp_path / "mask.png", (48, 64)), ids)
    np.testing.assert_array_equal(frame[..., 0] > 127, ids == 3)


def test_a_truncated_video_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "v.avi"
    rng = np.random.default_rng(0)
    write_video(path, rng.integers(0, 255, (FRAMES, 48, 64, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"v\.avi"), open_video(VideoSource(path), ["x"] * FRAMES) as reader:
        reader.read(range(FRAMES))


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_file_that_is_no_video_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.mp4").write_bytes(content)
    with pytest.raises(InputError, match=r"v\.mp4: not a readable video"):
        open_video(VideoSource(tmp_path / "v.mp4"))


def test_more_frames_than_the_file_has_are_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", numbered_frames(5))
    source = VideoSource(tmp_path / "v.mp4")
    with (
        pytest.raises(InputError, match="frame 5 is asked for, but the file has 5 frames"),
        open_video(source, ["x"] * 6) as reader,
    ):
        reader.read([5])


def test_a_missing_video_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such video"):
        open_video(VideoSource(tmp_path / "v.mp4"))
    with pytest.raises(InputError, match="holds no"):
        open_video(VideoSource(tmp_path))
    with pytest.raises(InputError, match="frame 00000 is missing"):
        open_video(VideoSource(tmp_path), ["00000"])


DEEP = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21
"""Grey levels from 0 to 64491 of 65535."""


def save_deep(path: Path, pixels: np.ndarray) -> None:
    assert cv2.imwrite(str(path), pixels)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
@pytest.mark.parametrize("colours", [1, 3, 4])
def test_pictures_of_16_bits_are_scaled_to_8(tmp_path: Path, suffix: str, colours: int) -> None:
    planes = np.stack([DEEP, DEEP // 2, DEEP // 3, np.full_like(DEEP, 65535)], axis=-1)[..., :colours]
    save_deep(tmp_path / f"00000{suffix}", planes)
    with open_video(VideoSource(tmp_path)) as reader:
        frame = reader.read([0])[0]
    expected = np.repeat(planes, 3, axis=-1) if colours == 1 else planes[..., 2::-1]
    np.testing.assert_allclose(frame, expected / 257, atol=1)


def grey(mode: str) -> Image.Image:
    return Image.fromarray((DEEP >> 8).astype(np.uint8)).convert(mode)


@pytest.mark.parametrize(
    ("picture", "options"),
    [
        (Image.fromarray(DEEP.astype(">u2")), {"format": "TIFF"}),
        (grey("L"), {"format": "BMP"}),
        (grey("L"), {"format": "WEBP", "lossless": True}),
        (grey("P"), {"format": "PNG"}),
        (grey("RGBA"), {"format": "PNG"}),
        (grey("LA"), {"format": "PNG"}),
        (grey("CMYK"), {"format": "TIFF"}),
    ],
    ids=["big-endian TIFF", "BMP", "WebP", "palette", "RGBA", "grey with alpha", "CMYK"],
)
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, picture: Image.Image, options: dict[str, Any]) -> None:
    picture.save(tmp_path / "0.tif", **options)
    with open_video(VideoSource(tmp_path)) as reader:
        np.testing.assert_allclose(reader.read([0])[0], np.repeat((DEEP >> 8)[..., None], 3, axis=-1), atol=1)


def test_black_and_white_pictures_have_both(tmp_path: Path) -> None:
    Image.fromarray(DEEP > 30000).save(tmp_path / "0.png")
    with open_video(VideoSource(tmp_path)) as reader:
        np.testing.assert_array_equal(reader.read([0])[0, ..., 0], np.where(DEEP > 30000, 255, 0))


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_pixels_without_a_known_range_are_refused(tmp_path: Path, kind: type) -> None:
    Image.fromarray(DEEP.astype(kind)).save(tmp_path / "0.tif")
    with (
        open_video(VideoSource(tmp_path)) as reader,
        pytest.raises(InputError, match=rf"^{tmp_path / '0.tif'}: its pixels are of kind"),
    ):
        reader.read([0])


def test_frames_are_in_natural_order_and_of_several_kinds(tmp_path: Path) -> None:
    for number, frame in enumerate(numbered_frames(12)):
        Image.fromarray(frame).save(tmp_path / f"frame{number}{('.PNG', '.bmp', '.webp', '.JPG')[number % 4]}")
    for name in ("._frame1.png", ".DS_Store", "Thumbs.db"):
        (tmp_path / name).write_bytes(b"no picture")
    with open_video(VideoSource(tmp_path)) as reader:
        assert levels(reader.read(range(len(reader)))) == list(range(12))
    with open_video(VideoSource(tmp_path), ["frame3", "frame010", "frame2"]) as reader:
        assert levels(reader.read([0, 1, 2])) == [3, 10, 2]


def test_a_picture_and_a_mask_of_one_name_are_refused(tmp_path: Path) -> None:
    listed = write_folder(tmp_path, numbered_frames(2))
    write_folder(tmp_path, numbered_frames(2), ".png")
    for names in (None, listed):
        with pytest.raises(InputError, match=r"00000\.jpg and 00000\.png have the same name"):
            open_video(VideoSource(tmp_path), names)
