from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from systems.noise import noise
from systems.tiny_detectors_and_trackers import TRACKERS
from systems.tiny_folders import tiny_sam3
from torch import Tensor

from refsam_zoo.systems.corrections import Correction
from refsam_zoo.systems.sam2_session import BoxTracker, FollowedObject, TrackedFrame
from refsam_zoo.systems.sam3 import sam3

SIZE = (40, 60)
BOX, OTHER = Correction.of(SIZE, box=[10, 5, 40, 30]), Correction.of(SIZE, box=[30, 20, 58, 38])
MASK = np.zeros(SIZE, bool)
MASK[8:30, 20:50] = True
CORRECTIONS: dict[str, tuple[int, Correction, dict[str, Any]]] = {
    "a click": (9, Correction.of(SIZE, [[30, 20]]), {"input_points": [[[[30, 20]]]], "input_labels": [[[1]]]}),
    "two clicks": (
        18,
        Correction.of(SIZE, [[30, 20], [5, 5]], [1, 0]),
        {"input_points": [[[[30, 20], [5, 5]]]], "input_labels": [[[1, 0]]]},
    ),
    "a box and a click": (
        3,
        Correction.of(SIZE, [[30, 20]], box=[12, 8, 50, 35]),
        {"input_points": [[[[30, 20]]]], "input_labels": [[[1]]], "input_boxes": [[[12, 8, 50, 35]]]},
    ),
    "a mask": (9, Correction.of(SIZE, mask=MASK), {"input_masks": MASK}),
    "a click in the first frame": (
        0,
        Correction.of(SIZE, [[30, 20]]),
        {"input_points": [[[[30, 20]]]], "input_labels": [[[1]]]},
    ),
}
"""What is shown -> the frame, ours, and what the package is told."""
SURE = torch.tensor(0.9)


@pytest.fixture(scope="module", params=sorted(TRACKERS))
def tracker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> BoxTracker:
    folder = tmp_path_factory.mktemp(request.param)
    TRACKERS[request.param](folder)
    return BoxTracker.read(folder)


@torch.inference_mode()
def follow(tracker: BoxTracker, frames: list[Tensor], *boxes: Correction) -> Iterator[list[FollowedObject]]:
    """Follows all boxes from the first frame on."""
    first = TrackedFrame(tracker, frames[0])
    under_way = [tracker.begin(first, box, SURE) for box in boxes]
    yield under_way
    for image in frames[1:]:
        frame = TrackedFrame(tracker, image)
        for followed in under_way:
            tracker.follow(frame, followed)
        yield under_way


@torch.inference_mode()
def package_logits(
    tracker: BoxTracker, frames: list[Tensor], box: Correction, at: int = -1, **shown: Any
) -> list[Tensor]:
    """What the package's own session gives, which keeps everything; in the frame `at` something is shown afterwards."""
    assert box.box is not None
    session = tracker.processor.init_video_session()
    tracker.processor.add_inputs_to_inference_session(
        session, frame_idx=0, obj_ids=1, input_boxes=[[box.box.tolist()]], original_size=frames[0].shape[1:]
    )
    found = []
    for number, image in enumerate(frames):
        pixels = tracker.processor.video_processor(videos=image[None], return_tensors="pt")["pixel_values_videos"][0, 0]
        if tracker.model.vision_encoder is None:  # SAM 3's, which its detector has
            maps, positions = tracker.encode(pixels[None])
            session.cache.cache_vision_features(number, {"vision_feats": maps, "vision_pos_embeds": positions})
        found.append(tracker.model(session, frame=pixels).pred_masks)
        if number == at:
            tracker.processor.add_inputs_to_inference_session(
                session, frame_idx=at, obj_ids=1, original_size=frames[0].shape[1:], **shown
            )
            found[-1] = tracker.model(session, frame=pixels, frame_idx=at).pred_masks
    return found


def held(value: Any) -> int:
    """Bytes of the tensors that are reached from a value."""
    if isinstance(value, Tensor):
        return value.untyped_storage().nbytes()
    if isinstance(value, dict):
        return sum(map(held, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(held, value))
    return held(vars(value)) if hasattr(value, "__dict__") else 0


def test_masks_of_100_frames_are_the_packages_bit_for_bit(tracker: BoxTracker) -> None:
    frames = [noise(number) for number in range(100)]
    expected = package_logits(tracker, frames, BOX)
    given: list[Tensor] = []
    handle = tracker.model.register_forward_hook(lambda _, __, output: given.append(output.pred_masks))
    masks = [objects[0].mask for objects in follow(tracker, frames, BOX)]
    handle.remove()
    assert all(map(torch.equal, given, expected))
    for mask, logits in zip(masks, expected, strict=True):
        assert torch.equal(mask, tracker.processor.post_process_masks([logits], [(40, 60)])[0][0, 0])
    assert 0.1 < torch.stack(masks).float().mean() < 0.9
    assert len({mask.sum().item() for mask in masks}) > 10, "the masks say nothing, as they do not differ"


@pytest.mark.parametrize("case", CORRECTIONS)
def test_after_a_correction_too(tracker: BoxTracker, case: str) -> None:
    check_correction(tracker, case)


def test_with_what_sam3_encodes_too(tmp_path: Path) -> None:
    check_correction(sam3(tiny_sam3(tmp_path)).tracker, "two clicks")


@torch.inference_mode()
def check_correction(tracker: BoxTracker, case: str) -> None:
    at, correction, shown = CORRECTIONS[case]
    frames = [noise(number) for number in range(at + 9)]
    expected = package_logits(tracker, frames, BOX, at, **shown)
    uncorrected = package_logits(tracker, frames, BOX)
    masks = []
    for number, [followed] in enumerate(follow(tracker, frames, BOX)):
        if number == at:
            before = followed.mask
            tracker.correct(TrackedFrame(tracker, frames[at]), followed, correction)
            assert not torch.equal(followed.mask, before)
        masks.append(followed.mask)
    if correction.mask is not None:  # the package's own has gone through the model's size
        assert torch.equal(masks.pop(at), torch.from_numpy(MASK))
        del expected[at]
    for mask, logits in zip(masks, expected, strict=True):
        assert torch.equal(mask, tracker.processor.post_process_masks([logits], [SIZE])[0][0, 0])
    assert not torch.equal(expected[-1], uncorrected[-1]), "later frames do not see it"


def test_all_that_is_kept_is_read(tracker: BoxTracker) -> None:
    frames = [noise(number) for number in range(20)]
    *_, [followed] = follow(tracker, frames, BOX)
    later = followed.session.output_dict_per_obj[0]["non_cond_frame_outputs"]
    remembered = [frame for frame, output in later.items() if "maskmem_features" in output]
    assert [*later] == [*range(4, 20)], "the 15 frames of which the next one reads the pointers, and one more"
    assert remembered == [*range(13, 20)], "the 6 frames of which the next one reads the memories, and one more"
    for corrected, oldest, name in (
        (False, 5, "object_pointer"), (False, 14, "maskmem_features"),
        (True, 4, "object_pointer"), (True, 13, "maskmem_features"),
    ):  # fmt: skip
        *_, [full] = follow(tracker, frames, BOX)
        *_, [poorer] = follow(tracker, frames, BOX)
        with torch.inference_mode():
            poorer.session.output_dict_per_obj[0]["non_cond_frame_outputs"][oldest][name] += 1
            for one in (full, poorer):
                if corrected:
                    tracker.correct(TrackedFrame(tracker, frames[-1]), one, OTHER)
                else:
                    tracker.follow(TrackedFrame(tracker, noise(20)), one)
        assert not torch.equal(full.presence, poorer.presence)


def test_memory_does_not_grow(tracker: BoxTracker) -> None:
    sizes = [held(objects) for objects in follow(tracker, [noise(number) for number in range(40)], BOX, OTHER)]
    assert len(set(sizes[16:])) == 1
    assert sizes[20] > sizes[0] > 0


def test_a_frame_is_encoded_once_for_all_objects(tracker: BoxTracker) -> None:
    encoded: list[int] = []
    handle = tracker.model.vision_encoder.register_forward_hook(lambda _, inputs, __: encoded.append(len(inputs[0])))
    for _ in follow(tracker, [noise(0), noise(1)], BOX, OTHER, OTHER):
        pass
    handle.remove()
    assert encoded == [1, 1]


def test_objects_do_not_disturb_each_other(tracker: BoxTracker) -> None:
    frames = [noise(number) for number in range(4)]
    alone = [[objects[0].mask for objects in follow(tracker, frames, box)] for box in (BOX, OTHER)]
    together = [[followed.mask for followed in objects] for objects in follow(tracker, frames, BOX, OTHER)]
    for step, masks in enumerate(together):
        assert torch.equal(masks[0], alone[0][step])
        assert torch.equal(masks[1], alone[1][step])
