"""Writes video files of every kind that makes some decoder return other frames than those asked for."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np

COUNT = 40
SIZE = (48, 96)
RATE = 25
CLUSTER, CLUSTER_TIME = b"\x1f\x43\xb6\x75", b"\xe7"
Change = Callable[[av.Packet], av.Packet | None]


@cache
def picture(number: int, height: int, width: int) -> np.ndarray:
    """A moving pattern under a strip of 8 blocks: block k is bright where bit k of the frame's number is 1."""
    rows, columns = np.mgrid[:height, :width]
    pattern = np.stack([columns * 3 + number * 5, rows * 2 + number * 7, rows + columns + number * 11], -1) % 256
    for bit in range(8):
        pattern[: height // 6, bit * width // 8 : (bit + 1) * width // 8] = 235 if number >> bit & 1 else 16
    return pattern.astype(np.uint8)


def number_of(frame: np.ndarray) -> int:
    height, width = frame.shape[:2]
    strip = frame[: height // 8].mean(axis=(0, 2))
    return sum(1 << bit for bit in range(8) if strip[bit * width // 8 + 2 : (bit + 1) * width // 8 - 2].mean() > 126)


def encode(
    path: Path,
    codec: str = "libx264",
    size: tuple[int, int] = SIZE,
    pixels: str = "yuv420p",
    numbers: range = range(COUNT),
    times: list[int] | None = None,
    change: Change = lambda packet: packet,
    muxer: dict[str, str] | None = None,
    **options: Any,
) -> Path:
    """Writes a video whose frames carry `numbers`; `change` may alter or drop packets on their way to the file."""
    if codec == "libx264":
        options = {"preset": "veryfast", "x264-params": parameters({"keyint": 12, "scenecut": 0, **options})}
    elif codec == "libx265":
        options = {
            "preset": "veryfast",
            "x265-params": parameters({"keyint": 12, "pools": 1, "log-level": 0, **options}),
        }
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=RATE, options={name: str(value) for name, value in options.items()})
        (stream.height, stream.width), stream.pix_fmt = size, pixels
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, RATE)
        for place, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
            frame.pts, frame.time_base = times[place] if times else number, Fraction(1, RATE)
            container.mux([packet for found in stream.encode(frame) if (packet := change(found))])
        container.mux([packet for found in stream.encode() if (packet := change(found))])
    return path


def parameters(options: dict[str, Any]) -> str:
    return ":".join(f"{name.replace('_', '-')}={value}" for name, value in options.items())


def earlier(packet: av.Packet) -> av.Packet:
    """What ends up before time zero, an edit list cuts off."""
    packet.pts, packet.dts = packet.pts - 17, packet.dts - 17
    return packet


def doubled(packet: av.Packet) -> av.Packet:
    packet.pts += packet.pts % 10 == 5
    return packet


def from_key_frame(wanted: int) -> Change:
    """Drops everything before a key frame."""
    keys = 0

    def change(packet: av.Packet) -> av.Packet | None:
        nonlocal keys
        keys += packet.is_keyframe
        return packet if keys > wanted else None

    return change


def without_first(count: int) -> Change:
    seen = 0

    def change(packet: av.Packet) -> av.Packet | None:
        nonlocal seen
        seen += 1
        return packet if seen > count else None

    return change


def set_matrix(path: Path, a: float, b: float, c: float, d: float) -> None:
    """Makes an MP4 file show its point (p, q) at (a p + c q, b p + d q)."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    turned = [round(value * (1 << 16)) for value in (a, b, c, d)]
    content[place : place + 36] = struct.pack(">9i", *turned[:2], 0, *turned[2:], 0, 0, 0, 1 << 30)
    path.write_bytes(content)


OPEN = {"open_gop": 1, "bframes": 3, "b_pyramid": "normal"}
EDITED = {"change": earlier, "muxer": {"avoid_negative_ts": "disabled"}}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
NO_KEY_FRAMES = {"intra_refresh": 1, "keyint": 16}
MPEG4 = {"codec": "mpeg4", "g": 12, "bf": 2, "qscale": 2}
EXACT: dict[str, dict[str, Any]] = {
    "closed.mp4": {"bframes": 3},
    "closed.mkv": {"bframes": 3, "b_pyramid": "normal"},
    "one_group.mp4": {"keyint": 250, "bframes": 2},
    "all_key_frames.mp4": {"keyint": 1},
    "one_frame.mkv": {"numbers": range(1)},
    "open.mp4": OPEN,
    "open.mkv": OPEN | {"b_pyramid": "strict"},
    "open_dense.mp4": OPEN | {"b_adapt": 0},
    "open.ts": OPEN,
    "fragments.mp4": {"bframes": 3, "muxer": FRAGMENTS},
    "no_edit_list.mp4": {"bframes": 3, "muxer": {"use_editlist": "0"}},
    "late_start.mp4": {"bframes": 2, "muxer": {"output_ts_offset": "3"}},
    "interlaced.mp4": {"bframes": 2, "tff": 1},
    "intra_refresh.mp4": NO_KEY_FRAMES | {"bframes": 0},
    "intra_refresh.mkv": NO_KEY_FRAMES | {"bframes": 2},
    "ten_bit.mp4": {"pixels": "yuv420p10le"},
    "odd.mp4": {"pixels": "yuv444p", "size": (49, 97)},
    "variable_rate.mp4": {"bframes": 2, "times": [number + 5 * (number // 7) for number in range(COUNT)]},
    "doubled_times.mp4": {"bframes": 0, "change": doubled},
    "h264.avi": {"bframes": 3},
    "h264.flv": {"bframes": 2},
    "h264.ts": {"bframes": 3},
    "wrapping.ts": {"bframes": 3, "muxer": {"output_ts_offset": str((2**33 - 45000) / 90000)}},
    "hevc.mp4": {"codec": "libx265", "bframes": 3},
    "hevc_ten_bit.mkv": {"codec": "libx265", "pixels": "yuv420p10le", "bframes": 3},
    "mpeg4_odd.mp4": MPEG4 | {"size": (49, 97)},
    "mpeg4.avi": MPEG4,
    "mpeg2.mpg": {"codec": "mpeg2video", "g": 12, "bf": 2, "qscale": 2},
    "mjpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p", "qscale": 2},
    "vp8.webm": {"codec": "libvpx", "g": 12, "auto-alt-ref": 1, "lag-in-frames": 10, "b": "1M"},
    "vp9.webm": {"codec": "libvpx-vp9", "g": 12, "auto-alt-ref": 1, "lag-in-frames": 10, "b": "1M", "cpu-used": 8},
    "animation.gif": {"codec": "gif", "pixels": "rgb8"},
    "av1.mp4": {"codec": "libsvtav1", "size": (64, 96), "g": 12, "preset": 12, "svtav1-params": "lp=1"},
}
