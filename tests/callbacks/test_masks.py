from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from formats.referring_folder import copy_video
from formats.referring_folder import write_table as write_csv_table
from lightning.pytorch import LightningModule, Trainer
from PIL import Image
from torch.utils.data import DataLoader

from refsam_zoo.callbacks.masks import MaskWriter
from refsam_zoo.clips.reading import read_clip
from refsam_zoo.data_modules import ReferringFolder
from refsam_zoo.errors import InputError
from refsam_zoo.types import Clip, ClipBatch, Referral, VideoSource
from refsam_zoo.video.masks import read_indexed

SIZES = {"a": (6, 8), "b": (4, 10)}


class Echo(LightningModule):
    """Predicts the ground truth."""

    def test_step(self, batch: ClipBatch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        return {"predictions": batch.masks}

    predict_step = test_step


class Full(LightningModule):
    """Finds every target everywhere."""

    def predict_step(self, batch: ClipBatch, batch_idx: int) -> dict[str, Any]:
        frames = batch.frames.shape[1]
        height, width = batch.sizes[0]
        return {"predictions": torch.ones(len(batch.expressions), frames, height, width, dtype=torch.bool)}


class Interrupted(Echo):
    """Fails in the second batch."""

    def test_step(self, batch: ClipBatch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        if batch_idx == 1:
            raise InputError("a frame is damaged")
        return super().test_step(batch, batch_idx, dataloader_idx)


def make_clip(video: str, start: int, repeated: bool = False) -> Clip:
    names = tuple(f"{frame:05d}" for frame in range(start, start + 2))
    referrals = tuple(Referral(video, key, "it", (1,), names, VideoSource(Path("frames"))) for key in ("0", "7"))
    return Clip(np.empty(0), names, referrals, ("it", "it"), None, start == 0, repeated)


def make_batch(*clips: Clip) -> ClipBatch:
    masks = torch.zeros(2 * len(clips), 2, 6, 10, dtype=torch.bool)
    for index, clip in enumerate(clips):
        height, width = SIZES[clip.referrals[0].video_id]
        seed = int(clip.frame_names[0])
        drawn = np.random.default_rng(seed).random((2, 2, height, width)) > 0.5
        masks[2 * index : 2 * index + 2, :, :height, :width] = torch.from_numpy(drawn)
    return ClipBatch(
        frames=torch.zeros(len(clips), 2, 3, 6, 10, dtype=torch.uint8),
        sizes=[SIZES[clip.referrals[0].video_id] for clip in clips],
        expressions=["it"] * 2 * len(clips),
        clip_index=torch.arange(len(clips)).repeat_interleave(2),
        masks=masks,
        clips=list(clips),
    )


def make_loader(*batches: ClipBatch) -> DataLoader[ClipBatch]:
    return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]


FIRST = make_batch(make_clip("a", 0), make_clip("b", 0))
LOADER = make_loader(FIRST, make_batch(make_clip("a", 2), make_clip("b", 0, True)))


def make_trainer(root: Path, *callbacks: MaskWriter) -> Trainer:
    return Trainer(
        accelerator="cpu",
        devices=1,
        default_root_dir=root,
        callbacks=list(callbacks),
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def test_masks_of_a_test_run(tmp_path: Path) -> None:
    control = make_loader(make_batch(make_clip("a", 4)))
    make_trainer(tmp_path, MaskWriter()).test(Echo(), [LOADER, control], verbose=False)

    written = {str(path.relative_to(tmp_path / "masks")) for path in (tmp_path / "masks").rglob("*.png")}
    expected = {f"a/{key}/{frame:05d}.png" for key in "07" for frame in range(4)}
    expected |= {f"b/{key}/{frame:05d}.png" for key in "07" for frame in range(2)}
    assert written == expected, "neither the second test set nor anything unfinished"
    masks = FIRST.masks
    assert masks is not None
    np.testing.assert_array_equal(
        read_indexed(tmp_path / "masks/b/7/00001.png", SIZES["b"]), masks[3, 1, :4, :10], "the clip without padding"
    )


def test_masks_of_a_prediction_in_a_folder_of_ones_own(tmp_path: Path) -> None:
    make_trainer(tmp_path, MaskWriter(tmp_path / "mine")).predict(Echo(), LOADER, return_predictions=False)
    assert len(list((tmp_path / "mine").rglob("*.png"))) == 12
    assert not (tmp_path / "masks").exists()


def test_earlier_result_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "masks" / "a").mkdir(parents=True)
    with pytest.raises(InputError, match="not empty"):
        make_trainer(tmp_path, MaskWriter()).test(Echo(), LOADER, verbose=False)
    assert list((tmp_path / "masks" / "a").iterdir()) == []


def test_masks_written_before_an_error_are_kept(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="damaged"):
        make_trainer(tmp_path, MaskWriter()).test(Interrupted(), LOADER, verbose=False)
    assert len(list((tmp_path / "masks").rglob("*.png"))) == 8


def data_root(folder: Path) -> Path:
    (folder / "data").mkdir()
    return folder / "data"


def test_predicted_masks_are_a_table_to_train_on(shapes: list[Referral], tmp_path: Path) -> None:
    """Videos and sentences alone are pre-labelled, a mask is corrected, and the result is trained on."""
    first = [referral for referral in shapes if referral.video_id == shapes[0].video_id]
    video = copy_video(data_root(tmp_path), first[0], "mp4")["video"]
    write_csv_table(tmp_path / "data", [{"video": video, "expression": referral.expression} for referral in first])
    data = ReferringFolder(tmp_path / "data", workers=0, window=3)
    folder = tmp_path / "data" / "predicted"
    make_trainer(tmp_path, MaskWriter(folder)).predict(Full(), datamodule=data, return_predictions=False)
    found = ReferringFolder(tmp_path / "data", table=folder / "annotations.csv").referrals("predict")
    assert [referral.expression for referral in found] == [referral.expression for referral in first]
    Image.new("L", (64, 64)).save(folder / found[0].video_id / found[0].expression_id / "00002.png")
    masks = read_clip(found, range(6)).masks
    assert masks is not None
    assert masks.reshape(len(found), 6, -1).all(axis=2).sum() == 6 * len(found) - 1
    assert not masks[0, 2].any()


def test_no_table_of_masks_outside_the_data_set(shapes: list[Referral], tmp_path: Path) -> None:
    video = copy_video(data_root(tmp_path), shapes[0], "mp4")["video"]
    write_csv_table(tmp_path / "data", [{"video": video, "expression": "x"}])
    data = ReferringFolder(tmp_path / "data", workers=0)
    make_trainer(tmp_path, MaskWriter(tmp_path / "run")).predict(Full(), datamodule=data, return_predictions=False)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["videos-" + Path(video).name]
