"""Samples of the image benchmarks: from COCO's JSON files, or from folders of masks and a data set's referrals."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.completeness import Completeness
from refsam_zoo.evaluation.expression_masks import LEVELS, group_by_video, mask_name, read_predictions
from refsam_zoo.evaluation.images import ImageSample, RunLengths, encode
from refsam_zoo.evaluation.mask_archive import MaskArchive, open_masks
from refsam_zoo.types import Referral
from refsam_zoo.video.entries import Entry, read_json
from refsam_zoo.video.readers import open_video
from refsam_zoo.video.run_lengths import MaskError
from refsam_zoo.video.segmentations import LARGEST_SIDE, parse_segmentation

LARGEST_ID = 2**53


@dataclass(frozen=True)
class _Truth:
    """The ground truth of one sample: its mask, and the size `(H, W)` of the image."""

    mask: RunLengths
    size: tuple[int, int]


def read_samples(predictions: Path, data: Path | Sequence[Referral]) -> tuple[list[ImageSample], Completeness]:
    """Reads predictions and ground truth, either of them as files of COCO's format or as masks.

    Args:
        predictions: COCO results, `[{"image_id", "segmentation", "score"}, ...]` with one entry per query, and for
            gRefCOCO also `{"image_id", "no_target": true}`, where masks are run lengths (RLE) or polygons; or a folder
            or zip of `<image_id>.png`, every pixel above 0 in the target. A folder has one query per sample, with the
            score 1, and an empty mask is its word that there is no target.
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
    answers: dict[str, list[Entry]] = {}
    for answer in read_json(predictions).list():
        answers.setdefault(_image_name(answer["image_id"]), []).append(answer)
    samples = [_answer_sample(name, known, answers.get(name, [])) for name, known in truth.items()]
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
    content = read_json(path)
    images: dict[str, Entry] = {}
    for image in content["images"].list():
        name = _image_name(image["id"])
        if images.setdefault(name, image) is not image:
            image.fail(f"the id {name} is there already: {images[name].key}")
    if not images:
        content["images"].fail("there is no image")
    parts: dict[str, list[Entry]] = {name: [] for name in images}
    for annotation in content["annotations"].list():
        name = _image_name(annotation["image_id"])
        if name not in parts:
            annotation["image_id"].fail(f"there is no image {name} in images")
        parts[name].append(annotation["segmentation"])
    sizes = {name: (_side(image["height"]), _side(image["width"])) for name, image in images.items()}
    return {name: _Truth(encode(_union(parts[name], size)), size) for name, size in sizes.items()}


def _image_name(entry: Entry) -> str:
    """The id of an image: text, or a whole number."""
    return entry.value if isinstance(entry.value, str) else str(entry.integer(largest=LARGEST_ID))


def _side(entry: Entry) -> int:
    return entry.integer(1, LARGEST_SIDE)


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


def _answer_sample(name: str, truth: _Truth, answers: list[Entry]) -> ImageSample:
    flags = [answer.get("no_target") for answer in answers]
    no_target = any([flag.flag() for flag in flags if flag is not None])
    # An answer may say that there is no target and nothing else.
    scored = [answer for answer, flag in zip(answers, flags, strict=True) if flag is None or "segmentation" in answer]
    predictions = [encode(_draw(answer["segmentation"], truth.size)) for answer in scored]
    scores = np.array([answer["score"].number() for answer in scored] or [0.0], np.float64)
    return ImageSample(name, truth.mask, predictions or [encode(np.zeros(truth.size, bool))], scores, no_target)


def _union(segmentations: list[Entry], size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, bool)
    for segmentation in segmentations:
        mask |= _draw(segmentation, size)
    return mask


def _draw(entry: Entry, size: tuple[int, int]) -> np.ndarray:
    segmentation = parse_segmentation(entry)
    try:
        return segmentation.mask(size)
    except MaskError as error:
        entry.fail(str(error))
