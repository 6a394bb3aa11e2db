"""Graphs of a model: what they compute is what the model does, in programs without it."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from refsam_zoo import InputError, create_model
from refsam_zoo.checkpoints.graph_files import GRAPHS, write_graphs
from refsam_zoo.cli import main
from refsam_zoo.model.image_encoders.sam import vit_b
from refsam_zoo.model.image_encoders.vit_tiny import vit_tiny
from refsam_zoo.model.mask_decoders.sam import sam_decoder
from refsam_zoo.model.preprocessing import preprocess
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.model.text_encoders.clip_tiny import clip_tiny

EXAMPLE = Path(__file__).parents[2] / "examples" / "onnx_video.py"
SENTENCES = ["the red circle", "a small blue star that moves to the left"]
# frames whose longer side is the model's size, larger and smaller ones, upright ones
SIZES = [(96, 64), (150, 200), (40, 31), (1, 96)]


def demo() -> RefSAM:
    """The composition of configs/demo.yaml; track tokens are made long, so that a lost one shows."""
    torch.manual_seed(0)
    model = create_model(
        image_encoder=vit_tiny(embedding_width=128),
        text_encoder="clip_tiny",
        tuner="full",
        text_tuner="full",
        sparse_prompt="scaled_word_tokens",
        dense_prompt="gated_dense_attention",
        mask_decoder=sam_decoder(mlp_width=512),
    )
    for parameter in model.tracker.parameters():
        parameter.data *= 4
    return model


@torch.no_grad()
def logits_of(model: RefSAM, frames: np.ndarray, sentences: list[str]) -> list[np.ndarray]:
    language, token, found = model.encode_text(sentences), None, []
    for frame in frames:
        encoded = model.encode_images(torch.from_numpy(frame).permute(2, 0, 1)[None])
        segmentation = model.segment(encoded.repeat(len(sentences)), language, token)
        token = segmentation.track_token
        found.append(model.restore(segmentation.low_res_logits, frame.shape[:2]).numpy())
    return found


def video(size: tuple[int, int], steps: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (steps, *size, 3)).astype(np.uint8)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / max(1, (one | other).sum()))


@pytest.fixture(scope="module")
def onnx_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    demo().save_pretrained(folder / "model")
    options = ["--format", "onnx", "--expressions", json.dumps(SENTENCES)]
    assert main(["export", str(folder / "model"), str(folder / "onnx"), *options]) == 0
    return folder / "onnx"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(EXAMPLE.parent)
    return importlib.import_module("onnx_video")


def logits_in_a_process(folder: Path, frames: np.ndarray, runtime: str, scratch: Path) -> np.ndarray:
    """Runs the example's loop in a process of its own: where OpenVINO is loaded, interrupting PyAV later crashes."""
    np.save(scratch / "frames.npy", frames)
    program = "import pathlib, sys, numpy, onnx_video; folder, runtime, frames, logits = sys.argv[1:]; "
    program += "numpy.save(logits, list(onnx_video.segment(pathlib.Path(folder), numpy.load(frames), runtime)))"
    files = [str(folder), runtime, str(scratch / "frames.npy"), str(scratch / "logits.npy")]
    subprocess.run(
        [sys.executable, "-c", program, *files], check=True, env={**os.environ, "PYTHONPATH": str(EXAMPLE.parent)}
    )
    found: np.ndarray = np.load(scratch / "logits.npy")
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("runtime", "size"), [*(("onnxruntime", size) for size in SIZES), ("openvino", SIZES[0])])
def test_onnx_gives_what_the_model_gives(
    onnx_folder: Path, tmp_path: Path, runtime: str, size: tuple[int, int]
) -> None:
    model, frames = demo(), video(size)
    expected = np.array(logits_of(model, frames, SENTENCES))
    found = logits_in_a_process(onnx_folder, frames, runtime, tmp_path)
    assert found.shape == (3, 2, *size)
    # where frames are resized, PyTorch's 8-bit arithmetic leaves some pixels a level away from the nearest one
    exact = max(size) == model.image_encoder.image_size
    assert np.abs(found - expected).max() <= (1e-4 if exact else 1e-2)
    threshold = np.median(expected)
    assert overlap(found > threshold, expected > threshold) >= (0.999 if exact else 0.99)
    alone = np.array([logits_of(model, frames[step:], SENTENCES)[0] for step in range(1, 3)])
    assert np.abs(alone - expected[1:]).max() > 1e-2, "the track token matters"


@pytest.mark.slow
def test_vit_b_at_256(tmp_path: Path, example: Any) -> None:
    torch.manual_seed(0)
    model = create_model(image_encoder=vit_b(image_size=256), text_encoder=clip_tiny(layers=1))
    write_graphs(tmp_path / "graphs", model, "onnx", SENTENCES[:1])
    frames = video((192, 256), steps=2)
    expected = np.array(logits_of(model, frames, SENTENCES[:1]))
    found = np.array(list(example.segment(tmp_path / "graphs", frames)))
    assert np.abs(found - expected).max() <= 1e-4
    assert overlap(found > np.median(expected), expected > np.median(expected)) >= 0.999


@pytest.mark.slow
@pytest.mark.parametrize(("options", "other"), [([], "openvino"), (["openvino"], "onnxruntime")])
def test_the_example_needs_one_runtime_and_numpy_alone(
    onnx_folder: Path, tmp_path: Path, options: list[str], other: str
) -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 60
    frames = video((64, 96))
    np.save(tmp_path / "frames.npy", frames)
    absent = "torch", "refsam_zoo", "PIL", "cv2", "transformers", other
    program = f"import runpy, sys; sys.modules.update(dict.fromkeys({absent}))"
    program += f"; runpy.run_path({str(EXAMPLE)!r}, run_name='__main__')"
    files = [str(onnx_folder), str(tmp_path / "frames.npy"), str(tmp_path / "masks.npy")]
    subprocess.run([sys.executable, "-c", program, *files, *options], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "masks.npy"), np.array(logits_of(demo(), frames, SENTENCES)) > 0)


@pytest.mark.slow
def test_torch_export_gives_what_the_model_gives(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = create_model(image_encoder=vit_tiny(image_size=48), text_encoder=clip_tiny(layers=1))
    write_graphs(tmp_path / "graphs", model, "torch_export")
    about = json.loads((tmp_path / "graphs" / "export.json").read_text())
    parts = {name: torch.export.load(tmp_path / "graphs" / file).module() for name, file in about["files"].items()}
    frames = video((48, 48))
    expected = logits_of(model, frames, SENTENCES[:1])
    tokens = model.text_encoder.tokenize(SENTENCES[:1])
    token: list[torch.Tensor] = []
    with torch.no_grad():
        language = [*parts["text_encoder"](*tokens), tokens.mask]
        for frame, logits in zip(frames, expected, strict=True):
            square = preprocess(torch.from_numpy(frame).permute(2, 0, 1)[None], [(48, 48)], 48, *(
                about[name] for name in ("pixel_mean", "pixel_std")
            ))  # fmt: skip
            image = parts["image_encoder"](square)
            found, carried = parts["next_frame" if token else "first_frame"](*language, *token, *image)
            token = [carried]
            np.testing.assert_allclose(model.restore(found, (48, 48)).numpy(), logits, atol=1e-4)


@pytest.mark.slow
def test_what_says_how_the_parts_go_together(onnx_folder: Path) -> None:
    about = json.loads((onnx_folder / "export.json").read_text())
    assert {path.name for path in onnx_folder.iterdir()} == {*about["files"].values(), "export.json"}
    assert about["expressions"] == SENTENCES
    tokens = demo().text_encoder.tokenize(SENTENCES)
    assert about["ids"] == tokens.ids.tolist()
    assert about["mask"] == tokens.mask.tolist()
    assert about["image_size"] == 96


@pytest.mark.parametrize("kind", GRAPHS)
@pytest.mark.parametrize(
    ("tracker", "reason"),
    [
        ("no_tracker", "does not hand the same number of tokens"),
        ("frame_memory", "does not hand the same number of tokens"),
        ("candidate_tracks", "chooses among objects"),
    ],
)
def test_a_tracker_without_a_token_is_named(tmp_path: Path, kind: str, tracker: str, reason: str) -> None:
    model = create_model(image_encoder=vit_tiny(image_size=48), text_encoder=clip_tiny(layers=1), tracker=tracker)
    with pytest.raises(InputError, match=f"tracker {tracker} {reason}"):
        write_graphs(tmp_path / "graphs", model, kind)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(InputError, match=r"--format onnx needs onnxscript; install refsam-zoo\[export\]"):
        write_graphs(tmp_path / "graphs", demo(), "onnx")
