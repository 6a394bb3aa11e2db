"""From Python: segments frames by sentences, without files.

Usage: python examples/from_python.py
"""

from __future__ import annotations

import numpy as np

import refsam_zoo


def areas(model: refsam_zoo.RefSAM, frames: np.ndarray, expressions: list[str]) -> list[list[int]]:
    """Counts the pixels of each expression's mask, frame by frame.

    Args:
        model: The model.
        frames: RGB, uint8 `[T, H, W, 3]`.
        expressions: N sentences.

    Returns:
        T lists of N areas.
    """
    found = refsam_zoo.Predictor(model).stream(frames, expressions)
    return [[int(mask.sum()) for mask in frame.masks] for frame in found]


def main() -> None:
    """Prints the areas that a model with random weights finds in a black video."""
    try:
        model = refsam_zoo.create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen")
    except refsam_zoo.InputError as error:
        print(f"error: {error}")
        return
    print(areas(model, np.zeros((2, 48, 64, 3), np.uint8), ["the red circle", "the blue star"]))


if __name__ == "__main__":
    main()
