"""What is found in the best frame is followed forwards and backwards; streams and windows agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from systems.tiny_detectors_and_trackers import tiny_sam2_video
from systems.windows import make_batch
from torch import Tensor, nn

from refsam_zoo.commands.segment import segment
from refsam_zoo.errors import InputError
from refsam_zoo.systems.base import Found, VideoSegmenter
from refsam_zoo.systems.corrections import Correction, no_points
from refsam_zoo.systems.find_then_track import find_then_track
from refsam_zoo.systems.sam2_session import TrackedFrame
from refsam_zoo.types import VideoSource

BEST, BACK, LENGTH = 4, 3, 7
SENTENCES = ["the red square", "the star"]


class Red(VideoSegmenter[int]):
    """Marks what is red; its score is the share of the picture. For the second sentence it finds nothing."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(1, 1))

    def start(self, expressions: Sequence[str]) -> int:
        return len(expressions)

    def segment(self, images: Tensor, track: int) -> Iterator[Found]:
        for image in images:
            mask = image[0] > image[1].int() + 150
            masks = torch.stack([mask, *[torch.zeros_like(mask)] * (track - 1)])
            yield Found(masks, torch.stack([mask.float().mean(), *[torch.tensor(0.01)] * (track - 1)]))


def video() -> np.ndarray:
    """A red square that is largest in the frame `BEST`, and is not there in the first."""
    frames = np.random.default_rng(0).integers(0, 100, (LENGTH, 40, 56, 3), dtype=np.uint8)
    for index, side in enumerate([0, 6, 8, 10, 16, 30, 12]):  # the one of 30 is in no frame that is looked at
        frames[index, 5 : 5 + side, 3 + index : 3 + index + side] = (250, 20, 20)
    return frames


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tracker")
    tiny_sam2_video(folder)
    return folder


@pytest.fixture(scope="module")
def system(tracker: Path) -> find_then_track:
    return find_then_track(Red(), tracker, every=2, looks=4, back=BACK)


def masks_of(system: VideoSegmenter[Any], frames: Any) -> np.ndarray:
    return np.stack([found.masks for found in system.stream(frames, SENTENCES)], 1)


@torch.inference_mode()
def followed(system: find_then_track, order: Sequence[int]) -> dict[int, np.ndarray]:
    """The tracker alone, from the red of the first of some frames through the others."""
    frames = [TrackedFrame(system.tracker, torch.from_numpy(video()[index]).permute(2, 0, 1)) for index in order]
    mask = next(iter(Red().segment(frames[0].image[None], 1))).masks[0]
    target = system.tracker.begin(frames[0], Correction(*no_points(), mask=mask.numpy()), torch.tensor(1.0))
    masks = {order[0]: target.mask.numpy()}
    for index, frame in zip(order[1:], frames[1:], strict=True):
        system.tracker.follow(frame, target)
        masks[index] = target.mask.numpy()
    return masks


def test_the_best_frame_is_followed_both_ways(system: find_then_track) -> None:
    found = masks_of(system, video())[0]
    expected = followed(system, range(BEST, BEST - BACK - 1, -1)) | followed(system, range(BEST, LENGTH))
    assert set(expected) == set(range(1, LENGTH))
    for index, mask in expected.items():
        np.testing.assert_array_equal(found[index], mask)
    assert not found[0].any()  # too far back, and nothing was found by then
    assert np.array_equal(found[BEST], (video()[BEST, ..., 0] > 150))


def test_what_is_found_nowhere_stays_empty(system: find_then_track) -> None:
    frames = list(system.stream(video(), SENTENCES))
    assert not any(frame.masks[1].any() for frame in frames)
    assert [round(float(frame.scores[1]), 4) for frame in frames] == [0.01] * LENGTH


@pytest.mark.parametrize("at", [BEST - 2, BEST])
def test_what_is_shown_counts_more_than_what_is_followed_backwards_or_found_later(
    system: find_then_track, at: int
) -> None:
    frames = torch.from_numpy(video()).permute(0, 3, 1, 2)
    with torch.inference_mode():
        track = system.start(SENTENCES)
        system.watch(video(), track)
        before = [found.masks[0] for found in system.segment(frames[: at + 1], track)]
        mask = np.zeros((40, 56), bool)
        mask[20:36, 30:50] = True
        corrected = system.correct(frames[at : at + 1], track, 0, Correction(*no_points(), mask=mask))
        later = [found.masks[0] for found in system.segment(frames[at + 1 :], track)]
    expected = masks_of(system, video())[0]
    np.testing.assert_array_equal(torch.stack(before), expected[: at + 1])
    np.testing.assert_array_equal(corrected.masks[0], mask)
    assert corrected.scores.shape == (1,)
    assert all((mask.numpy() != other).any() for mask, other in zip(later, expected[at + 1 :], strict=True))


def test_without_watching_the_best_so_far_is_followed(tracker: Path) -> None:
    system = find_then_track(Red(), tracker, every=2, looks=4, back=0)
    found = masks_of(system, iter(video()))[0]
    assert not found[:2].any()
    for index, mask in (followed(system, [2, 3]) | followed(system, range(BEST, LENGTH))).items():
        np.testing.assert_array_equal(found[index], mask)


def test_windows_of_a_data_set_have_the_masks_of_the_stream(system: find_then_track, tmp_path: Path) -> None:
    for index, frame in enumerate(video()):
        Image.fromarray(frame).save(tmp_path / f"{index:05d}.png")
    state, parts = None, []
    for start in range(0, LENGTH, 3):
        batch = make_batch([video()[start : start + 3]], [SENTENCES], first=start == 0)
        names = tuple(f"{index:05d}" for index in range(LENGTH))
        clip = batch.clips[0]
        clip.referrals = tuple(replace(r, source=VideoSource(tmp_path), frames=names) for r in clip.referrals)
        found, state = system.window(batch, state)
        parts.append(found.masks)
    np.testing.assert_array_equal(torch.cat(parts, 1), masks_of(system, video()))


def test_what_is_kept_does_not_grow_with_the_video(system: find_then_track) -> None:
    track = system.start(SENTENCES)
    system.watch(np.concatenate([video()] * 4), track)
    assert sorted(track.targets[0].earlier) == list(range(BEST - BACK, BEST))
    assert sorted(track.seen) == [0, 2, 4, 6]


def test_frames_that_come_once_are_refused(system: find_then_track) -> None:
    with pytest.raises(InputError, match=r"sees a video twice.*back=0"):
        next(system.stream(iter(video()), SENTENCES))


def test_no_finder_is_said_in_a_line(tracker: Path) -> None:
    with pytest.raises(InputError, match="no finder given"):
        find_then_track(tracker=tracker)


def test_segment_reads_a_video_twice(system: find_then_track, tmp_path: Path) -> None:
    (tmp_path / "video").mkdir()
    for index, frame in enumerate(video()):
        Image.fromarray(frame).save(tmp_path / "video" / f"{index:05d}.png")
    options = {"system": system, "device": "cpu", "precision": "32-true", "quiet": True}
    segment(tmp_path / "video", SENTENCES, output=tmp_path / "out", save="masks", start="1f", **options)
    found = [
        np.array(Image.open(file)) > 0 for file in sorted((tmp_path / "out" / "masks" / "video" / "1").glob("*.png"))
    ]
    np.testing.assert_array_equal(found, masks_of(system, video()[1:])[0])
