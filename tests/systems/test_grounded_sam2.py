from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from systems.noise import noise
from systems.tiny_detectors_and_trackers import DETECTORS, TRACKERS

from refsam_zoo.errors import InputError
from refsam_zoo.systems import FrameMasks
from refsam_zoo.systems.corrections import Correction, no_points
from refsam_zoo.systems.grounded_sam2 import grounded_sam2
from refsam_zoo.systems.sam2_session import TrackedFrame

SENTENCE = "the red square"
Make = Callable[..., grounded_sam2]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {}
    for name, write in {**DETECTORS, **TRACKERS}.items():
        made[name] = tmp_path_factory.mktemp(name)
        write(made[name])
    return made


@pytest.fixture(scope="module")
def make(folders: dict[str, Path]) -> Make:
    def made(detector: str = "grounding-dino", tracker: str = "sam2_video", **options: Any) -> grounded_sam2:
        return grounded_sam2(folders[detector], folders[tracker], **options)

    return made


def video(*numbers: int) -> np.ndarray:
    return torch.stack([noise(number) for number in numbers]).permute(0, 2, 3, 1).numpy()


def run(system: grounded_sam2, frames: np.ndarray, *sentences: str) -> list[FrameMasks]:
    return list(system.stream(frames, sentences or [SENTENCE]))


@torch.inference_mode()
def best_score(system: grounded_sam2, number: int) -> float:
    """Score of the best box in the frame of a number."""
    [found] = system.detector.find(noise(number), [system.detector.encode(SENTENCE)])
    return found.scores[0].item()


def ordered(system: grounded_sam2, numbers: range = range(8)) -> list[int]:
    """Frames by the score of their best box, the worst first."""
    return sorted(numbers, key=lambda number: best_score(system, number))


def looks(system: grounded_sam2, frames: np.ndarray, *sentences: str) -> list[int]:
    """In which frames the detector is asked, and for how many sentences."""
    asked: list[int] = []
    find = system.detector.find
    system.detector.find = lambda image, encoded: asked.append(len(encoded)) or find(image, encoded)
    counts = []
    for _ in system.stream(frames, sentences or [SENTENCE]):
        counts.append(sum(asked))
        asked.clear()
    system.detector.find = find
    return counts


@torch.inference_mode()
def followed_alone(system: grounded_sam2, numbers: list[int], rank: int = 0) -> list[np.ndarray]:
    """What the tracker makes of the detector's box of a rank in the first frame."""
    [found] = system.detector.find(noise(numbers[0]), [system.detector.encode(SENTENCE)])
    shown = Correction(*no_points(), box=found.boxes[rank].numpy())
    followed = system.tracker.begin(TrackedFrame(system.tracker, noise(numbers[0])), shown, torch.ones(()))
    masks = [followed.mask.numpy()]
    for number in numbers[1:]:
        system.tracker.follow(TrackedFrame(system.tracker, noise(number)), followed)
        masks.append(followed.mask.numpy())
    return masks


@pytest.mark.parametrize("tracker", sorted(TRACKERS))
@pytest.mark.parametrize("detector", sorted(DETECTORS))
def test_the_best_box_is_followed(make: Make, detector: str, tracker: str) -> None:
    system = make(detector, tracker, box_threshold=0.0)
    found = run(system, video(0, 1, 2))
    expected = followed_alone(system, [0, 1, 2])
    np.testing.assert_array_equal([frame.masks[0] for frame in found], expected)
    assert any(0 < mask.mean() < 1 for mask in expected)
    assert all(0 < frame.scores[0] < best_score(system, 0) for frame in found)


@pytest.mark.parametrize("detector", sorted(DETECTORS))
def test_a_target_that_enters_late_is_found_at_the_next_look(make: Make, detector: str) -> None:
    system = make(detector, every=3)
    *_, without, with_it = ordered(system)
    system.box_threshold = (best_score(system, without) + best_score(system, with_it)) / 2
    numbers = [without] * 4 + [with_it] * 5
    found = run(system, video(*numbers))
    assert [frame.masks[0].any() for frame in found] == [False] * 6 + [True] * 3
    np.testing.assert_array_equal([frame.masks[0] for frame in found[6:]], followed_alone(system, numbers[6:]))
    np.testing.assert_allclose([frame.scores[0] for frame in found[:6]], best_score(system, without), atol=1e-6)
    assert not np.any([frame.masks for frame in run(make(detector, schedule="first", box_threshold=1.0), video(0, 1))])


def test_a_lost_target_is_looked_for_again(make: Make) -> None:
    system = make(every=2, box_threshold=0.0)
    scores = system.tracker.model.mask_decoder.pred_obj_score_head.proj_out.bias
    logits: list[float] = []
    handle = system.tracker.model.register_forward_hook(
        lambda _, __, output: logits.append(output.object_score_logits.item())
    )
    run(system, video(0, 1))
    handle.remove()
    assert logits[0] > logits[1]
    scores.data -= (logits[0] + logits[1]) / 2  # what a box shows is seen, what is followed is lost at once
    found = run(system, video(0, 1, 2, 3, 4, 5))
    assert [frame.masks[0].any() for frame in found] == [True, False] * 3
    assert all(frame.scores[0] > 0 for frame in found)
    assert looks(system, video(0, 1, 2, 3, 4, 5)) == [1, 0] * 3


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("first", [1, 0, 0, 0, 0, 0, 0]), ("every", [1, 0, 0, 1, 0, 0, 1]), ("best", [1, 1, 1, 1, 0, 0, 1])],
)
def test_the_detector_looks_where_the_schedule_says(make: Make, schedule: Any, expected: list[int]) -> None:
    system = make(schedule=schedule, every=3, box_threshold=1.0)
    assert looks(system, video(*range(7))) == expected
    assert looks(system, video(*range(7)), SENTENCE, "the star") == [2 * count for count in expected]


def test_what_is_in_sight_is_not_looked_for(make: Make) -> None:
    assert looks(make(every=2, box_threshold=0.0), video(*range(6))) == [1, 0, 0, 0, 0, 0]


def test_the_best_of_the_first_frames_counts(make: Make) -> None:
    system = make(schedule="best", every=3, box_threshold=0.0)
    worst, *_, good, best = ordered(system)
    numbers = [good, best, worst, 0, 1]
    masks = [frame.masks[0] for frame in run(system, video(*numbers))]
    np.testing.assert_array_equal(masks[0], followed_alone(system, numbers[:1])[0])
    np.testing.assert_array_equal(masks[1:], followed_alone(system, numbers[1:]))
    falling = [best, good, worst, 0]
    np.testing.assert_array_equal(
        [frame.masks[0] for frame in run(system, video(*falling))], followed_alone(system, falling)
    )


def test_a_score_below_the_threshold_is_the_best_that_was_seen(make: Make) -> None:
    system = make(schedule="best", every=3, box_threshold=1.0)
    worst, *_, best = ordered(system)
    scores = [frame.scores[0] for frame in run(system, video(worst, best, worst))]
    np.testing.assert_allclose(scores, [best_score(system, number) for number in (worst, best, best)], atol=1e-6)


def test_several_objects_are_joined(make: Make) -> None:
    system = make(schedule="first", box_threshold=0.0, objects=3, tracker="edgetam_video")
    track = system.start([SENTENCE])
    with torch.inference_mode():
        found = list(system.segment(torch.stack([noise(0), noise(1)]), track))
    objects = track.targets[0].objects
    assert len(objects) == 3
    for step in (0, 1):
        single = make(schedule="first", box_threshold=0.0, tracker="edgetam_video")
        assert found[step].masks[0].sum() >= run(single, video(0, 1))[step].masks[0].sum()
    assert torch.equal(found[1].masks[0], torch.stack([followed.mask for followed in objects]).any(0))
    assert found[1].scores[0] == max(followed.score * followed.presence for followed in objects)


def test_boxes_of_the_same_object_count_once(make: Make) -> None:
    system = make(box_threshold=0.0, objects=50)
    with torch.inference_mode():
        [boxes] = system.detector.find(noise(0), [system.detector.encode(SENTENCE)])
        track = system.start([SENTENCE])
        list(system.segment(noise(0)[None], track))
    begun = len(track.targets[0].objects)
    assert 1 < begun < len(boxes.boxes)


def test_each_frame_is_encoded_once_by_each_model(make: Make) -> None:
    system = make(schedule="best", every=3, box_threshold=0.0, objects=2)
    encoded: list[str] = []
    for name, part in (("detector", system.detector.image_encoder), ("tracker", system.tracker.model.vision_encoder)):
        part.register_forward_hook(lambda *_, name=name: encoded.append(name))
    run(system, video(*range(5)), SENTENCE, "the star", "a dog")
    assert encoded.count("tracker") == 5
    assert encoded.count("detector") == 3


def test_where_nothing_is_followed_the_tracker_does_nothing(make: Make) -> None:
    system = make(box_threshold=1.0)
    encoded: list[int] = []
    system.tracker.model.vision_encoder.register_forward_hook(lambda *_: encoded.append(1))
    assert not any(frame.masks.any() for frame in run(system, video(0, 1, 2)))
    assert not encoded


@pytest.mark.parametrize("schedule", ["every", "best"])
def test_masks_do_not_wait_for_later_frames(make: Make, schedule: Any) -> None:
    system = make(schedule=schedule, every=4, box_threshold=0.0)
    whole = run(system, video(*range(6)))
    for length in (1, 3):
        for frame, expected in zip(run(system, video(*range(length))), whole, strict=False):
            np.testing.assert_array_equal(frame.masks, expected.masks)


def test_detector_and_tracker_swapped(folders: dict[str, Path]) -> None:
    detector, tracker = folders["grounding-dino"], folders["sam2_video"]
    with pytest.raises(InputError, match=r"'sam2_video', but the detector .* is for the tracker of system grounded"):
        grounded_sam2(tracker, detector)
    with pytest.raises(InputError, match=r"'owlv2', but the tracker .* is for the detector of system grounded_sam2"):
        grounded_sam2(detector, folders["owlv2"])


def test_nothing_given_names_the_published_files(folders: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"no detector given: .*IDEA-Research/grounding-dino-tiny .*0.7 GB"):
        grounded_sam2(tracker=folders["sam2_video"])
    with pytest.raises(InputError, match=r"no tracker given: .*facebook/sam2.1-hiera-tiny .*0.2 GB"):
        grounded_sam2(folders["owlv2"])


@pytest.mark.parametrize(("role", "name"), [("detector", "grounding-dino"), ("tracker", "sam2_video")])
def test_half_a_download(folders: dict[str, Path], tmp_path: Path, role: str, name: str) -> None:
    given = {"detector": folders["grounding-dino"], "tracker": folders["sam2_video"]}
    given[role] = shutil.copytree(folders[name], tmp_path / "half")
    weights = given[role] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:10000])
    with pytest.raises(InputError, match=r"half.model\.safetensors: not a complete safetensors file"):
        grounded_sam2(**given)
    shutil.copy(folders[name] / "model.safetensors", weights)
    (given[role] / "processor_config.json").unlink()
    with pytest.raises(InputError, match=r"half: cannot read the .*processor files"):
        grounded_sam2(**given)
