from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from systems.tiny_folders import tiny_sam3
from transformers import Sam3VideoModel, Sam3VideoProcessor

from refsam_zoo.errors import InputError
from refsam_zoo.model.text_encoders.base import warn_truncated
from refsam_zoo.systems.base import FrameMasks
from refsam_zoo.systems.sam3 import sam3

SENTENCES = ["the red car", "a dog", "sky"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_sam3(tmp_path_factory.mktemp("sam3"))


def video(frames: int) -> np.ndarray:
    """Four black frames, then a bright box that moves over noise: the random detector finds more with time."""
    pictures = np.random.default_rng(0).integers(0, 120, (frames, 45, 60, 3), dtype=np.uint8)
    for time, picture in enumerate(pictures):
        left = 3 * time % 40
        picture[8:30, left : left + 16] += 120
    pictures[:4] = 0
    return pictures


def packages_own(folder: Path, frames: np.ndarray, sentence: str) -> Iterator[np.ndarray]:
    """Union masks of the package's session, which keeps everything."""
    model, processor = Sam3VideoModel.from_pretrained(folder), Sam3VideoProcessor.from_pretrained(folder)
    session = processor.init_video_session()
    processor.add_text_prompt(session, sentence)
    for frame in frames:
        inputs = processor(images=frame, return_tensors="pt")
        outputs = model(inference_session=session, frame=inputs.pixel_values[0])
        yield processor.postprocess_outputs(session, outputs, inputs.original_sizes)["masks"].any(0).numpy()
    confirmed = [len(outputs["cond_frame_outputs"]) for outputs in session.output_dict_per_obj.values()]
    assert max(confirmed) > model.config.tracker_config.max_cond_frame_num, "the test reads no dropped memory"


def test_masks_are_the_packages_own_bit_for_bit_over_100_frames(folder: Path) -> None:
    frames = video(100)
    own = list(sam3(folder).stream(frames, "the red car"))
    for found, expected in zip(own, packages_own(folder, frames, "the red car"), strict=True):
        np.testing.assert_array_equal(found.masks[0], expected)
    areas = {int(found.masks.sum()) for found in own}
    assert len(areas) > 50


def kept_bytes(value: object, seen: set[int]) -> int:
    """All that the tensors hang on which a session holds, each storage once."""
    if isinstance(value, torch.Tensor):
        storage = value.untyped_storage()
        known = storage.data_ptr() in seen
        seen.add(storage.data_ptr())
        return 0 if known else storage.nbytes()
    if isinstance(value, dict):
        return sum(kept_bytes(item, seen) for item in value.values())
    if isinstance(value, (list, tuple)):
        return sum(kept_bytes(item, seen) for item in value)
    return kept_bytes(vars(value), seen) if hasattr(value, "__dict__") else 0


def test_the_state_stops_growing(folder: Path) -> None:
    system, sizes = sam3(folder), []
    system.model.recondition_every_nth_frame = 1  # more confirmed frames than are kept
    track = system.start(["the red car"])
    (session,) = track.sessions
    with torch.inference_mode():
        for image in torch.from_numpy(video(60)).permute(0, 3, 1, 2):
            list(system.segment(image[None], track))
            sizes.append(kept_bytes(session, set()))
    assert sizes[5] < max(sizes[45:]) <= 1.05 * max(sizes[30:45])
    assert list(session.processed_frames.keys()) == [59]
    assert not session.unmatched_frame_inds
    assert not session.suppressed_obj_ids
    assert max(len(outputs["cond_frame_outputs"]) for outputs in session.output_dict_per_obj.values()) == 16


def test_sentences_do_not_change_each_other(folder: Path) -> None:
    system, frames = sam3(folder), video(6)
    together = list(system.stream(frames, SENTENCES))
    for number, sentence in enumerate(SENTENCES):
        for both, alone in zip(together, system.stream(frames, sentence), strict=True):
            np.testing.assert_array_equal(both.masks[number], alone.masks[0])
            assert both.scores[number] == alone.scores[0]


def test_a_frame_is_encoded_once_for_all_sentences(folder: Path) -> None:
    system, calls = sam3(folder), []
    for encoder in (system.model.detector_model.vision_encoder, system.model.tracker_neck):
        encoder.register_forward_pre_hook(lambda module, _: calls.append(type(module).__name__))
    list(system.stream(video(2), SENTENCES))
    assert calls == ["Sam3VisionModel", "Sam3VisionNeck"] * 2


def test_nothing_found_is_an_empty_mask_of_score_0(folder: Path) -> None:
    system = sam3(folder, threshold=1.0)
    found: list[FrameMasks] = list(system.stream(video(2), SENTENCES))
    assert all(frame.absent.all() and not frame.scores.any() for frame in found)


def test_no_more_objects_are_followed_than_asked_for(folder: Path) -> None:
    frames = torch.from_numpy(video(9)).permute(0, 3, 1, 2)
    numbers = {}
    for most in (2, 3, 100):
        system = sam3(folder, max_objects=most)
        track = system.start(SENTENCES[:1])
        with torch.inference_mode():
            list(system.segment(frames, track))
        numbers[most] = len(track.sessions[0].obj_ids)
    assert numbers == {2: 2, 3: 3, 100: 3}


def test_a_sentence_beyond_the_limit_gets_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    warn_truncated.cache_clear()
    with caplog.at_level(logging.WARNING):
        (found,) = sam3(folder).stream(video(1), ["the car " * 6])
    assert "38 tokens is cut to 32" in caplog.text
    (cut,) = sam3(folder).stream(video(1), ["the car " * 5])
    np.testing.assert_array_equal(found.masks, cut.masks)


def test_nothing_is_printed(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    list(sam3(folder, max_objects=1).stream(video(3), SENTENCES))
    assert capfd.readouterr() == ("", "")


def test_an_older_transformers_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sam3, "classes", {"sam3_video": "Sam3VideoModelOfTheFuture"})
    with pytest.raises(InputError, match="is too old for 'sam3_video'; run pip install --upgrade transformers"):
        sam3(folder)
