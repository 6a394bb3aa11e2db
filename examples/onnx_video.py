"""Runs a model of `refsam-zoo export --format onnx` over a video, with NumPy and onnxruntime or OpenVINO alone.

Usage: python examples/onnx_video.py MODEL FRAMES.npy MASKS.npy [openvino]

FRAMES.npy: RGB, uint8 [T, H, W, 3]. MASKS.npy: bool [T, N, H, W] for the N sentences of `export --expressions`.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np


def resizing(inputs: int, outputs: int, antialias: bool = False) -> np.ndarray:
    """Linear interpolation as a matrix, float32 [outputs, inputs]."""
    scale = inputs / outputs
    places = (np.arange(outputs)[:, None] + 0.5) * scale - 0.5
    weights = np.maximum(0, 1 - np.abs(places - np.arange(inputs)) / (max(scale, 1) if antialias else 1))
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def load(file: Path, runtime: str) -> Callable[..., Iterable[np.ndarray]]:
    """Gives what a file computes as a function of its inputs, in their order."""
    if runtime == "openvino":
        import openvino

        graph = openvino.compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        return lambda *values: graph(values, share_outputs=False).to_tuple()  # shared ones last until the next call
    import onnxruntime

    session = onnxruntime.InferenceSession(file)
    return lambda *values: session.run(None, dict(zip((i.name for i in session.get_inputs()), values, strict=True)))


def segment(folder: Path, frames: Iterable[np.ndarray], runtime: str = "onnxruntime") -> Iterator[np.ndarray]:
    """Gives the logits of each frame, float32 [N, H, W]; frames are RGB, uint8 [H, W, 3]."""
    model = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    run = {part: load(folder / file, runtime) for part, file in model["files"].items()}
    side, ids, mask = model["image_size"], np.array(model["ids"]), np.array(model["mask"])
    mean, std = (np.array(model[name], np.float32)[:, None, None] for name in ("pixel_mean", "pixel_std"))
    language = [*run["text_encoder"](ids, mask), mask]
    token: list[np.ndarray] = []
    for frame in frames:
        size = frame.shape[:2]
        small = [max(1, int(length * side / max(size) + 0.5)) for length in size]
        rows, columns = (resizing(length, new, antialias=True) for length, new in zip(size, small, strict=True))
        pixels = np.rint(rows @ frame.transpose(2, 0, 1) @ columns.T)
        square = np.zeros((1, 3, side, side), np.float32)
        square[0, :, : small[0], : small[1]] = (pixels - mean) / std
        logits, *token = run["next_frame" if token else "first_frame"](*language, *token, *run["image_encoder"](square))
        up = resizing(logits.shape[-1], side)
        rows, columns = (resizing(new, length) @ up[:new] for length, new in zip(size, small, strict=True))
        yield rows @ logits @ columns.T


if __name__ == "__main__":
    found = segment(Path(sys.argv[1]), np.load(sys.argv[2], mmap_mode="r"), *sys.argv[4:])
    np.save(sys.argv[3], np.array([logits > 0 for logits in found]))
