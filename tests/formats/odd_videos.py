"""Writes what people give as a video without a thought: any shape, depth and kind of file, folders in disorder."""

from __future__ import annotations

import wave
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from formats.trap_videos import EXACT, encode, picture, set_matrix
from PIL import Image

Maker = Callable[[Path], Path]
"""Writes a video somewhere below a folder and gives its path."""
SEVERAL = range(3)


def film(name: str = "v.mp4", **options: Any) -> Maker:
    return lambda folder: encode(folder / name, **{"numbers": SEVERAL, **options})


def pictures(sizes: Sequence[tuple[int, int]], names: Sequence[str] = (), beside: Sequence[str] = ()) -> Maker:
    """A folder of pictures, in which the n-th carries the number n, and other files."""

    def write(folder: Path) -> Path:
        (folder / "v").mkdir()
        for number, size in enumerate(sizes):
            name = names[number] if names else f"{number:05d}.png"
            shown = picture(number, *size) if min(size) > 8 else 255 - 30 * number
            image = Image.new("RGB", size[::-1], (shown,) * 3) if isinstance(shown, int) else Image.fromarray(shown)
            image.save(folder / "v" / name)
        for name in beside:
            (folder / "v" / name).write_bytes(b"no picture")
        return folder / "v"

    return write


def rotated(folder: Path) -> Path:
    path = film(size=(48, 96))(folder)
    set_matrix(path, 0, 1, -1, 0)
    return path


def no_frames(folder: Path) -> Path:
    with av.open(str(folder / "v.mp4"), "w") as container:
        container.add_stream("mpeg4", rate=25, width=96, height=48, pix_fmt="yuv420p")
        container.start_encoding()
    return folder / "v.mp4"


def sound(folder: Path) -> Path:
    with wave.open(str(folder / "v.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(8000))
    return folder / "v.wav"


def write_with_sound(path: Path, codec: str, rate: int, layout: str) -> None:
    """Two seconds of grey pictures and a tone."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("mpeg4", 25)
        pictures.width, pictures.height, pictures.pix_fmt = 96, 64, "yuv420p"
        sound = container.add_stream(codec, rate=rate, layout=layout)
        tone = (8000 * np.sin(np.arange(2 * rate) / 20)).astype(np.int16)
        channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
        frame = av.AudioFrame.from_ndarray(np.repeat(tone, channels)[None], format="s16", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        for number in range(50):
            picture = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 100, np.uint8), format="rgb24")
            picture.pts, picture.time_base = number, Fraction(1, 25)
            container.mux(pictures.encode(picture))
        container.mux([*sound.encode(frame), *sound.encode(), *pictures.encode()])


def raw_grey(count: int, height: int, width: int) -> Maker:
    def write(folder: Path) -> Path:
        rows = (bytes([number % 256]) * height * width for number in range(count))
        (folder / "v.grey").write_bytes(b"".join(rows))
        return folder / "v.grey"

    return write


VARIABLE = EXACT["variable_rate.mp4"]
PQ = {"colorprim": "bt2020", "transfer": "smpte2084", "colormatrix": "bt2020nc"}
