"""Samples of the image benchmarks: from COCO's JSON files, or from folders of masks and a data set's referrals."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.completeness import Completeness
from refsam_zoo.evaluation.expression_masks import LEVELS, expected_masks, group_by_video, mask_name, read_predictions
from refsam_zoo.evaluation.images import ImageSample, RunLengths, decode, encode
from refsam_zoo.evaluation.mask_archive import MaskArchive
from refsam_zoo.types import Referral
from refsam_zoo.video.masks import read_masks
from refsam_zoo.video.readers import open_video


def read_samples(predictions: Path, data: Path) -> tuple[list[ImageSample], Completeness]:
    """Reads predictions and ground truth of COCO's format.

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
    require_pycocotools()
    truth = _read_json(data)
    answers: dict[str, list[Any]] = {}
    try:
        parts: dict[str, list[Any]] = {str(image["id"]): [] for image in truth["images"]}
        sizes = {str(image["id"]): (image["height"], image["width"]) for image in truth["images"]}
        for annotation in truth["annotations"]:
            parts[str(annotation["image_id"])].append(annotation["segmentation"])
        masks = {name: encode(_union(parts[name], sizes[name])) for name in parts}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"'{data}' is not COCO ground truth: {error!r}") from error
    try:
        for answer in _read_json(predictions):
            answers.setdefault(str(answer["image_id"]), []).append(answer)
        samples = [_sample(name, mask, sizes[name], answers.get(name, [])) for name, mask in masks.items()]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"'{predictions}' is not a list of COCO results: {error!r}") from error
    return samples, Completeness.of(masks, answers)


def referral_samples(archive: MaskArchive, referrals: Sequence[Referral]) -> tuple[list[ImageSample], Completeness]:
    """Makes samples of masks and of a data set's own ground truth.

    Args:
        archive: `<video>/<expression>/<frame>.png`, every pixel above 0 in the target. A folder of masks has one query
            per expression, with the score 1, and an empty mask is its word that there is no target.
        referrals: What was asked; every frame of each makes a sample.

    Returns:
        The samples, those about one video together, and what is missing; missing masks are empty.

    Raises:
        InputError: There is no ground truth, a mask cannot be read or is of another size than its frame.
    """
    require_pycocotools()
    samples = [sample for video in group_by_video(referrals) for sample in _video_samples(archive, video)]
    return samples, Completeness.of(expected_masks(referrals), archive.files, LEVELS)


def require_pycocotools() -> None:
    """Makes sure that run lengths can be read.

    Raises:
        InputError: pycocotools is not installed.
    """
    try:
        import pycocotools  # noqa: F401
    except ImportError as error:
        raise InputError("image protocols need pycocotools: pip install 'refsam-zoo[formats]'") from error


def _video_samples(archive: MaskArchive, referrals: Sequence[Referral]) -> Iterator[ImageSample]:
    with open_video(referrals[0].source, referrals[0].frames) as video:
        size = video.size
    for referral in referrals:
        names = [mask_name(referral, frame) for frame in referral.frames]
        if referral.masks is None:
            raise InputError(f"video '{referral.video_id}' has no ground truth to be evaluated against")
        truth = read_masks([referral.masks], range(len(names)), size)[0]
        for name, mask, predicted in zip(names, truth, read_predictions(archive, names, size), strict=True):
            yield ImageSample(name, encode(mask), [encode(predicted)], np.ones(1), not predicted.any())


def _sample(name: str, mask: RunLengths, size: tuple[int, int], answers: list[Any]) -> ImageSample:
    scored = [answer for answer in answers if "segmentation" in answer]
    predictions = [encode(_read_mask(answer["segmentation"], size)) for answer in scored]
    scores = np.array([answer["score"] for answer in scored] or [0.0], np.float64)
    no_target = any(answer.get("no_target") for answer in answers)
    return ImageSample(name, mask, predictions or [encode(np.zeros(size, bool))], scores, no_target)


def _union(segmentations: list[Any], size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, bool)
    for segmentation in segmentations:
        mask |= _read_mask(segmentation, size)
    return mask


def _read_mask(segmentation: Any, size: tuple[int, int]) -> np.ndarray:
    """Run lengths `{"size", "counts"}` -> bool `[H, W]`."""
    from pycocotools import mask as run_lengths

    found = tuple(segmentation["size"])
    if found != size:
        raise ValueError(f"a mask is {found}, its image {size}")
    if isinstance(segmentation["counts"], list):
        if sum(segmentation["counts"]) != size[0] * size[1]:
            raise ValueError(f"the run lengths of a mask come to {sum(segmentation['counts'])} pixels, not {size}")
        segmentation = run_lengths.frPyObjects(segmentation, *size)
    return decode(segmentation)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"'{path}' is not JSON: {error}") from error
