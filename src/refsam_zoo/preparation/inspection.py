"""Reads every file of a data set once and says what is there and what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refsam_zoo.annotations.files import collect_problems, separately
from refsam_zoo.clips.reading import group_by_video
from refsam_zoo.data_modules.base import ReferringDataModule
from refsam_zoo.data_modules.recognition import recognise
from refsam_zoo.errors import InputError
from refsam_zoo.output_files import write_whole
from refsam_zoo.preparation.contact_sheets import Fault, draw_contact_sheet
from refsam_zoo.preparation.parallel import Processes, progress, workers_that_pay
from refsam_zoo.types import MaskSource, Referral
from refsam_zoo.video.base import VideoReader
from refsam_zoo.video.frame_folder import FrameFolderReader
from refsam_zoo.video.masks import read_masks
from refsam_zoo.video.readers import open_video

Video = tuple[Referral, ...]
SHOWN = 6
"""Videos on a contact sheet."""


@dataclass(frozen=True)
class VideoFinding:
    """What reading a whole video showed.

    Attributes:
        size: Height and width, None where no frame could be read.
        areas: For each referral with ground truth the mean share of the frame that its target covers, nan where no mask
            could be read.
        problems: Broken files, a line each.
        missing: Pictures that are not there.
        faults: For each referral the first frame or mask that is broken or missing, None where all could be read.
    """

    size: tuple[int, int] | None
    areas: tuple[float, ...]
    problems: tuple[str, ...]
    missing: tuple[Path, ...]
    faults: tuple[Fault | None, ...]


def inspect_data_set(root: str | Path, contact_sheet: str | Path, workers: int | None = None) -> Iterator[str]:
    """Reads every annotated frame and mask of a data set and draws a contact sheet.

    Args:
        root: Folder of the data set, recognised from its tree.
        contact_sheet: The PNG to write, in place of an earlier one.
        workers: Processes; None takes one for each processor core where starting them pays.

    Yields:
        What was found, a paragraph as soon as it is known.

    Raises:
        InputError: The data set is not known or anything in it is wrong.
    """
    data_set = recognise(Path(root))
    yield f"{data_set.data_module.__name__} in {root}"
    problems: dict[str, None] = {}
    splits = {split: _parse(parse) for split, parse in data_set.splits.items()}
    every_video = [video for videos, _ in splits.values() for video in videos]
    every_finding: list[VideoFinding] = []
    pictures = sum(len(video[0].frames) for video in every_video)
    with Processes(workers_that_pay(pictures) if workers is None else workers) as processes:
        for split, (videos, wrong) in splits.items():
            findings = list(progress(processes.map(inspect_video, videos, _crash), split, len(videos), "video"))
            found = dict.fromkeys([*wrong, *_found_by_reading(findings, wrong)])
            yield "\n".join([f"\n{split}", *describe(videos, findings), f"  problems     {len(found)}"])
            every_finding += findings
            problems |= found
    if every_video:
        _write_contact_sheet(every_video, every_finding, Path(contact_sheet))
        yield f"\nwrote {Path(contact_sheet)}"
    if problems:
        yield "\n".join(["", *problems])
        raise InputError(f"{root}: {len(problems)} broken or missing, each named above")
    if not every_video:
        raise InputError(f"{root}: there is not a single expression in it")
    yield "\n".join(["", *_refusals(data_set.data_module, Path(root)), "every file is there and can be read"])


def _parse(parse: Callable[[], list[Referral]]) -> tuple[list[Video], list[str]]:
    """The videos of a split, and what is wrong with its annotations."""
    videos: list[Video] = []
    with collect_problems() as wrong, separately():
        videos = group_by_video(parse())
    return videos, wrong


def inspect_video(referrals: Video) -> VideoFinding:
    """Reads every frame and mask of a video.

    Args:
        referrals: All to the same frames of the same video.
    """
    problems: dict[str, None] = {}
    missing: dict[int, Path] = {}
    size: tuple[int, int] | None = None
    unread = [0]
    with _noting(problems), open_video(referrals[0].source, referrals[0].frames) as video:
        if isinstance(video, FrameFolderReader):
            missing = {position: video.files[position] for position in video.missing}
        size, unread = _read_frames(video, missing, problems)
    if size is None:
        fault = Fault(unread[0], in_mask=False)
        return VideoFinding(None, (), tuple(problems), tuple(missing.values()), (fault,) * len(referrals))
    masks = [referral.masks for referral in referrals if referral.masks is not None]
    areas = np.array([_read_areas(masks, position, size, problems) for position in range(len(referrals[0].frames))])
    readable = ~np.isnan(areas)
    means = np.where(readable, areas, 0).sum(axis=0) / np.where(readable.any(axis=0), readable.sum(axis=0), np.nan)
    columns = iter(readable.T)
    faults = [_fault(unread, None if referral.masks is None else next(columns)) for referral in referrals]
    return VideoFinding(size, tuple(means.tolist()), tuple(problems), tuple(missing.values()), tuple(faults))


def _crash(referrals: Video) -> VideoFinding:
    """What is known of a video whose files ended the process that read them."""
    source = referrals[0].source.path
    problem = f"{source}: reading it or the masks of {referrals[0].video_id} crashes"
    return VideoFinding(None, (), (problem,), (), (Fault(0, in_mask=False),) * len(referrals))


def _fault(unread: list[int], readable: np.ndarray | None) -> Fault | None:
    """The first frame that was not read, or else the first mask (bool `[T]`, True where it could be read)."""
    if unread:
        return Fault(unread[0], in_mask=False)
    if readable is None or readable.all():
        return None
    return Fault(int(np.argmin(readable)), in_mask=True)


@contextmanager
def _noting(problems: dict[str, None], start: str = "") -> Iterator[None]:
    try:
        yield
    except InputError as error:
        problems[f"{start}{error}"] = None


def _read_frames(
    video: VideoReader, missing: Mapping[int, Path], problems: dict[str, None]
) -> tuple[tuple[int, int] | None, list[int]]:
    """Size of the frames, and the positions of those that cannot be read or are missing."""
    size, unread = None, set(range(len(video)))
    for position in range(len(video)):
        if position not in missing:
            with _noting(problems):
                height, width, _ = video.read([position])[0].shape
                size = (height, width)
                unread.remove(position)
    return size, sorted(unread)


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


def _found_by_reading(findings: Sequence[VideoFinding], wrong: Sequence[str]) -> Iterator[str]:
    """What is wrong with the files, less the missing frames that the parser has named together with their entry."""
    named = {line.rpartition(": ")[2] for line in wrong}
    for finding in findings:
        for file in finding.missing:
            if not named & {str(file), f"frame {file.stem} is missing in {file.parent}"}:
                yield f"{file}: the frame is missing"
        yield from finding.problems


def _refusals(data_module: type[ReferringDataModule], root: Path) -> list[str]:
    """What each command would say that does not run with the default options, though all files are there."""
    refusals: dict[str, None] = {}
    for command in ("fit", "test", "predict"):
        with _noting(refusals, f"{command} would refuse it: "):
            data_module.of_folder(root).setup(command)
    return list(refusals)


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
        "scored": _scored(referrals),
        "in no mask": _in_no_mask(videos, findings),
        "tags": _commonest(kinds, 12),
    }
    return [f"  {name:<12} {text}" for name, text in lines.items() if text]


def _scored(referrals: Sequence[Referral]) -> str:
    """Says how much ground truth there is where it is not there for every frame; empty if it is."""
    partly = [referral for referral in referrals if referral.scored is not None]
    if not partly:
        return ""
    scored, asked = sum(len(each.scored or ()) for each in partly), sum(len(each.frames) for each in partly)
    nothing = sum(not each.scored for each in partly)
    return f"{scored} of {asked} masks have ground truth; {nothing} of {len(partly)} expressions have none at all"


def _in_no_mask(videos: Sequence[Video], findings: Sequence[VideoFinding]) -> str:
    """Says which expressions name objects of which no mask shows a pixel, as after a wrong id; empty if none does."""
    unseen = [
        referral
        for video, finding in zip(videos, findings, strict=True)
        for referral, area in zip((one for one in video if one.masks is not None), finding.areas, strict=False)
        if area == 0 and referral.object_ids
    ]
    if not unseen:
        return ""
    first = unseen[0]
    return f"the objects of {len(unseen)} expressions, the first: '{first.expression}' of {first.video_id}"


def _spread(counts: Sequence[int], each: str) -> str:
    if not counts:
        return "0"
    return f"{sum(counts)}; {min(counts)} to {max(counts)} per {each}, median {int(np.median(counts))}"


def _commonest(counts: Counter[str], shown: int) -> str:
    parts = [f"{name} ({count})" for name, count in counts.most_common(shown)]
    return ", ".join(parts + ([f"{len(counts) - shown} others"] if len(counts) > shown else []))


def _write_contact_sheet(videos: Sequence[Video], findings: Sequence[VideoFinding], file: Path) -> None:
    chosen = _spread_over([any(finding.faults) for finding in findings])
    content = draw_contact_sheet(
        [videos[index] for index in chosen], faults=[findings[index].faults for index in chosen]
    )
    write_whole(file, content)


def _spread_over(faulty: Sequence[bool]) -> list[int]:
    """Places of the videos to show, spread over all; up to half of them have faults, more where too few are sound."""
    places: dict[bool, np.ndarray] = {kind: np.flatnonzero(np.array(faulty) == kind) for kind in (False, True)}
    with_faults = min(len(places[True]), max(SHOWN // 2, SHOWN - len(places[False])))
    shares = ((places[True], with_faults), (places[False], min(len(places[False]), SHOWN - with_faults)))
    return sorted(int(place) for there, count in shares for place in there[_evenly(len(there), count)])


def _evenly(length: int, count: int) -> np.ndarray:
    return np.linspace(0, length - 1, count).round().astype(int)
