from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader
from warm_process import WarmProcess

from refsam_zoo.callbacks.scores import EvaluationCallback
from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.counts import contour_accuracy, count_pixels, region_similarity
from refsam_zoo.types import Clip, ClipBatch, Referral, VideoSource

FRAMES = 5
SIZES = [(24, 40), (30, 32), (24, 40), (20, 28), (26, 36)]


def _video(index: int) -> tuple[list[Referral], np.ndarray, np.ndarray]:
    """Two referrals about a video, its frames uint8 `[T, H, W, 3]` and its masks bool `[2, T, H, W]`."""
    random = np.random.default_rng(index)
    height, width = SIZES[index]
    names = tuple(f"{position:05d}" for position in range(FRAMES))
    masks = np.zeros((2, FRAMES, height, width), bool)
    for position in range(FRAMES):
        masks[0, position, 4:14, 5 + position : 17 + position] = True
    frames = random.integers(0, 255, (FRAMES, height, width, 3), dtype=np.uint8)
    kinds = ("attribute", "absent")
    referrals = [
        Referral(f"v{index}", str(e), f"sentence {e}", (), names, VideoSource(Path()), tags={"kind": kinds[e]})
        for e in range(2)
    ]
    return referrals, frames, masks


def _predict(frames: Tensor, expression: int) -> Tensor:
    """Some function of the pixels alone, true on the black of padding for the second expression: bool `[T, H, W]`."""
    brightness = frames.float().mean(1)
    return brightness > 150 if expression == 0 else brightness < 60


def _clip(index: int, start: int, stop: int, repeated: bool = False, prefix: str = "") -> tuple[Clip, Tensor, Tensor]:
    referrals, frames, masks = _video(index)
    clip = Clip(
        frames=np.empty(0),
        frame_names=referrals[0].frames[start:stop],
        referrals=tuple(referrals),
        expressions=tuple(prefix + referral.expression for referral in referrals),
        masks=None,
        repeated=repeated,
    )
    return clip, torch.from_numpy(frames[start:stop]).permute(0, 3, 1, 2), torch.from_numpy(masks[:, start:stop])


def _batch(parts: list[tuple[Clip, Tensor, Tensor]]) -> ClipBatch:
    """Collates as `ClipBatch` says: padded at the bottom, the right and the end."""
    length, height, width = (max(part[1].shape[axis] for part in parts) for axis in (0, 2, 3))
    frames = torch.zeros(len(parts), length, 3, height, width, dtype=torch.uint8)
    masks = torch.zeros(2 * len(parts), length, height, width, dtype=torch.bool)
    for position, (_, pixels, truth) in enumerate(parts):
        frames[position, : len(pixels), :, : pixels.shape[2], : pixels.shape[3]] = pixels
        masks[2 * position : 2 * position + 2, : len(pixels), : pixels.shape[2], : pixels.shape[3]] = truth
    clips = [clip for clip, _, _ in parts]
    return ClipBatch(
        frames=frames,
        sizes=[(pixels.shape[2], pixels.shape[3]) for _, pixels, _ in parts],
        expressions=[expression for clip in clips for expression in clip.expressions],
        clip_index=torch.arange(len(parts)).repeat_interleave(2),
        masks=masks,
        clips=clips,
    )


class _Module(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def _step(self, batch: ClipBatch) -> dict[str, Tensor]:
        rows = [_predict(batch.frames[clip], expression) for clip in range(len(batch.clips)) for expression in range(2)]
        return {"predictions": torch.stack(rows)}

    def validation_step(self, batch: ClipBatch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        return self._step(batch)

    def test_step(self, batch: ClipBatch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        return self._step(batch)


class _Data(LightningDataModule):
    subset_names = ("test", "text_blind")

    def __init__(self, batches: list[ClipBatch], blind: list[ClipBatch] | None = None) -> None:
        super().__init__()
        self.batches, self.blind = batches, blind

    def val_dataloader(self) -> Any:
        return self._loader(self.batches)

    def test_dataloader(self) -> Any:
        return [self._loader(part) for part in (self.batches, self.blind) if part is not None]

    def _loader(self, batches: list[ClipBatch]) -> DataLoader:
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]


def _batches(prefix: str = "") -> list[ClipBatch]:
    """Five videos; the first in two windows, one clip repeated, sizes and lengths mixed."""
    return [
        _batch([_clip(0, 0, 3, prefix=prefix), _clip(1, 0, 5, prefix=prefix)]),
        _batch([_clip(0, 3, 5, prefix=prefix), _clip(2, 0, 5, prefix=prefix), _clip(3, 0, 5, prefix=prefix)]),
        _batch([_clip(4, 0, 5, prefix=prefix), _clip(0, 0, 3, repeated=True, prefix=prefix)]),
    ]


def _expected() -> dict[tuple[str, str], tuple[float, float]]:
    """Scores by whole videos, without windows, batches or padding."""
    scores = {}
    for index in range(len(SIZES)):
        referrals, frames, masks = _video(index)
        pixels = torch.from_numpy(frames).permute(0, 3, 1, 2)
        for expression, (referral, truth) in enumerate(zip(referrals, masks, strict=True)):
            counts = count_pixels(_predict(pixels, expression).numpy(), truth)
            key = referral.video_id, referral.expression_id
            scores[key] = float(region_similarity(counts).mean()), float(contour_accuracy(counts).mean())
    return scores


def _trainer(folder: Path, callback: EvaluationCallback, **options: Any) -> Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    options = {"devices": 1, "logger": False, **quiet, **options}
    return Trainer(accelerator="cpu", callbacks=[callback], default_root_dir=folder, **options)


def _table(folder: Path) -> list[dict[str, str]]:
    with (folder / "per_expression.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_test_writes_the_scores_of_every_expression(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trainer = _trainer(tmp_path, EvaluationCallback())
    (logged, blind) = trainer.test(_Module(), _Data(_batches(), _batches("other ")), verbose=False)
    expected = _expected()

    rows = _table(tmp_path / "evaluation")
    main = [row for row in rows if row["subset"] == "test"]
    assert {(row["video_id"], row["expression_id"]): (float(row["j"]), float(row["f"])) for row in main} == expected
    assert all(int(row["frames"]) == FRAMES for row in rows)
    assert [row["expression"] for row in rows if row["subset"] == "text_blind"][:2] == [
        "other sentence 0",
        "other sentence 1",
    ]

    j, f = (float(np.mean(column)) for column in zip(*expected.values(), strict=True))
    summary = json.loads((tmp_path / "evaluation" / "summary.json").read_text())
    assert summary["subsets"]["test"]["jf"] == (j + f) / 2
    assert summary["subsets"]["test"]["kinds"]["absent"]["expressions"] == len(SIZES)
    assert summary["gap_to_text_blind"] == 0
    names = {f"{subset}/{score}" for subset in ("test", "test/text_blind") for score in ("j", "f", "jf")}
    assert {**logged, **blind}.keys() == names
    assert capsys.readouterr().out.count("| test |") == 1
    assert trainer.callback_metrics["test/jf"].item() == pytest.approx((j + f) / 2)
    assert (tmp_path / "evaluation" / "examples.png").stat().st_size > 10_000
    assert "| test | 10 |" in (tmp_path / "evaluation" / "summary.md").read_text()


def test_a_second_run_leaves_the_first_alone(tmp_path: Path) -> None:
    for _ in range(2):
        _trainer(tmp_path / "unused", EvaluationCallback(output=tmp_path)).test(
            _Module(), _Data(_batches()), verbose=False
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation", "evaluation-2"]
    assert _table(tmp_path / "evaluation") == _table(tmp_path / "evaluation-2")


def _test_in_processes(folder: Path) -> None:
    """Tests with one, two and three processes; Lightning's sampler repeats one of the five batches for both others."""
    batches = [*_batches(), _batch([_clip(1, 0, 2)]), _batch([_clip(1, 2, 5)])]
    for devices in (1, 2, 3):
        trainer = _trainer(folder / str(devices), EvaluationCallback(), devices=devices, strategy="ddp_fork")
        trainer.test(_Module(), _Data(batches, _batches()), verbose=False)


@pytest.mark.slow
def test_processes_do_not_change_the_table(tmp_path: Path, warm_process: WarmProcess) -> None:
    # a process of its own: one whose OpenMP threads have run hangs when it forks
    done = warm_process.run(__file__, tmp_path)
    assert done.returncode == 0, done.stderr
    one, *others = ((tmp_path / str(devices) / "evaluation") for devices in (1, 2, 3))
    names = sorted(path.name for path in one.iterdir())
    assert names == ["breakdowns.png", "examples.png", "per_expression.csv", "summary.json", "summary.md", "worst.png"]
    for other in others:
        for name in names:
            assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_validation_logs_the_best_so_far() -> None:
    callback = EvaluationCallback()
    callback.load_state_dict({"best": 0.9})
    trainer = _trainer(Path("."), callback)
    (logged,) = trainer.validate(_Module(), _Data(_batches()), verbose=False)
    j, f = (float(np.mean(column)) for column in zip(*_expected().values(), strict=True))
    assert (logged["val/j"], logged["val/f"]) == pytest.approx((j, f))
    assert logged["val/jf"] == pytest.approx((j + f) / 2)
    assert logged["val/jf_best"] == pytest.approx(0.9)
    assert callback.state_dict() == {"best": 0.9}


class _Scoring(_Module):
    """Says of its masks how sure it is: 0.9 of all."""

    score_meaning = "sureness"

    def _step(self, batch: ClipBatch) -> dict[str, Tensor]:
        predictions = super()._step(batch)["predictions"]
        return {"predictions": predictions, "scores": torch.full(predictions.shape[:2], 0.9)}


def test_scores_are_calibrated_by_validate_and_shown_by_test(tmp_path: Path) -> None:
    _trainer(tmp_path, EvaluationCallback()).validate(_Scoring(), _Data(_batches()), verbose=False)
    written = {path.name for path in (tmp_path / "calibration").iterdir()}
    assert written == {"calibration.json", "reliability.json", "reliability.png"}
    calibration = tmp_path / "calibration" / "calibration.json"
    _trainer(tmp_path, EvaluationCallback(calibration=calibration)).test(
        _Scoring(), _Data(_batches(), _batches("other ")), verbose=False
    )
    assert (tmp_path / "evaluation" / "reliability.png").is_file()
    found = json.loads((tmp_path / "evaluation" / "reliability.json").read_text())
    assert set(found) == {"test", "text_blind"}
    similarity = float(np.mean([j for j, _ in _expected().values()]))
    (frames,) = found["test"]["raw"]["found"]["bins"]
    assert frames == {
        "frames": 2 * FRAMES * len(SIZES),
        "score": pytest.approx(0.9),
        "truth": pytest.approx(similarity),
    }
    assert found["test"]["calibrated"]["found"]["error"] < 0.05 < found["test"]["raw"]["found"]["error"]
    with pytest.raises(InputError, match="scores of another kind"):
        _trainer(tmp_path, EvaluationCallback(calibration=calibration)).test(_Module(), _Data(_batches()))


def test_no_ground_truth_is_an_input_error(tmp_path: Path) -> None:
    batch = _batches()[0]
    batch.masks = None
    with pytest.raises(InputError, match="'v0' has no ground truth"):
        _trainer(tmp_path, EvaluationCallback()).test(_Module(), _Data([batch]), verbose=False)
    assert not (tmp_path / "evaluation").exists()


if __name__ == "__main__":
    _test_in_processes(Path(sys.argv[1]))
