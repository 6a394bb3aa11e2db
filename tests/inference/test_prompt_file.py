"""`segment --prompt`: what is shown in some frames, from the file to the masks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from refsam_zoo import Predictor, VideoSession, create_model
from refsam_zoo.commands.segment import segment
from refsam_zoo.errors import InputError
from refsam_zoo.inference.prompt_file import Prompts, read_prompts
from refsam_zoo.model.image_encoders.vit_tiny import vit_tiny
from refsam_zoo.model.text_encoders.clip_tiny import clip_tiny
from refsam_zoo.video.masks import read_indexed

SIZE, FRAMES = (48, 64), 40
SENTENCE = "the dog"
GIVEN: list[dict[str, Any]] = [
    {"frame": 3, "expression": SENTENCE, "box": [4, 5, 40, 30]},
    {"frame": 3, "expression": SENTENCE, "points": [[10, 20]], "labels": [0]},
    {"frame": "0.8", "object": "ball", "points": [[30, 20]]},
    {"frame": "34f", "object": "ball", "mask": "masks/ball.png"},
]
"""Of a folder of frames, which counts as 6 a second."""


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(0)
    model = create_model(image_encoder=vit_tiny(image_size=48), text_encoder=clip_tiny(layers=1), tuner="frozen")
    return Predictor(model)


@pytest.fixture(scope="module")
def video() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (FRAMES, *SIZE, 3), dtype=np.uint8)


@pytest.fixture
def folder(video: np.ndarray, tmp_path: Path) -> Path:
    frames = tmp_path / "clip"
    frames.mkdir()
    for number, frame in enumerate(video):
        Image.fromarray(frame).save(frames / f"{number}.png")
    return frames


@pytest.fixture
def write(tmp_path: Path) -> Callable[[object], Path]:
    (tmp_path / "masks").mkdir()
    mask = np.zeros(SIZE, np.uint8)
    mask[10:30, 8:40] = 255
    Image.fromarray(mask).save(tmp_path / "masks" / "ball.png")
    Image.fromarray(mask.T).save(tmp_path / "masks" / "turned.png")

    def writer(content: object) -> Path:
        path = tmp_path / "prompts.json"
        path.write_text(json.dumps(content))
        return path

    return writer


def masks_in(output: Path, number: int) -> np.ndarray:
    files = sorted((output / "masks" / "clip" / str(number)).iterdir(), key=lambda path: int(path.stem))
    return np.stack([read_indexed(file, SIZE) for file in files]).astype(bool)


def by_hand(predictor: Predictor, video: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """What a session gives, `[2, T, H, W]`."""
    session, masks = VideoSession(predictor, SENTENCE), []
    session.add_object("ball")
    batches = [video[start : start + 4] for start in range(0, FRAMES, 4)]
    for number, found in enumerate(session.stream(batches)):
        if number == 3:
            session.correct(SENTENCE, box=[4, 5, 40, 30])
            found = session.correct(SENTENCE, points=[[10, 20]], labels=[0])
        if number == 5:
            found = session.correct("ball", points=[[30, 20]])
        if number == 34:
            found = session.correct("ball", mask=mask)
        masks.append(found.masks)
    return np.stack(masks, 1)


def test_masks_are_those_of_a_session(
    predictor: Predictor, video: np.ndarray, folder: Path, write: Callable[[object], Path], tmp_path: Path
) -> None:
    prompts, mask = write(GIVEN), np.asarray(Image.open(tmp_path / "masks" / "ball.png"))
    expected = by_hand(predictor, video, mask)
    options: dict[str, Any] = {"system": predictor, "device": "cpu", "quiet": True, "save": "masks", "prompt": prompts}
    segment(folder, [SENTENCE], output=tmp_path / "o", **options)
    assert json.loads((tmp_path / "o" / "expressions.json").read_text())["expressions"] == {"1": SENTENCE, "2": "ball"}
    for number in (1, 2):
        np.testing.assert_array_equal(masks_in(tmp_path / "o", number), expected[number - 1])
    assert not masks_in(tmp_path / "o", 2)[:5].any()
    assert masks_in(tmp_path / "o", 2)[5:].any()
    np.testing.assert_array_equal(masks_in(tmp_path / "o", 2)[34], mask > 0)

    segment(folder, [], output=tmp_path / "alone", **{**options, "prompt": write(GIVEN[2:])})
    np.testing.assert_array_equal(masks_in(tmp_path / "alone", 1), expected[1])

    segment(folder, [SENTENCE], output=tmp_path / "part", start="2f", stride=2, **{**options, "prompt": write(GIVEN)})
    begun = masks_in(tmp_path / "part", 2).any(axis=(1, 2))
    assert begun.argmax() == 3, "times count from the start: 0.8 s after frame 2 is frame 7, and 8 the first taken"


def test_it_goes_on_where_it_was_stopped(
    predictor: Predictor, video: np.ndarray, folder: Path, write: Callable[[object], Path], tmp_path: Path
) -> None:
    mask = np.asarray(Image.open(write(GIVEN).parent / "masks" / "ball.png"))
    damaged = folder / "36.png"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:100])
    options: dict[str, Any] = {"system": predictor, "device": "cpu", "quiet": True, "save": "masks"}
    options |= {"output": tmp_path / "o", "prompt": tmp_path / "prompts.json"}
    with pytest.raises(InputError, match=r"36\.png"):
        segment(folder, [SENTENCE], **options)
    damaged.write_bytes(whole)
    with pytest.raises(InputError, match="was begun with another prompts"):
        segment(folder, [SENTENCE], resume=True, **{**options, "prompt": write([*GIVEN[:2], GIVEN[3]])})
    write(GIVEN)
    segment(folder, [SENTENCE], resume=True, **options)
    expected = by_hand(predictor, video, mask)
    for number in (1, 2):
        np.testing.assert_array_equal(masks_in(tmp_path / "o", number), expected[number - 1])


WRONG: dict[str, tuple[object, str]] = {
    "no list": ({"frame": 0}, "expected a list, got"),
    "no mapping": ([3], "0: expected a mapping"),
    "unknown key": (
        [{"frame": 0, "object": "a", "point": [1, 2]}],
        "0: the key 'point' is unknown; did you mean 'points'",
    ),
    "no target": ([{"frame": 0, "box": [1, 2, 3, 4]}], "0: each needs either an 'expression'"),
    "two targets": ([{"frame": 0, "object": "a", "expression": SENTENCE}], "0: each needs either"),
    "other sentence": (
        [{"frame": 0, "expression": "the dgo"}],
        "0.expression: 'the dgo' is no sentence .* did you mean",
    ),
    "same name": ([{"frame": 0, "object": SENTENCE}], "0.object: 'the dog' is a sentence of the command line, too"),
    "no frame": ([{"object": "a", "box": [1, 2, 3, 4]}], "0: the key 'frame' is missing"),
    "no moment": (
        [{"frame": "soon", "object": "a", "box": [1, 2, 3, 4]}],
        "0.frame: frame: 'soon' is no point in a video",
    ),
    "before it": ([{"frame": -1, "object": "a", "box": [1, 2, 3, 4]}], "0.frame: -1 is not between"),
    "nothing": ([GIVEN[0], {"frame": 0, "object": "a"}], "1: a correction needs points, a box or a mask"),
    "outside": ([{"frame": 0, "object": "a", "points": [[99, 2]]}], r"0: the point \(99, 2\) is outside the frame"),
    "a number": ([{"frame": 0, "object": "a", "points": 7}], "0: points must be x and y of each"),
    "no mask": ([{"frame": 0, "object": "a", "mask": "masks/bowl.png"}], "0.mask: there is no .*bowl.png"),
    "turned": ([{"frame": 0, "object": "a", "mask": "masks/turned.png"}], "turned.png: "),
    "elsewhere": ([{"frame": 0, "object": "a", "mask": "../x.png"}], "0.mask: '../x.png' must be a path inside"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case: str, write: Callable[[object], Path]) -> None:
    content, message = WRONG[case]
    path = write(content)
    with pytest.raises(InputError, match=message) as caught:
        read_prompts(path, [SENTENCE], SIZE)
    assert str(path.parent) in str(caught.value)


def test_what_is_left_at_the_end_is_named(
    predictor: Predictor, folder: Path, write: Callable[[object], Path], tmp_path: Path
) -> None:
    late = write([{"frame": FRAMES, "expression": SENTENCE, "box": [1, 2, 30, 40]}])
    with pytest.raises(InputError, match=rf"prompts\.json: 0: the video ended before the frame {FRAMES}f; all else is"):
        segment(
            folder,
            [SENTENCE],
            output=tmp_path / "o",
            system=predictor,
            device="cpu",
            quiet=True,
            save="masks",
            prompt=late,
        )
    assert len(masks_in(tmp_path / "o", 1)) == FRAMES


def test_refusals(predictor: Predictor, folder: Path, write: Callable[[object], Path], tmp_path: Path) -> None:
    options: dict[str, Any] = {"output": tmp_path / "o", "system": predictor, "device": "cpu", "prompt": write(GIVEN)}
    with pytest.raises(InputError, match=re.escape("--prompt") + ".* is about one video, not about 2"):
        segment(folder, [SENTENCE], also=[str(folder)], **options)
    with pytest.raises(InputError, match="no sentence was given"):
        segment(folder, [], **{**options, "prompt": None})
    assert str(Prompts()) == "none"
