"""`refsam-zoo segment` as a user types it: with a checkpoint, a system of the zoo, or a class of one's own."""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from systems.builders import write_refsam
from systems.documented import BRIGHT_PIXELS
from systems.tiny_folders import tiny_clipseg
from torch import Tensor

import refsam_zoo
from refsam_zoo import create_system
from refsam_zoo.calibration import Calibration, Curve
from refsam_zoo.cli import main
from refsam_zoo.commands.segment import segment
from refsam_zoo.errors import InputError
from refsam_zoo.inference.outputs import OUTPUTS
from refsam_zoo.systems.base import Found, VideoSegmenter
from refsam_zoo.systems.predictor import MASK_CONFIDENCE
from refsam_zoo.video.masks import read_indexed

SENTENCES = ["the red square", "the star"]
SIZE = (36, 48)


DOCUMENTED: dict[str, Any] = {"__name__": __name__}
exec(BRIGHT_PIXELS, DOCUMENTED)
BrightPixels: Any = DOCUMENTED["BrightPixels"]


@pytest.fixture
def frames() -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), dtype=np.uint8))


@pytest.fixture
def video(tmp_path: Path, frames: list[np.ndarray]) -> Path:
    folder = tmp_path / "clip"
    folder.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{number}.png")
    return folder


def written(output: Path) -> np.ndarray:
    """Masks, bool `[T, N, H, W]`."""
    paths = [[output / "masks/clip" / f"{n}" / f"{t}.png" for n in (1, 2)] for t in range(3)]
    return np.array([[read_indexed(path, SIZE) for path in row] for row in paths]) > 0


def expected_of(system: VideoSegmenter[Any], frames: list[np.ndarray]) -> np.ndarray:
    return np.stack([found.masks for found in system.stream([np.stack(frames)], SENTENCES)])


@pytest.fixture
def clipseg_folder(tmp_path: Path) -> Path:
    return tiny_clipseg(tmp_path / "clipseg")


def test_a_system_by_name(video: Path, frames: list[np.ndarray], clipseg_folder: Path, tmp_path: Path) -> None:
    options = ["--system=clipseg", f"--system.weights={clipseg_folder}", "--system.threshold=0.4"]
    assert main(["segment", str(video), *SENTENCES, *options, f"--output={tmp_path / 'out'}", "--device=cpu"]) == 0
    expected = expected_of(create_system("clipseg", weights=clipseg_folder, threshold=0.4, device="cpu"), frames)
    assert 0 < expected.mean() < 1
    np.testing.assert_array_equal(written(tmp_path / "out"), expected)


def test_a_checkpoint_is_short_for_the_system_refsam(video: Path, tmp_path: Path) -> None:
    options = write_refsam(tmp_path)
    short = [f"--checkpoint={options['checkpoint']}", f"--threshold={options['threshold']}"]
    long = ["--system=refsam", *(f"--system.{name}={value}" for name, value in options.items())]
    for number, given in enumerate((short, long)):
        assert main(["segment", str(video), *SENTENCES, *given, f"--output={tmp_path / str(number)}"]) == 0
    np.testing.assert_array_equal(written(tmp_path / "0"), written(tmp_path / "1"))
    assert 0 < written(tmp_path / "0").mean() < 1


def test_a_class_of_ones_own_by_import_path(
    video: Path, frames: list[np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "own_system", sys.modules[__name__])
    options = ["--system=own_system.BrightPixels", "--system.above=100"]
    assert main(["segment", str(video), *SENTENCES, *options, f"--output={tmp_path / 'out'}"]) == 0
    bright = np.stack(frames).astype(np.float32).mean(-1) > 100
    np.testing.assert_array_equal(written(tmp_path / "out"), np.stack([bright, bright], 1))
    system = create_system("own_system.BrightPixels", above=100, device="cpu")
    np.testing.assert_array_equal(expected_of(system, frames), np.stack([bright, bright], 1))
    refsam_zoo.segment(video, SENTENCES, system=system, output=tmp_path / "ready", device="cpu")
    np.testing.assert_array_equal(written(tmp_path / "ready"), written(tmp_path / "out"))


class Noticing(BrightPixels):  # type: ignore[misc]
    """Writes down what it computes in, and compiles nothing that takes time."""

    seen: list[str] = []  # noqa: RUF012

    def segment(self, images: Tensor, track: int) -> Iterator[Found]:
        self.seen.append(str(self.model(torch.ones(1, 1)).dtype))
        return super().segment(images, track)

    def compile(self) -> None:
        self.seen.append("compiled")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--precision=32-true"], ["torch.float32"]),
        (["--precision=bf16-mixed"], ["torch.bfloat16"]),
        (["--precision=32-true", "--compile"], ["compiled", "torch.float32"]),
    ],
)
def test_precision_and_compiling_are_chosen_by_the_user(
    options: list[str], expected: list[str], video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "own_system", sys.modules[__name__])
    monkeypatch.setattr(Noticing, "seen", [])
    given = ["--system=own_system.Noticing", "--device=cpu", f"--output={tmp_path / 'out'}"]
    assert main(["segment", str(video), *SENTENCES, *given, *options]) == 0
    assert Noticing.seen == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --checkpoint FILE or --system NAME, which segments the video; neither was given"),
        (["--system=clipseg", "--checkpoint=a.ckpt"], "which segments the video; both were given"),
        (["--system=clipsge"], "--system: unknown system 'clipsge'; did you mean 'clipseg'?"),
        (["--system=refsam"], "missing: --system.checkpoint, which refsam needs"),
        (["--system=clipseg", "--system.wieghts=x"], "clipseg has no option 'wieghts'; did you mean 'weights'?"),
        (["--system.weights=x"], "--system.weights is an option of what? Give --system NAME first"),
        (["--system=nowhere.System"], "--system: there is no module nowhere"),
        (["--system=torch.nn.Linear"], "--system: torch.nn.Linear is no VideoSegmenter"),
        (
            ["--system=clipseg", "--threshold=0.5"],
            "--threshold goes with --checkpoint; a system has",
        ),
        (["--system=clipseg"], "no weights given: name a folder with the files of CIDAS/clipseg-rd64-refined"),
        (["--system=refsam", "--system.checkpoint=nowhere.ckpt"], "nowhere.ckpt: no such checkpoint"),
    ],
)
def test_what_is_wrong_with_the_system_is_one_line(
    options: list[str], message: str, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", str(video), *SENTENCES, f"--output={tmp_path / 'out'}", *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("by", ["checkpoint", "system"])
def test_what_is_wrong_is_said_before_anything_is_loaded(by: str, video: Path, tmp_path: Path) -> None:
    def load() -> VideoSegmenter[Any]:
        raise AssertionError("weights are read")

    (tmp_path / "notes.txt").write_text("not a video")
    (tmp_path / "empty").mkdir()
    (tmp_path / "judo" / "images").mkdir(parents=True)
    (tmp_path / "judo" / "images" / "0.jpg").touch()
    source = {"checkpoint": tmp_path / "c.ckpt"} if by == "checkpoint" else {"system": load}
    good = {"video": video, "expressions": SENTENCES, "output": tmp_path / "o", **source}
    for wrong, message in [
        ({"expressions": []}, "no sentence was given"),
        ({"expressions": ["the star", " "]}, "sentence 2 is empty"),
        ({"expressions": ["the \udce9toile"]}, r"sentence 1 is not UTF-8 text: 'the \\udce9toile'"),
        ({"video": tmp_path / "missing.mp4"}, r"missing\.mp4: no such video"),
        ({"video": tmp_path / "notes.txt"}, r"notes\.txt: not a readable video"),
        ({"video": tmp_path / "empty"}, r"empty: holds no \.jpg"),
        ({"video": tmp_path / "judo"}, r"judo: holds no .* frames; did you mean .*judo.images\?"),
        ({"video": Path("http://127.0.0.1:1/x.mp4")}, "http://127.0.0.1:1/x.mp4: no video can be read from it"),
        ({"video": tmp_path / "*.mp4"}, r"\*\.mp4: no file fits this pattern"),
        ({"video": "-", "also": ["-"]}, "standard input can be read once only"),
        ({"start": "soon"}, "--start: 'soon' is no point in a video"),
        ({"start": "3f"}, r"clip: no frame from 3f to its end; it has 3 frames"),
        ({"stride": 0}, "--stride: 0"),
        ({"raw": "big"}, "--raw: 'big' is no size"),
        ({"output": tmp_path}, "is not empty"),
        ({"output": tmp_path / "notes.txt"}, "Not a directory"),
        ({"device": "toaster"}, "--device toaster: "),
    ]:
        with pytest.raises(InputError, match=message):
            segment(**{**good, **wrong})  # type: ignore[arg-type]
        assert not (tmp_path / "o").exists()


def test_several_videos_have_folders_of_their_own_and_a_broken_one_stops_none(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "own_system", sys.modules[__name__])
    (tmp_path / "clip.mp4").write_text("not a video")
    picture = tmp_path / "more" / "cat.png"
    picture.parent.mkdir()
    picture.write_bytes((video / "0.png").read_bytes())
    given = ["--system=own_system.BrightPixels", "--also+", str(video), "--also+", str(picture)]
    output = tmp_path / "out"
    assert main(["segment", str(tmp_path / "*.mp4"), *SENTENCES, *given, f"--output={output}", "--quiet"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[0].startswith(f"refsam-zoo: {tmp_path / 'clip.mp4'}: not a readable video")
    assert said[1] == f"refsam-zoo: error: 1 of 3 videos could not be segmented: {tmp_path / 'clip.mp4'}"
    assert sorted(path.name for path in output.iterdir()) == ["cat", "clip-2"]
    assert (output / "cat/masks/cat/2/cat.png").is_file()
    assert written(output / "clip-2").shape == (3, 2, *SIZE)


def test_frames_together(
    video: Path, frames: list[np.ndarray], clipseg_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    system = create_system("clipseg", weights=clipseg_folder)
    original = type(system).segment

    def counted(self: VideoSegmenter[Any], images: Tensor, track: Any) -> Iterator[Found]:
        given.append(len(images))
        return original(self, images, track)

    monkeypatch.setattr(type(system), "segment", counted)
    command = ["segment", str(video), *SENTENCES, "--system=clipseg", f"--system.weights={clipseg_folder}"]
    assert main([*command, "--device=cpu", "--batch=2", "--no-overlay", f"--output={tmp_path / 'out'}"]) == 0
    assert given == [2, 1]
    assert (written(tmp_path / "out") != expected_of(system, frames)).mean() < 1e-3


def test_a_part_of_a_video(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "own_system", sys.modules[__name__])
    given = ["--system=own_system.BrightPixels", "--start=1f", "--stride=1", "--fps=30", "--max_side=24", "--quiet"]
    assert main(["segment", str(video), *SENTENCES, *given, f"--output={tmp_path / 'out'}"]) == 0
    masks = sorted((tmp_path / "out/masks/clip/1").iterdir())
    assert [path.name for path in masks] == ["1.png", "2.png"]
    assert read_indexed(masks[0], (18, 24)).shape == (18, 24)


def test_what_went_by_is_not_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = tmp_path / "v.rgb"
    raw.write_bytes(bytes(2 * 8 * 6 * 3))
    given: dict[str, Any] = {"system": BrightPixels(), "output": tmp_path / "out", "raw": "8x6", "quiet": True}
    segment(raw, SENTENCES, **given)
    assert len(list((tmp_path / "out/masks/v/1").iterdir())) == 2
    with pytest.raises(InputError, match="frames that went by do not come again; --resume is for files"):
        segment(raw, SENTENCES, **{**given, "output": tmp_path / "new"}, resume=True)


def test_outputs_are_chosen_by_name(video: Path, clipseg_folder: Path, tmp_path: Path) -> None:
    common = [
        "segment",
        str(video),
        *SENTENCES,
        "--system=clipseg",
        f"--system.weights={clipseg_folder}",
        "--device=cpu",
    ]
    for number, (options, expected) in enumerate(
        [
            (["--save", "tracks,indexed"], {"tracks.json", "indexed"}),
            (["--save=[coco, still]"], {"coco.json", "still.png"}),
            (["--no-overlay"], {"masks", "still.png"}),
        ]
    ):
        output = tmp_path / str(number)
        assert main([*common, *options, f"--output={output}"]) == 0
        assert {path.name for path in output.iterdir()} == {"expressions.json", *expected}


def test_quiet(video: Path, clipseg_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--system=clipseg", f"--system.weights={clipseg_folder}", "--device=cpu", "--save=tracks", "--quiet"]
    assert main(["segment", str(video), *SENTENCES, *options, f"--output={tmp_path / 'out'}"]) == 0
    assert capsys.readouterr() == ("", "")
    tracks = json.loads((tmp_path / "out" / "tracks.json").read_text())
    assert tracks["score_meaning"].startswith("mean probability of the mask's pixels")
    scores = [one["score"] for frame in tracks["frames"] for one in frame["objects"]]
    options += ["--overwrite", f"--min_score={np.median(scores)}"]
    assert main(["segment", str(video), *SENTENCES, *options, f"--output={tmp_path / 'out'}"]) == 0
    tracks = json.loads((tmp_path / "out" / "tracks.json").read_text())
    for one in (one for frame in tracks["frames"] for one in frame["objects"]):
        assert one["present"] <= (one["score"] >= np.median(scores))


def test_calibrated_scores(
    video: Path, clipseg_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--system=clipseg", f"--system.weights={clipseg_folder}", "--device=cpu", "--save=tracks", "--quiet"]
    calibration = Calibration(MASK_CONFIDENCE, Curve(2, -1), Curve(1, -3))
    calibration.write(tmp_path / "calibration.json")
    found = []
    for given in ([], [f"--calibration={tmp_path / 'calibration.json'}"]):
        output = tmp_path / f"out{len(given)}"
        assert main(["segment", str(video), *SENTENCES, *options, *given, f"--output={output}"]) == 0
        tracks = json.loads((output / "tracks.json").read_text())
        objects = [one for frame in tracks["frames"] for one in frame["objects"]]
        found.append(np.array([(one["score"], not one["present"]) for one in objects]))
    assert tracks["score_meaning"] == calibration.calibrated_meaning
    np.testing.assert_allclose(calibration(found[0][:, 0], found[0][:, 1] > 0), found[1][:, 0], atol=2e-4)
    replace(calibration, score_meaning="luck").write(tmp_path / "calibration.json")
    assert main(["segment", str(video), *SENTENCES, *options, *given, f"--output={tmp_path / 'new'}"]) == 2
    assert "scores of another kind (luck)" in capsys.readouterr().err


def test_the_same_command_goes_on(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(self: VideoSegmenter[int], images: Tensor, track: int) -> Iterator[Found]:
        yield from list(original(self, images, track))[:2]
        raise KeyboardInterrupt

    command = ["segment", str(video), *SENTENCES, f"--system={__name__}.BrightPixels", "--device=cpu", "--resume"]
    original = BrightPixels.segment
    with monkeypatch.context() as context:
        context.setattr(BrightPixels, "segment", stop)
        assert main([*command, f"--output={tmp_path / 'out'}"]) == 130
    said = capsys.readouterr().err
    assert re.search("the first 2 of 3 frames are kept in .*out; the same command with --resume goes on, ", said)
    assert main([*command, f"--output={tmp_path / 'out'}"]) == 0
    assert main([*command, f"--output={tmp_path / 'whole'}"]) == 0
    np.testing.assert_array_equal(written(tmp_path / "out"), written(tmp_path / "whole"))
    assert main([*command, f"--output={tmp_path / 'out'}"]) == 2
    assert "nothing is left to resume" in capsys.readouterr().err


def test_the_documentation_has_every_output() -> None:
    text = (Path(__file__).parents[2] / "docs" / "segment.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `([\w.]+)[^|]*\| ([^|]+) \|$", text, flags=re.MULTILINE)
    assert {name: file for name, file, _ in rows} == {name: OUTPUTS.get(name).file for name in OUTPUTS}
    assert all(said.startswith(OUTPUTS.card(name).family) for name, _, said in rows)
    explained = (inspect.getdoc(segment) or "").partition(" save: ")[2].partition(" overlay: ")[0]
    assert set(OUTPUTS) <= set(re.findall(r"\w+", explained))
