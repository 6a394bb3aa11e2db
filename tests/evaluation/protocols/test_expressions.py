from __future__ import annotations

import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsam_zoo import evaluate
from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.counts import contour_accuracy, count_pixels, region_similarity
from refsam_zoo.types import Referral, VideoSource
from refsam_zoo.video.masks import PaletteMasks

SIZE = (40, 60)


def _read(referral: Referral) -> np.ndarray:
    """The ground truth, bool `[T, H, W]`."""
    assert referral.masks is not None
    return referral.masks.read(range(len(referral.frames)), SIZE)


def _predicted(folder: Path, referral: Referral) -> np.ndarray:
    masks = folder / referral.video_id / referral.expression_id
    return np.stack([np.array(Image.open(masks / f"{frame}.png")) > 0 for frame in referral.frames])


def test_scores_are_means_over_frames_then_expressions(predictions: Path, referrals: list[Referral]) -> None:
    found = evaluate(predictions, "mevis", referrals)
    expected = []
    for referral in referrals:
        counts = count_pixels(_predicted(predictions, referral), _read(referral))
        expected.append((region_similarity(counts).mean(), contour_accuracy(counts).mean()))
    assert [(row["j"], row["f"]) for row in found.rows] == expected
    j, f = np.mean(expected, axis=0).tolist()
    assert (found.scores["j"], found.scores["f"]) == pytest.approx((j, f))
    absent = [row for row in found.rows if row["kind"] == "absent"]
    assert [row["j"] for row in absent] == [10 / 11] * 2
    assert [row["presence"] for row in found.rows] == [1, 1, 10 / 11] * 2
    assert [row["absent_with_mask"] for row in found.rows] == [None, None, 1 / 11] * 2
    assert (found.scores["presence"], found.scores["absent_with_mask"]) == (64 / 66, 1 / 11)
    assert found.completeness.complete


def test_zips_threads_and_the_servers_folder_change_nothing(
    predictions: Path, referrals: list[Referral], tmp_path: Path
) -> None:
    expected = evaluate(predictions, "mevis", referrals)
    zipped = Path(shutil.make_archive(str(tmp_path / "zipped"), "zip", predictions))
    assert evaluate(zipped, "mevis", referrals, threads=3) == expected
    shutil.move(predictions, tmp_path / "submission" / "Annotations")
    assert evaluate(tmp_path / "submission", "ref_youtube_vos", referrals).scores == expected.scores


def test_two_of_six_expressions_are_not_a_result(predictions: Path, referrals: list[Referral]) -> None:
    """MeViS's own evaluator prints 1.0 for two perfect expressions and says nothing about the other four."""
    for referral in referrals:
        folder = predictions / referral.video_id / referral.expression_id
        if referral.video_id == "v0" and referral.object_ids:
            for frame, mask in zip(referral.frames, _read(referral), strict=True):
                Image.fromarray(mask).save(folder / f"{frame}.png")
        else:
            shutil.rmtree(folder)
    with pytest.raises(InputError, match=r"1 of 2 videos, 2 of 6 expressions, 22 of 66 masks; 2 missing: v0/2, v1;"):
        evaluate(predictions, "mevis", referrals)
    found = evaluate(predictions, "mevis", referrals, on_incomplete="empty")
    j = [row["j"] for row in found.rows]
    assert j == [1, 1, 1, 0, 0, 1]  # an absent target is rightly met by an empty mask
    assert found.scores["jf"] == pytest.approx(4 / 6)
    assert found.completeness.missing == ("v0/2", "v1")


def test_extra_and_missing_frames_are_listed(predictions: Path, referrals: list[Referral]) -> None:
    folder = predictions / "v1" / "0"
    (folder / "00005.png").rename(folder / "00006.png")
    with pytest.raises(InputError, match=r"65 of 66 masks; 1 missing: v1/0/00005; 1 not asked for: v1/0/00006"):
        evaluate(predictions, "mevis", referrals)
    found = evaluate(predictions, "mevis", referrals, on_incomplete="empty")
    assert found.completeness.extra == ("v1/0/00006",)
    assert len(found.rows) == 6


def test_another_size_is_an_input_error(predictions: Path, referrals: list[Referral]) -> None:
    Image.new("L", (30, 20)).save(predictions / "v0" / "1" / "00010.png")
    with pytest.raises(InputError, match=r"v0/1/00010.png' is 20x30 but the video 40x60"):
        evaluate(predictions, "mevis", referrals)


def test_wrong_names_and_kinds_of_data(predictions: Path, referrals: list[Referral]) -> None:
    with pytest.raises(InputError, match="unknown protocol 'mevi'; did you mean 'mevis'"):
        evaluate(predictions, "mevi", referrals)
    with pytest.raises(InputError, match="give the data set's folder, or its referrals"):
        evaluate(predictions, "mevis", predictions / "v0" / "1" / "00010.png")
    with pytest.raises(InputError, match="give its path"):
        evaluate(predictions, "davis17", referrals)


def test_memory_does_not_grow_with_the_sentences(tmp_path: Path, referrals: list[Referral]) -> None:
    """64 sentences: reading the truth of eight frames for all of them at once takes 31 MB, of two 9."""
    mask, frames, folder = np.zeros((120, 160), bool), tuple(f"{number:05d}" for number in range(12)), tmp_path / "long"
    mask[30:80, 40:90] = True
    (folder / "frames").mkdir(parents=True)
    (folder / "masks" / "v").mkdir(parents=True)
    (folder / "predictions" / "v").mkdir(parents=True)
    for frame in frames:
        Image.fromarray(mask).convert("RGB").save(folder / "frames" / f"{frame}.jpg")
        Image.fromarray(mask.astype(np.uint8)).save(folder / "masks" / "v" / f"{frame}.png")
    asked = []
    for number in range(64):
        (folder / "predictions" / "v" / str(number)).symlink_to(folder / "masks" / "v")
        masks = PaletteMasks(folder / "masks" / "v", frames, (1,))
        source = VideoSource(folder / "frames")
        asked.append(
            replace(referrals[0], video_id="v", expression_id=str(number), frames=frames, source=source, masks=masks)
        )
    evaluate(folder / "predictions", "mevis", asked[:1], on_incomplete="empty")  # imports
    tracemalloc.start()
    found = evaluate(folder / "predictions", "mevis", asked)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.scores["j"] == 1
    assert peak < 12e6
