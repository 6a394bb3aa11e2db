"""SAMWISE as a system: windows cut alike however a video comes, its published file, and files of something else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from systems import test_contract as contract
from systems.tiny_samwise import SENTENCES, SIZE, tiny_roberta_tokenizer, tiny_state, write_tiny_samwise
from systems.windows import make_batch

from refsam_zoo.checkpoints.conversion import convert
from refsam_zoo.errors import InputError
from refsam_zoo.systems.base import FrameMasks
from refsam_zoo.systems.inputs import in_windows
from refsam_zoo.systems.predictor import MASK_CONFIDENCE, PRESENCE
from refsam_zoo.systems.samwise import samwise
from refsam_zoo.systems.session import VideoSession

WINDOW = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samwise")
    write_tiny_samwise(folder / "video.pth")
    tiny_roberta_tokenizer(folder)
    return folder


@pytest.fixture(scope="module")
def system(folder: Path) -> samwise:
    return samwise(folder / "video.pth", folder, window=WINDOW, expressions_at_once=1)


@pytest.fixture(scope="module")
def video() -> np.ndarray:
    blocks = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)
    return blocks.repeat(8, 1).repeat(8, 2)


@pytest.fixture(scope="module")
def found(system: samwise, video: np.ndarray) -> list[FrameMasks]:
    return [*system.stream([video], SENTENCES)]


def assert_same(some: list[FrameMasks], expected: list[FrameMasks]) -> None:
    for one, other in zip(some, expected, strict=True):
        assert (one.masks != other.masks).mean() < 1e-3
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


@pytest.fixture(scope="module")
def frame_by_frame(folder: Path) -> samwise:
    return samwise(folder / "video.pth", folder, window=1, expressions_at_once=2)


@pytest.mark.parametrize("shown", contract.SHOWN)
def test_corrections_frame_by_frame(frame_by_frame: samwise, shown: str) -> None:
    found = contract.run(frame_by_frame, contract.make_video(1), size=1)
    contract.test_what_is_shown_counts_then_and_later(frame_by_frame, found, shown)
    if shown == "box":
        contract.test_an_object_without_a_sentence(frame_by_frame, found)


def test_corrections_in_windows_are_refused_with_what_helps(system: samwise, video: np.ndarray) -> None:
    with pytest.raises(InputError, match="in windows of 4 frames; give it the option window=1"):
        VideoSession(system).add_object("the ball")
    session = VideoSession(system, SENTENCES)
    session(video[0])
    with pytest.raises(InputError, match="in windows of 4 frames; give it the option window=1"):
        session.correct(0, points=[[3, 4]])


@pytest.mark.parametrize("size", [1, 3])
def test_windows_are_cut_alike(system: samwise, video: np.ndarray, found: list[FrameMasks], size: int) -> None:
    batches = [video[start : start + size] for start in range(0, len(video), size)]
    assert_same([*system.stream(batches, SENTENCES)], found)
    assert_same([*VideoSession(system, SENTENCES).stream(batches)], found)


def test_evaluation_cuts_them_alike(system: samwise, video: np.ndarray, found: list[FrameMasks]) -> None:
    state, parts = None, []
    for start in (0, 4):
        part, state = system.window(make_batch([video[start : start + 4]], [SENTENCES], first=start == 0), state)
        parts.append(part.masks)
    assert (torch.cat(parts, 1).numpy() != np.stack([frame.masks for frame in found], 1)).mean() < 1e-3


def test_what_later_frames_of_a_window_show_counts(system: samwise, video: np.ndarray, found: list[FrameMasks]) -> None:
    changed = video.copy()
    changed[3] = 255 - changed[3]
    scores = [frame.scores for frame in system.stream([changed[:4]], SENTENCES)]
    assert np.abs(scores[0] - found[0].scores).max() > 1e-4


def test_sentences_decoded_together_have_the_masks_they_have_alone(
    folder: Path, video: np.ndarray, found: list[FrameMasks]
) -> None:
    together = samwise(folder / "video.pth", folder, window=WINDOW, expressions_at_once=2)
    assert_same([*together.stream([video], SENTENCES)], found)


def test_frames_of_another_size_begin_a_window() -> None:
    small, large = np.zeros((3, 2, 2, 3), np.uint8), np.zeros((5, 4, 4, 3), np.uint8)
    assert [part.shape[:2] for part in in_windows([small, large], 4)] == [(3, 2), (4, 4), (1, 4)]


def test_the_file_for_pictures_is_another_configuration(folder: Path, tmp_path: Path, video: np.ndarray) -> None:
    system = samwise(write_tiny_samwise(tmp_path / "pictures.pth", SIZE.on_pictures()), folder)
    assert (system.score_meaning, samwise(folder / "video.pth", folder).score_meaning) == (MASK_CONFIDENCE, PRESENCE)
    assert system(video[0], SENTENCES).masks.any()


def test_files_of_something_else_are_refused_in_a_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"final_model_mevis\.pth"):
        samwise()
    with pytest.raises(InputError, match=r"no tokenizer given.*FacebookAI/roberta-base"):
        samwise(folder / "video.pth")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="no weights of SAMWISE"):
        samwise(tmp_path / "other.pth", folder)
    state = tiny_state()
    del state["sam.no_mem_embed"]
    torch.save({"model": {**state, "sam.surplus": torch.zeros(1)}}, tmp_path / "damaged.pth")
    with pytest.raises(InputError, match=r"1 missing: memory\.no_memory_embedding; 1 unknown: memory\.surplus"):
        samwise(tmp_path / "damaged.pth", folder)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clipseg"}))
    with pytest.raises(InputError, match="model_type is 'clipseg'"):
        samwise(folder / "video.pth", tmp_path)


def test_a_converted_file_is_the_same_without_what_is_not_read(folder: Path, tmp_path: Path, system: samwise) -> None:
    (line,) = convert(folder / "video.pth", tmp_path / "samwise.safetensors")
    assert line.endswith(f": {len(system.model.state_dict())} tensors of SAMWISE")
    read = samwise(tmp_path / "samwise.safetensors", folder).model.state_dict()
    assert all(torch.equal(tensor, read[name]) for name, tensor in system.model.state_dict().items())
