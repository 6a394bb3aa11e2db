"""Runs a model of `refsam-zoo export --format onnx` over a video, with onnxruntime and NumPy alone.

Usage: python examples/onnx_video.py MODEL FRAMES.npy MASKS.npy

FRAMES.npy: RGB, uint8 [T, H, W, 3]. MASKS.npy: bool [T, N, H, W] for the N sentences of `export --expressions`.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime


def resizing(inputs: int, outputs: int, antialias: bool = False) -> np.ndarray:
    """Linear interpolation as a matrix, float32 [outputs, inputs]."""
    scale = inputs / outputs
    places = (np.arange(outputs)[:, None] + 0.5) * scale - 0.5
    weights = np.maximum(0, 1 - np.abs(places - np.arange(inputs)) / (max(scale, 1) if antialias else 1))
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def segment(folder: Path, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Gives the logits of each frame, float32 [N, H, W]; frames are RGB, uint8 [H, W, 3]."""
    model = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    files = {part: onnxruntime.InferenceSession(folder / file) for part, file in model["files"].items()}
    side, ids, mask = model["image_size"], np.array(model["ids"]), np.array(model["mask"])

    def run(part: str, *values: np.ndarray) -> list[np.ndarray]:
        return files[part].run(None, {i.name: value for i, value in zip(files[part].get_inputs(), values, strict=True)})

    mean, std = (np.array(model[name], np.float32)[:, None, None] for name in ("pixel_mean", "pixel_std"))
    language = [*run("text_encoder", ids, mask), mask]
    token: list[np.ndarray] = []
    for frame in frames:
        size = frame.shape[:2]
        small = [max(1, int(length * side / max(size) + 0.5)) for length in size]
        rows, columns = (resizing(length, new, antialias=True) for length, new in zip(size, small, strict=True))
        pixels = np.rint(rows @ frame.transpose(2, 0, 1) @ columns.T)
        square = np.zeros((1, 3, side, side), np.float32)
        square[0, :, : small[0], : small[1]] = (pixels - mean) / std
        image = run("image_encoder", square)
        logits, track_token = run("next_frame" if token else "first_frame", *language, *token, *image)
        token = [track_token]
        up = resizing(logits.shape[-1], side)
        rows, columns = (resizing(new, length) @ up[:new] for length, new in zip(size, small, strict=True))
        yield rows @ logits @ columns.T


if __name__ == "__main__":
    video = np.load(sys.argv[2], mmap_mode="r")
    np.save(sys.argv[3], np.array([logits > 0 for logits in segment(Path(sys.argv[1]), video)]))
