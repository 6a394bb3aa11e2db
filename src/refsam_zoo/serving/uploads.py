"""What visitors send: read piece by piece within limits, and looked at before any decoder of ours sees it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

import anyio
from starlette.requests import Request

from refsam_zoo.errors import InputError
from refsam_zoo.serving.limits import MEGABYTE, Limits

FORMATS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,gif"
"""Files that hold their frames themselves, as FFmpeg calls them: playlists could name files of the server."""
LARGEST_SIDE = 8192
"""Pixels of the longer side of a frame before it is shrunk; a small file may claim any size."""
LONGEST_NAME = 80
PAUSE = 30.0
"""Seconds without a byte after which a sender counts as gone."""


class TooLargeError(InputError):
    """More bytes came than are taken."""


async def limited_body(request: Request, most: int) -> AsyncIterator[bytes]:
    """Gives the body of a request piece by piece.

    Raises:
        TooLargeError: It has more than `most` bytes; none above them is read.
        InputError: The sender pauses for too long.
    """
    left = most
    pieces = request.stream()
    while True:
        try:
            with anyio.fail_after(PAUSE):
                piece = await anext(pieces, b"")
        except TimeoutError as error:
            raise InputError(f"nothing came for {PAUSE:g} seconds; send the file again") from error
        left -= len(piece)
        if left < 0:
            raise TooLargeError(f"the file is larger than {most / MEGABYTE:g} MB; send a shorter or smaller one")
        if not piece:
            return
        yield piece


async def save_upload(request: Request, file: BinaryIO, limits: Limits) -> None:
    """Writes the body of a request into a file.

    Raises:
        TooLargeError: It says that it is larger than the limit, or is.
        InputError: It is empty, or the sender pauses for too long.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limits.upload_bytes:
        raise TooLargeError(f"the file is larger than {limits.upload_mb} MB; send a shorter or smaller one")
    async for piece in limited_body(request, limits.upload_bytes):
        file.write(piece)
    if not file.tell():
        raise InputError("the file is empty; send a video")


def plain_name(text: str) -> str:
    """Makes of a visitor's name of a file what results may be called: its stem, without separators, not hidden."""
    stem = re.split(r"[/\\]", text)[-1].rpartition(".")[0] or re.split(r"[/\\]", text)[-1]
    plain = "".join(character if character.isprintable() else "_" for character in stem)
    return re.sub(r"[:*?\"<>|]+", "_", plain).strip(" .")[:LONGEST_NAME] or "clip"


def require_video(path: Path) -> None:
    """Makes sure that a file is a video by itself, of frames that fit into memory.

    Raises:
        InputError: It is something else; the message names no path.
    """
    import av

    from refsam_zoo.video.packets import picture_stream

    try:
        with av.open(str(path), options={"format_whitelist": FORMATS}) as container:
            if not container.streams.video:
                raise InputError("this file has sound only; send a video")
            picture = picture_stream(container).codec_context
            if max(picture.width, picture.height) > LARGEST_SIDE:
                raise InputError(f"its frames are {picture.width}x{picture.height}; at most {LARGEST_SIDE} a side")
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("this file is no video that can be read; send mp4, mov, webm, mkv, avi or gif") from error
