"""Whatever people give to `refsam-zoo segment` is segmented, or refused in one line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import av
import pytest
import torch
from formats.odd_videos import PQ, VARIABLE, Maker, film, no_frames, pictures, raw_grey, rotated, sound
from formats.trap_videos import number_of
from systems.documented import BRIGHT_PIXELS

from refsam_zoo import create_model
from refsam_zoo.commands.segment import segment
from refsam_zoo.errors import InputError
from refsam_zoo.systems.predictor import Predictor
from refsam_zoo.video.masks import read_indexed
from refsam_zoo.video.sources import open_frames

DOCUMENTED: dict[str, Any] = {"__name__": __name__}
exec(BRIGHT_PIXELS, DOCUMENTED)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(0)
    return Predictor(create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen"))


WORKS: dict[str, tuple[Maker, int, tuple[int, int]]] = {
    "portrait": (film(size=(96, 48)), 3, (96, 48)),
    "4K": (pictures([(2160, 3840)]), 1, (2160, 3840)),
    "1x1": (pictures([(1, 1)] * 3), 3, (1, 1)),
    "17x4001": (pictures([(17, 4001)]), 1, (17, 4001)),
    "one frame": (film(numbers=range(1)), 1, (48, 96)),
    "variable frame rate": (film(**VARIABLE | {"numbers": range(9)}), 9, (48, 96)),
    "rotated": (rotated, 3, (96, 48)),
    "greyscale": (film(pixels="gray"), 3, (48, 96)),
    "alpha": (film("v.mov", codec="png", pixels="rgba"), 3, (48, 96)),
    "10-bit": (film(pixels="yuv420p10le"), 3, (48, 96)),
    "HDR": (film(codec="libx265", pixels="yuv420p10le", **PQ), 3, (48, 96)),
    "interlaced": (film(tff=1), 3, (48, 96)),
    "no leading zeros": (pictures([(48, 96)] * 12, [f"shot {n}.png" for n in range(12)]), 12, (48, 96)),
    "hidden files": (pictures([(48, 96)] * 2, beside=["._00000.png", ".DS_Store", "Thumbs.db"]), 2, (48, 96)),
    "other files": (pictures([(48, 96)] * 2, beside=["notes.txt", "list.json"]), 2, (48, 96)),
    "upper-case extensions": (pictures([(48, 96)] * 2, ["0.PNG", "1.BMP"]), 2, (48, 96)),
    "upper-case film": (film("V.MP4"), 3, (48, 96)),
}
REFUSED: dict[str, tuple[Maker, str]] = {
    "no frames": (no_frames, r"v\.mp4: not a readable video"),
    "no pictures": (pictures([]), r"v: holds no \.jpg, .* frames"),
    "an audio file": (sound, r"v\.wav: not a readable video: it has no picture stream"),
    "mixed sizes": (
        pictures([(48, 96), (48, 96), (20, 30)]),
        r"00002\.png: 20x30 pixels, but frames before are 48x96; the first 2 of 3 frames are kept",
    ),
    "two of one name": (pictures([(48, 96)] * 2, ["0.png", "0.bmp"]), r"0\.bmp and 0\.png have the same name"),
}


def film_length(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("case", WORKS)
def test_works(predictor: Predictor, tmp_path: Path, case: str) -> None:
    make, count, size = WORKS[case]
    path, output = make(tmp_path), tmp_path / "out"
    segment(path, ["the red car"], system=predictor, output=output, device="cpu", quiet=True)
    masks = sorted(output.rglob("masks/*/1/*.png"))
    assert len(masks) == film_length(output / "overlay.mp4") == count
    assert {read_indexed(mask, size).shape for mask in masks} == {size}


@pytest.mark.parametrize("case", [name for name, (_, _, size) in WORKS.items() if min(size) > 40 and name != "4K"])
def test_frames_come_in_order(tmp_path: Path, case: str) -> None:
    make, count, _ = WORKS[case]
    with open_frames(make(tmp_path)) as video:
        pictures = [frame.picture for frame in video.frames()]
    shown = [number_of(picture if case != "rotated" else picture.swapaxes(0, 1)[::-1]) for picture in pictures]
    assert shown == list(range(count))


@pytest.mark.parametrize("case", REFUSED)
def test_refused(predictor: Predictor, tmp_path: Path, case: str) -> None:
    make, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as caught:
        segment(make(tmp_path), ["it"], system=predictor, output=tmp_path / "out", device="cpu", quiet=True)
    assert "\n" not in str(caught.value)


def test_ten_thousand_frames(tmp_path: Path) -> None:
    path = raw_grey(10_000, 4, 6)(tmp_path)
    options: dict[str, Any] = {"raw": "6x4", "raw_pixels": "gray", "save": "tracks", "quiet": True, "device": "cpu"}
    segment(path, ["it"], system=DOCUMENTED["BrightPixels"](above=127), output=tmp_path / "out", **options)
    frames = json.loads((tmp_path / "out" / "tracks.json").read_text())["frames"]
    assert len(frames) == 10_000
    assert [frame["objects"][0]["present"] for frame in frames[126:130]] == [False, False, True, True]


SENTENCES = {
    "500 words": ["the very " + "long " * 497 + "sentence"],
    "emoji": ["🚗", "the 🐕 on the left 👈🏽"],
    "right-to-left": ["الكلب الأحمر", "הכלב האדום"],
    "64 sentences": [f"the car number {number}" for number in range(64)],
    "the same one twice": ["the car", "the car"],
}


@pytest.mark.parametrize("case", SENTENCES)
def test_sentences(predictor: Predictor, tmp_path: Path, case: str) -> None:
    sentences, output = SENTENCES[case], tmp_path / "out"
    video = pictures([(48, 96)])(tmp_path)
    segment(video, sentences, system=predictor, output=output, device="cpu", quiet=True)
    assert json.loads((output / "expressions.json").read_text(encoding="utf-8"))["expressions"] == {
        str(number): sentence for number, sentence in enumerate(sentences, 1)
    }
    assert len(list((output / "masks").rglob("*.png"))) == len(sentences)
    assert film_length(output / "overlay.mp4") == 1


@pytest.mark.parametrize("sentences", [[""], ["the car", " \t"], []])
def test_empty_sentences(predictor: Predictor, tmp_path: Path, sentences: list[str]) -> None:
    with pytest.raises(InputError, match=re.compile("sentence (1|2) is empty|no sentence was given")):
        segment(pictures([(48, 96)])(tmp_path), sentences, system=predictor, output=tmp_path / "out", quiet=True)
