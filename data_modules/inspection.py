"""`refsam-zoo inspect`: reads every file of a data set once and says what is there and what is wrong."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refsam_zoo.data_modules.annotations import collect_problems, separately
from refsam_zoo.data_modules.clips import group_by_video
from refsam_zoo.data_modules.contact_sheets import draw_contact_sheet
from refsam_zoo.data_modules.parallel import Processes, progress
from refsam_zoo.data_modules.recognition import recognise
from refsam_zoo.errors import InputError
from refsam_zoo.output_files import write_whole
from refsam_zoo.types import MaskSource, Referral
from refsam_zoo.video.frame_folder import SUFFIXES
from refsam_zoo.video.masks import read_masks
from refsam_zoo.video.readers import VideoReader, open_video

Video = tuple[Referral, ...]
ROWS = 6
"""Videos on a contact sheet."""


@dataclass(frozen=True)
class VideoFinding:
    """What reading a whole video showed.

    Attributes:
        size: Height and width, None where no frame could be read.
        areas: For each referral with ground truth the mean share of the frame that its target covers, nan where no mask
            could be read.
        problems: Broken and missing files, a line each.
        sound: Whether every frame and mask is there and can be read.
    """

    size: tuple[int, int] | None
    areas: tuple[float, ...]
    problems: tuple[str, ...]
    sound: bool


def inspect(
    root: str | Path, contact_sheet: str | Path = Path("contact_sheet.png"), workers: int | None = None
) -> None:
    """Checks a data set: counts, statistics, a contact sheet, and every broken or missing file.

    The data set is recognised from the tree. Every annotated frame and mask is decoded.

    Args:
        root: Folder of the data set.
        contact_sheet: The PNG to write, in place of an earlier one.
        workers: Processes; as many as there are processor cores if not given.

    Raises:
        InputError: The data set is not known or anything in it is wrong.
    """
    data_set = recognise(Path(root))
    print(f"{data_set.data_module.__name__} in {root}")
    problems: dict[str, None] = {}
    sound: list[Video] = []
    with Processes(os.cpu_count() or 1 if workers is None else workers) as processes:
        for split, parse in data_set.splits.items():
            referrals: list[Referral] = []
            with collect_problems() as wrong, separately():
                referrals = parse()
            videos = group_by_video(referrals)
            results = processes.map(inspect_video, videos, _crash)
            findings = list(progress(results, split, len(videos), "video"))
            found = dict.fromkeys([*wrong, *(line for finding in findings for line in finding.problems)])
            print("\n".join([f"\n{split}", *describe(videos, findings), f"  problems     {len(found)}"]))
            sound += [video for video, finding in zip(videos, findings, strict=True) if finding.sound]
            problems |= found
    _write_contact_sheet(sound, Path(contact_sheet))
    print("\n".join(["", *problems]) if problems else "\nevery file is there and can be read")
    if problems:
        raise InputError(f"{root}: {len(problems)} broken or missing, each named above")


def inspect_video(referrals: Video) -> VideoFinding:
    """Reads every frame and mask of a video that is there; the parser has named missing frames already.

    Args:
        referrals: All to the same frames of the same video.
    """
    problems: dict[str, None] = {}
    first = referrals[0]
    positions = [position for position in range(len(first.frames)) if _is_there(first, position)]
    size: tuple[int, int] | None = None
    with _noting(problems):
        if positions:
            with open_video(first.source, [first.frames[position] for position in positions]) as video:
                size = _read_frames(video, problems)
    if size is None:
        return VideoFinding(None, (), tuple(problems), sound=False)
    masks = [referral.masks for referral in referrals if referral.masks is not None]
    areas = np.array([_read_areas(masks, position, size, problems) for position in positions])
    readable = ~np.isnan(areas)
    means = np.where(readable, areas, 0).sum(axis=0) / np.where(readable.any(axis=0), readable.sum(axis=0), np.nan)
    sound = not problems and len(positions) == len(first.frames)
    return VideoFinding(size, tuple(means.tolist()), tuple(problems), sound)


def _crash(referrals: Video) -> VideoFinding:
    """What is known of a video whose files ended the process that read them."""
    source = referrals[0].source.path
    return VideoFinding(
        None, (), (f"{source}: reading it or the masks of {referrals[0].video_id} crashes",), sound=False
    )


@contextmanager
def _noting(problems: dict[str, None]) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        problems[str(error)] = None


def _is_there(referral: Referral, position: int) -> bool:
    folder = referral.source.path
    names = (f"{referral.frames[position]}{suffix}" for suffix in SUFFIXES)
    return not folder.is_dir() or any((folder / name).is_file() for name in names)


def _read_frames(video: VideoReader, problems: dict[str, None]) -> tuple[int, int] | None:
    size = None
    for number in range(len(video)):
        with _noting(problems):
            height, width, _ = video.read([number])[0].shape
            size = (height, width)
    return size


def _read_areas(
    masks: Sequence[MaskSource], position: int, size: tuple[int, int], problems: dict[str, None]
) -> list[float]:
    """Share of a frame that each target covers, nan where its mask cannot be read."""
    try:
        # together, since they may share files; one by one only to find out which are wrong
        return read_masks(masks, [position], size).mean(axis=(1, 2, 3)).tolist()
    except InputError:
        areas = [float("nan")] * len(masks)
        for number, mask in enumerate(masks):
            with _noting(problems):
                areas[number] = float(mask.read([position], size).mean())
        return areas


def describe(videos: Sequence[Video], findings: Sequence[VideoFinding]) -> list[str]:
    """Statistics of a split, a line each."""
    referrals = [referral for video in videos for referral in video]
    sentences = [referral.expression.split() for referral in referrals]
    sizes = Counter(f"{finding.size[0]}x{finding.size[1]}" for finding in findings if finding.size)
    objects = Counter(min(2, len(referral.object_ids)) for referral in referrals if referral.masks is not None)
    areas = np.array([area for finding in findings for area in finding.areas if area == area])
    kinds = Counter(f"{key} {value}" for referral in referrals for key, value in referral.tags.items())
    lines = {
        "videos": f"{len({referral.video_id for referral in referrals})}",
        "frames": _spread([len(video[0].frames) for video in videos], "video"),
        "sizes": _commonest(sizes, 4),
        "expressions": _spread([len(video) for video in videos], "video"),
        "words": f"{_spread([len(words) for words in sentences], 'expression')}; "
        f"{len({word.lower().strip('.,;:!?') for words in sentences for word in words})} different",
        "objects": f"none {objects[0]}, one {objects[1]}, more {objects[2]} (expressions with ground truth)",
        "targets": f"{np.median(areas):.1%} of the frame (median); {int((areas == 0).sum())} of {len(areas)} never show"
        if len(areas)
        else "no ground truth",
        "tags": _commonest(kinds, 12),
    }
    return [f"  {name:<12} {text}" for name, text in lines.items() if text]


def _spread(counts: Sequence[int], each: str) -> str:
    if not counts:
        return "0"
    return f"{sum(counts)}; {min(counts)} to {max(counts)} per {each}, median {int(np.median(counts))}"


def _commonest(counts: Counter[str], shown: int) -> str:
    parts = [f"{name} ({count})" for name, count in counts.most_common(shown)]
    return ", ".join(parts + ([f"{len(counts) - shown} others"] if len(counts) > shown else []))


def _write_contact_sheet(videos: Sequence[Video], file: Path) -> None:
    if not videos:
        return
    chosen = np.unique(np.linspace(0, len(videos) - 1, ROWS).round().astype(int))
    write_whole(file, draw_contact_sheet([videos[index] for index in chosen]))
    print(f"\nwrote {file}")
