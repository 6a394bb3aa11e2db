"""Archives for the servers that hold back the ground truth, and a checker for anybody's."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.evaluation.completeness import Completeness
from refsam_zoo.evaluation.expression_masks import LEVELS, expected_masks, group_by_video, mask_name
from refsam_zoo.evaluation.mask_archive import MaskArchive, open_masks
from refsam_zoo.evaluation.protocols import ExpressionProtocol, get_protocol
from refsam_zoo.output_files import whole_file
from refsam_zoo.types import Referral
from refsam_zoo.video.readers import open_video

SERVERS = ("mevis", "mevis_v2", "ref_youtube_vos")
"""Protocols whose server takes a zip of masks."""

_EPOCH = (1980, 1, 1, 0, 0, 0)


def server_protocol(name: str) -> ExpressionProtocol:
    """Gives the protocol of a server.

    Raises:
        InputError: There is no such server.
    """
    protocol = get_protocol(name) if name in SERVERS else None
    if not isinstance(protocol, ExpressionProtocol):
        what = f"'{name}'" if name else "this data set"
        raise InputError(f"no server takes submissions for {what}{nearest_name(name, SERVERS)}")
    return protocol


def write_submission(masks: str | Path, protocol: str, referrals: Sequence[Referral], output: str | Path) -> None:
    """Packs a folder of masks as the server asks for it: grey PNG files of 0 and 255 in one zip.

    The same masks give the same bytes. The zip appears when it is complete and has passed `check_submission`.

    Args:
        masks: Folder or zip with `<video>/<expression>/<frame>.png`, every pixel above 0 in the target.
        protocol: `ref_youtube_vos`, `mevis` or `mevis_v2`.
        referrals: What the server asks.
        output: The zip to write.

    Raises:
        InputError: A mask is missing, there is one too many or of a wrong size, or the zip cannot be written.
    """
    masks, output = Path(masks), Path(output)
    chosen = server_protocol(protocol)
    archive, completeness = chosen.check(masks, referrals)
    completeness.require(archive.label, "error")
    if output.exists():
        raise InputError(f"'{output}' exists; give another name, so that no earlier submission is overwritten")
    with whole_file(output) as unfinished:
        _pack(archive, chosen.folder, expected_masks(referrals), unfinished)
        problems = check_submission(unfinished, protocol, referrals)
        if problems:
            raise InputError(f"the server would not take '{masks}': {problems[0]} ({len(problems)} problems in all)")


def check_submission(path: str | Path, protocol: str, referrals: Sequence[Referral]) -> list[str]:
    """Looks for everything a server could stumble over.

    Args:
        path: Zip or folder.
        protocol: `ref_youtube_vos`, `mevis` or `mevis_v2`.
        referrals: What the server asks.

    Returns:
        One line per problem: masks missing or not asked for, in the wrong folder, named in another way, unreadable, of
        another size than the video or with other values than 0 and 255; hidden files of macOS and Windows.

    Raises:
        InputError: The path is no archive of masks, or there is no such server.
    """
    path = Path(path)
    chosen = server_protocol(protocol)
    opened = open_masks(path)
    archive = chosen.inside(opened)
    completeness = Completeness.of(expected_masks(referrals), archive.files, LEVELS)
    problems = [] if completeness.complete else completeness.lines()
    if chosen.folder and not opened.below(chosen.folder).files:
        problems.insert(0, f"masks must lie in a folder '{chosen.folder}'")
    problems += [f"{name}: a hidden file of macOS or Windows, to be left out" for name in opened.hidden]
    capitals = [file for file in opened.files.values() if not file.endswith(".png")]
    problems += [f"{file}: must end in .png, in small letters" for file in capitals]
    for video in group_by_video(referrals):
        problems += _video_problems(video, archive)
    return problems


def _pack(archive: MaskArchive, folder: str, names: Sequence[str], path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        for name in sorted(names):
            content = io.BytesIO()
            Image.fromarray((archive.read(name) > 0).astype(np.uint8) * 255).save(content, "PNG")
            inside = f"{folder}/{name}.png" if folder else f"{name}.png"
            packed.writestr(zipfile.ZipInfo(inside, _EPOCH), content.getvalue())


def _video_problems(referrals: Sequence[Referral], archive: MaskArchive) -> Iterator[str]:
    """Reads every mask of a video that is there."""
    with open_video(referrals[0].source, referrals[0].frames) as video:
        size = video.size
    for referral in referrals:
        for name in (mask_name(referral, frame) for frame in referral.frames):
            if name in archive.files:
                yield from _mask_problems(archive, name, size)


def _mask_problems(archive: MaskArchive, name: str, size: tuple[int, int]) -> Iterator[str]:
    try:
        mask = archive.read(name)
    except InputError as error:
        yield str(error)
        return
    if mask.shape != size:
        yield f"{name}: is {mask.shape[0]}x{mask.shape[1]}, the video {size[0]}x{size[1]}"
    if not ((mask == 0) | (mask == 255)).all():
        yield f"{name}: has other values than 0 and 255"
