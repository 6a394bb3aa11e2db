from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from refsam_zoo.clips.clip_sampling import WholeVideoSampling
from refsam_zoo.clips.clips import collate
from refsam_zoo.data_modules import ClipAugmentation, ReferYouTubeVOS
from refsam_zoo.errors import InputError
from refsam_zoo.types import Clip, ClipBatch

TreeWriter = Callable[..., Path]


def make_data(root: Path, stage: str = "fit", **options: Any) -> ReferYouTubeVOS:
    data = ReferYouTubeVOS(root, **({"workers": 0, "holdout": 0.4} | options))
    data.setup(stage)
    return data


def same(first: ClipBatch, second: ClipBatch) -> bool:
    assert first.masks is not None
    assert second.masks is not None
    return (
        torch.equal(first.frames, second.frames)
        and torch.equal(first.masks, second.masks)
        and first.expressions == second.expressions
    )


def test_training_batches_have_the_promised_shapes(make_tree: TreeWriter) -> None:
    data = make_data(make_tree(), clip_frames=3, expressions_per_clip=2, batch_size=2)
    (batch,) = data.train_dataloader()
    assert batch.frames.shape == (2, 3, 3, 48, 64)
    assert batch.frames.dtype == torch.uint8
    assert batch.masks is not None
    assert batch.masks.shape == (4, 3, 48, 64)
    assert batch.masks.dtype == torch.bool
    assert batch.clip_index.tolist() == [0, 0, 1, 1]
    assert batch.sizes == [(48, 64), (48, 64)]
    for row, index in enumerate(batch.clip_index.tolist()):
        colour = batch.frames[index].float().mean(1)[batch.masks[row]].mean()
        assert colour > 200 if "bright" in batch.expressions[row] else colour < 40


def test_clips_of_other_sizes_are_padded() -> None:
    clips = [
        Clip(np.full((2, h, w, 3), 7, np.uint8), ("0", "1"), (), ("a",) * count, np.ones((count, 2, h, w), bool))
        for h, w, count in [(4, 9, 1), (6, 5, 3)]
    ]
    batch = collate(clips)
    assert batch.frames.shape == (2, 2, 3, 6, 9)
    assert batch.sizes == [(4, 9), (6, 5)]
    assert batch.clip_index.tolist() == [0, 1, 1, 1]
    assert batch.frames.sum() == 7 * 2 * 3 * (4 * 9 + 6 * 5)
    assert batch.masks is not None
    assert batch.masks.sum(dim=(1, 2, 3)).tolist() == [72, 60, 60, 60]


@pytest.mark.parametrize("workers", [0, 1])
def test_whole_videos_of_other_lengths_fit_in_no_batch(make_tree: TreeWriter, workers: int) -> None:
    options = {"clip_sampling": WholeVideoSampling(), "batch_size": 2, "workers": workers}
    data = make_data(make_tree(videos={"aa": 5, "bb": 9, "cc": 7}), **options)
    with pytest.raises(InputError, match=r"^clips of \d and of \d frames fit in no batch; set batch_size to 1$"):
        next(iter(data.train_dataloader()))


@pytest.mark.parametrize(("unit", "length"), [("video", 2), ("expression", 4), ("frame", 28)])
def test_the_unit_of_an_epoch(make_tree: TreeWriter, unit: Any, length: int) -> None:
    root = make_tree(videos={"aa": 5, "bb": 9, "cc": 5})
    data = make_data(root, unit=unit)
    lengths = [len(r.frames) for r in data.referrals("train")]
    assert len(data.train_dataloader()) == (sum(lengths) if unit == "frame" else length)
    assert len(make_data(root, unit=unit, epoch_length=7).train_dataloader()) == 7


def test_batches_do_not_depend_on_the_number_of_workers(make_tree: TreeWriter) -> None:
    root = make_tree()
    options: dict[str, Any] = {"augmentation": ClipAugmentation(colour=0.5), "epoch_length": 5, "batch_size": 2}
    alone, shared = (list(make_data(root, workers=workers, **options).train_dataloader()) for workers in (0, 2))
    assert all(same(first, second) for first, second in zip(alone, shared, strict=True))


def test_epochs_differ_and_repeat_from_the_seed(make_tree: TreeWriter) -> None:
    loader = make_data(make_tree(), augmentation=ClipAugmentation()).train_dataloader()
    first, again = list(loader), list(loader)
    loader.batch_sampler.sampler.set_epoch(1)
    other = list(loader)
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert not all(same(a, b) for a, b in zip(first, other, strict=True))


def test_evaluation_gives_whole_videos_in_windows(make_tree: TreeWriter) -> None:
    data = make_data(make_tree(videos={"aa": 5, "bb": 9}), "test", window=4, text_blind=False)
    (loader,) = data.test_dataloader()
    batches = list(loader)
    assert all(len(batch.expressions) == 2 for batch in batches)
    seen = [(batch.clips[0].referrals[0].video_id, *batch.clips[0].frame_names) for batch in batches]
    video = seen[0][0]
    names = [f"{5 * number:05d}" for number in range({"aa": 5, "bb": 9}[video])]
    assert [name for window in seen for name in window[1:]] == names
    assert [batch.clips[0].first for batch in batches] == [True] + [False] * (len(batches) - 1)
    assert not any(batch.clips[0].repeated for batch in batches)


def test_the_text_blind_control_is_the_last_test_subset(make_tree: TreeWriter) -> None:
    data = make_data(make_tree(videos={name: 3 for name in "abcd"}), "test", holdout=0.5)
    assert data.subset_names == ["test", "text_blind"]
    main, blind = ([b for b in loader] for loader in data.test_dataloader())
    for true, false in zip(main, blind, strict=True):
        assert torch.equal(true.frames, false.frames)
        assert true.masks is not None
        assert false.masks is not None
        assert torch.equal(true.masks, false.masks)
        assert not set(true.expressions) & set(false.expressions)


def test_without_another_video_the_control_is_left_out_with_a_warning(make_tree: TreeWriter) -> None:
    with pytest.warns(UserWarning, match="no text-blind control"):
        data = make_data(make_tree(videos={"a": 3, "b": 3}), "test")
    assert data.subset_names == ["test"]


def test_data_sets_are_picklable_after_use(make_tree: TreeWriter) -> None:
    loader = make_data(make_tree(), augmentation=ClipAugmentation()).train_dataloader()
    list(loader)
    copy = pickle.loads(pickle.dumps(loader.dataset))
    draw = next(iter(loader.batch_sampler.sampler))
    assert np.array_equal(copy[draw].clip.frames, loader.dataset[draw].clip.frames)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_frame_stops_training_with_one_line(make_tree: TreeWriter, workers: int) -> None:
    root = make_tree()
    for file in root.glob("train/JPEGImages/*/00005.jpg"):
        file.write_bytes(file.read_bytes()[:200])
    data = make_data(root, workers=workers, unit="frame")
    with pytest.raises(InputError, match=r"00005\.jpg: damaged JPEG") as caught:
        list(data.train_dataloader())
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_frame_may_cost_one_sample_and_one_warning(make_tree: TreeWriter, workers: int) -> None:
    root = make_tree(videos={name: 3 for name in "abcdef"})
    data = make_data(root, workers=workers, on_bad_sample="skip", epoch_length=24)
    video = data.referrals("train")[0].video_id
    (root / f"train/JPEGImages/{video}/00005.jpg").write_bytes(b"")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        batches = list(data.train_dataloader())
    messages = [str(warning.message) for warning in caught if "skipped" in str(warning.message)]
    assert len(messages) == 1
    assert "00005.jpg" in messages[0]
    assert len(batches) == 24
    assert video not in {batch.clips[0].referrals[0].video_id for batch in batches}


def test_evaluation_stops_at_a_damaged_frame_even_when_skipping(make_tree: TreeWriter) -> None:
    root = make_tree()
    data = make_data(root, "test", on_bad_sample="skip", text_blind=False)
    for file in root.glob("train/JPEGImages/*/00005.jpg"):
        file.write_bytes(b"")
    with pytest.raises(InputError, match=r"00005\.jpg"):
        list(data.test_dataloader()[0])


def test_a_data_set_of_bad_samples_is_not_skipped_for_ever(make_tree: TreeWriter) -> None:
    root = make_tree()
    data = make_data(root, on_bad_sample="skip")
    for file in root.glob("train/JPEGImages/*/*.jpg"):
        file.write_bytes(b"")
    with pytest.raises(InputError, match=r"\.jpg"):
        list(data.train_dataloader())


@pytest.mark.parametrize("option", ["clip_frames", "expressions_per_clip", "batch_size", "window", "epoch_length"])
def test_counts_must_be_positive(tmp_path: Path, option: str) -> None:
    with pytest.raises(InputError, match=f"{option} must be at least 1"):
        ReferYouTubeVOS(tmp_path, **{option: 0})


class Recorder(LightningModule):
    """Trains one number and notes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.trained: list[tuple[int, str]] = []
        self.tested: list[tuple[int, str, bool]] = []

    def training_step(self, batch: ClipBatch, index: int) -> torch.Tensor:
        self.trained += [(self.current_epoch, sentence) for sentence in batch.expressions]
        return self.weight * batch.frames.float().mean()

    def validation_step(self, batch: ClipBatch, index: int) -> None:
        assert batch.masks is not None

    def test_step(self, batch: ClipBatch, index: int, dataloader_idx: int = 0) -> None:
        self.tested += [(dataloader_idx, sentence, batch.clips[0].repeated) for sentence in batch.expressions]

    def predict_step(self, batch: ClipBatch, index: int) -> list[str]:
        return [clip.referrals[0].video_id for clip in batch.clips]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class Interrupt(Callback):
    """Ends training after some steps as a power cut would: the only checkpoint is the one written in mid-epoch."""

    def __init__(self, steps: int, file: Path) -> None:
        self.steps, self.file = steps, file

    def on_train_batch_end(self, trainer: Trainer, *args: object) -> None:
        if trainer.global_step == self.steps:
            trainer.save_checkpoint(self.file)
            trainer.should_stop = True
            trainer.limit_train_batches = 0


def make_trainer(folder: Path, *callbacks: Callback) -> Trainer:
    return Trainer(
        accelerator="cpu", max_epochs=2, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=folder, callbacks=list(callbacks), num_sanity_val_steps=0,
    )  # fmt: skip


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("steps", [3, 8, 11])
def test_training_resumes_in_the_middle_of_an_epoch(
    make_tree: TreeWriter, tmp_path: Path, steps: int, workers: int
) -> None:
    root = make_tree(videos={name: 3 for name in "abcdefgh"})
    options: dict[str, Any] = {"workers": workers, "holdout": 0.2, "epoch_length": 16, "batch_size": 2}
    whole, before, after = Recorder(), Recorder(), Recorder()
    make_trainer(tmp_path).fit(whole, ReferYouTubeVOS(root, **options))
    assert len(whole.trained) == 2 * 16
    make_trainer(tmp_path, Interrupt(steps, tmp_path / "x.ckpt")).fit(before, ReferYouTubeVOS(root, **options))
    make_trainer(tmp_path).fit(after, ReferYouTubeVOS(root, **options), ckpt_path=str(tmp_path / "x.ckpt"))
    assert before.trained[: 2 * steps] == whole.trained[: 2 * steps]
    assert after.trained == whole.trained[2 * steps :]


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    return make_trainer(tmp_path)


def test_lightning_trains_tests_and_predicts_with_it(make_tree: TreeWriter, trainer: Trainer) -> None:
    root = make_tree(videos={name: 3 for name in "abcdef"})
    make_tree("valid", videos={"x": 3}, truth=False)
    model, data = Recorder(), ReferYouTubeVOS(root, workers=0, holdout=0.3)
    trainer.fit(model, data)
    assert len(model.trained) == 8
    assert {epoch for epoch, _ in model.trained} == {0, 1}
    trainer.test(model, data, verbose=False)
    assert [(loader, repeated) for loader, _, repeated in model.tested] == [(0, False)] * 4 + [(1, False)] * 4
    assert trainer.predict(model, data) == [["x"]]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_video_left_open_neither_travels_with_the_data_set_nor_stays_open(
    make_tree: TreeWriter, workers: int
) -> None:
    clips = (data := make_data(make_tree(), workers=workers, video_backend="pyav")).training_clips()
    batches = iter(data.train_dataloader())
    next(batches)
    assert pickle.loads(pickle.dumps(clips)).opener.backend == "pyav"
    del batches
    assert clips.opener._reader is None
