"""Samples of the image benchmarks from COCO's JSON files, the format every such system can write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.completeness import Completeness
from refsam_zoo.evaluation.images import ImageSample


def read_samples(predictions: Path, data: Path) -> tuple[list[ImageSample], Completeness]:
    """Reads predictions and ground truth.

    Args:
        predictions: COCO results, `[{"image_id", "segmentation", "score"}, ...]` with one entry per query, and for
            gRefCOCO also `{"image_id", "no_target": true}`. Masks are run lengths (RLE).
        data: COCO ground truth with `images` (`id`, `height`, `width`), one for each expression, and `annotations`
            (`image_id`, `segmentation`). Several annotations of an image are united; without any there is no target.

    Returns:
        One sample per image, in the order of the file, and what is missing. A sample without predictions has a single
        empty mask.

    Raises:
        InputError: A file is missing or wrong.
    """
    _require_pycocotools()
    truth = _read_json(data)
    answers: dict[str, list[Any]] = {}
    try:
        sizes = {str(image["id"]): (image["height"], image["width"]) for image in truth["images"]}
        masks = {name: np.zeros(size, bool) for name, size in sizes.items()}
        for annotation in truth["annotations"]:
            masks[str(annotation["image_id"])] |= _decode(annotation["segmentation"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"'{data}' is not COCO ground truth: {error!r}") from error
    try:
        for answer in _read_json(predictions):
            answers.setdefault(str(answer["image_id"]), []).append(answer)
        samples = [_sample(name, mask, answers.get(name, [])) for name, mask in masks.items()]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"'{predictions}' is not a list of COCO results: {error!r}") from error
    return samples, Completeness.of(masks, answers)


def _sample(name: str, mask: np.ndarray, answers: list[Any]) -> ImageSample:
    scored = [answer for answer in answers if "segmentation" in answer]
    predictions = np.zeros((max(len(scored), 1), *mask.shape), bool)
    for prediction, answer in zip(predictions, scored, strict=False):
        decoded = _decode(answer["segmentation"])
        if decoded.shape != mask.shape:
            raise ValueError(f"the mask of image {name} is {decoded.shape}, the ground truth {mask.shape}")
        prediction[:] = decoded
    scores = np.array([answer["score"] for answer in scored] or [0.0], np.float64)
    return ImageSample(name, mask, predictions, scores, any(answer.get("no_target") for answer in answers))


def _require_pycocotools() -> None:
    try:
        import pycocotools  # noqa: F401
    except ImportError as error:
        raise InputError("image protocols need pycocotools: pip install 'refsam-zoo[formats]'") from error


def _decode(segmentation: Any) -> np.ndarray:
    """Run lengths `{"size", "counts"}` -> bool `[H, W]`."""
    from pycocotools import mask as run_lengths

    if isinstance(segmentation["counts"], list):
        segmentation = run_lengths.frPyObjects(segmentation, *segmentation["size"])
    return run_lengths.decode(segmentation).astype(bool)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"'{path}' is not JSON: {error}") from error
