"""Samples of the image benchmarks: from COCO's JSON files, or from folders of masks and a data set's referrals."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.completeness import Completeness
from refsam_zoo.evaluation.expression_masks import LEVELS, group_by_video, mask_name, read_predictions
from refsam_zoo.evaluation.images import ImageSample, RunLengths, decode, encode
from refsam_zoo.evaluation.mask_archive import MaskArchive, open_masks
from refsam_zoo.types import Referral
from refsam_zoo.video.readers import open_video


@dataclass(frozen=True)
class _Truth:
    """The ground truth of one sample: its mask, and the size `(H, W)` of the image."""

    mask: RunLengths
    size: tuple[int, int]


def read_samples(predictions: Path, data: Path | Sequence[Referral]) -> tuple[list[ImageSample], Completeness]:
    """Reads predictions and ground truth, either of them as files of COCO's format or as masks.

    Args:
        predictions: COCO results, `[{"image_id", "segmentation", "score"}, ...]` with one entry per query, and for
            gRefCOCO also `{"image_id", "no_target": true}`, where masks are run lengths (RLE); or a folder or zip of
            `<image_id>.png`, every pixel above 0 in the target. A folder has one query per sample, with the score 1,
            and an empty mask is its word that there is no target.
        data: COCO ground truth with `images` (`id`, `height`, `width`), one for each expression, and `annotations`
            (`image_id`, `segmentation`), several of an image being united and none meaning no target; or the referrals
            of a data set, every frame of which is a sample with the id `<video>/<expression>/<frame>`.

    Returns:
        One sample per image in the order of the file, those of referrals about one video together, and what is
        missing. A sample without predictions has a single empty mask.

    Raises:
        InputError: A file is missing or wrong, a mask is of another size than its image, or there is no ground truth.
    """
    require_pycocotools()
    truth = _coco_truth(data) if isinstance(data, Path) else dict(_referral_truth(data))
    levels = () if isinstance(data, Path) else LEVELS
    if predictions.is_dir() or zipfile.is_zipfile(predictions):
        archive = open_masks(predictions).spelled_as(truth)
        samples = [_mask_sample(name, known, archive) for name, known in truth.items()]
        return samples, Completeness.of(truth, archive.files, levels)
    answers: dict[str, list[Any]] = {}
    try:
        for answer in _read_json(predictions):
            answers.setdefault(str(answer["image_id"]), []).append(answer)
        samples = [_answer_sample(name, known, answers.get(name, [])) for name, known in truth.items()]
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"'{predictions}' is not a list of COCO results: {error!r}") from error
    return samples, Completeness.of(truth, answers, levels)


def require_pycocotools() -> None:
    """Makes sure that run lengths can be read.

    Raises:
        InputError: pycocotools is not installed.
    """
    try:
        import pycocotools  # noqa: F401
    except ImportError as error:
        raise InputError("image protocols need pycocotools: pip install 'refsam-zoo[formats]'") from error


def _coco_truth(path: Path) -> dict[str, _Truth]:
    content = _read_json(path)
    try:
        parts: dict[str, list[Any]] = {str(image["id"]): [] for image in content["images"]}
        sizes = {str(image["id"]): (image["height"], image["width"]) for image in content["images"]}
        for annotation in content["annotations"]:
            parts[str(annotation["image_id"])].append(annotation["segmentation"])
        return {name: _Truth(encode(_union(parts[name], size)), size) for name, size in sizes.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"'{path}' is not COCO ground truth: {error!r}") from error


def _referral_truth(referrals: Sequence[Referral]) -> Iterator[tuple[str, _Truth]]:
    for about_video in group_by_video(referrals):
        with open_video(about_video[0].source, about_video[0].frames) as video:
            size = video.size
        for referral in about_video:
            if referral.masks is None:
                raise InputError(f"video '{referral.video_id}' has no ground truth to be evaluated against")
            masks = referral.masks.read(range(len(referral.frames)), size)
            for frame, mask in zip(referral.frames, masks, strict=True):
                yield mask_name(referral, frame), _Truth(encode(mask), size)


def _mask_sample(name: str, truth: _Truth, archive: MaskArchive) -> ImageSample:
    mask = read_predictions(archive, [name], truth.size)[0]
    return ImageSample(name, truth.mask, [encode(mask)], np.ones(1), not mask.any())


def _answer_sample(name: str, truth: _Truth, answers: list[Any]) -> ImageSample:
    scored = [answer for answer in answers if "segmentation" in answer]
    predictions = [encode(_read_mask(answer["segmentation"], truth.size)) for answer in scored]
    scores = np.array([answer["score"] for answer in scored] or [0.0], np.float64)
    no_target = any(answer.get("no_target") for answer in answers)
    return ImageSample(name, truth.mask, predictions or [encode(np.zeros(truth.size, bool))], scores, no_target)


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
