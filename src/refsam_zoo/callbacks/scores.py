"""Evaluation of the expressions that go by in `validate` and `test`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import RunningStage, TrainerFn
from lightning.pytorch.utilities import rank_zero_info

from refsam_zoo.calibration import Calibration
from refsam_zoo.callbacks.base import PredictedClip, PredictionCallback
from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.examples import ExampleKeeper, middle_examples
from refsam_zoo.evaluation.metric import RegionContourMetric
from refsam_zoo.evaluation.presence import Presence
from refsam_zoo.evaluation.reliability import ScoredFrames
from refsam_zoo.evaluation.report import write_folder, write_report, write_scored
from refsam_zoo.evaluation.results import ExpressionResult, MeanScore, by_tag, sample_id, summary_table
from refsam_zoo.types import Referral

T = TypeVar("T")

_EXAMPLES_OF_EACH_SORT = 3
_SCORES = ("j", "f", "jf")
_BEST = "jf_best"
KINDS = "kind"
"""Part of the names under which validation logs the scores of each kind of expressions."""


def validation_metrics() -> list[str]:
    """Names of what is logged after each validation of the main subset."""
    return [f"val/{name}" for name in (*_SCORES, _BEST)]


class Description(NamedTuple):
    """What the table says of an expression besides its score."""

    video_id: str
    expression_id: str
    expression: str
    tags: dict[str, str]


class EvaluationCallback(PredictionCallback):
    """Measures J, F and J&F per expression, logs their means and, after `test`, writes a report.

    Each dataloader is a subset, named by the data module's `subset_names`; the first is the main one. Logged, in 0..1:
    `val/j`, `val/f`, `val/jf` and the highest so far, `val/jf_best`; `val/kind/<kind>/jf` where expressions are of
    kinds; `test/j`, `test/f`, `test/jf` and the same per
    further subset, `test/<subset>/jf`.

    Where masks come with scores, the report says how reliable these are, and `validate` writes `calibration/`, whose
    `calibration.json` makes scores say how good a mask is to be expected.

    Args:
        output: Folder that gets `evaluation/` and `calibration/`; by default the trainer's root, the run's folder.
        calibration: A `calibration.json`; the report of `test` shows calibrated scores beside those of the system.

    Raises:
        InputError: The calibration cannot be read.
    """

    stages = (RunningStage.SANITY_CHECKING, RunningStage.VALIDATING, RunningStage.TESTING)

    def __init__(self, output: str | Path | None = None, calibration: str | Path | None = None) -> None:
        output = None if output is None else Path(output)
        self.output = output
        self.calibration = None if calibration is None else Calibration.read(calibration)
        self.best = 0.0
        self.metrics: list[RegionContourMetric] = []
        self.descriptions: list[dict[int, Description]] = []
        self.examples = ExampleKeeper()

    def state_dict(self) -> dict[str, Any]:
        """Remembers the best J&F, so that a resumed run goes on from it."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes up the best J&F of the run that is resumed."""
        self.best = state_dict["best"]

    def start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts counting.

        Raises:
            InputError: The calibration is for scores of another kind.
        """
        if self.calibration is not None:
            self.calibration.require(_score_meaning(pl_module))
        if trainer.testing:
            batches = trainer.num_test_batches
        else:
            batches = trainer.num_sanity_val_batches if trainer.sanity_checking else trainer.num_val_batches
        self.metrics = [RegionContourMetric().to(pl_module.device) for _ in batches]
        self.descriptions = [{} for _ in batches]
        self.examples = ExampleKeeper()

    def add(self, trainer: Trainer, predicted: PredictedClip, subset: int) -> None:
        """Counts the pixels of a clip and, in the main subset of `test`, looks for frames worth showing.

        Raises:
            InputError: The clip has no ground truth.
        """
        clip, images, predictions, masks, scores = predicted
        if masks is None:
            video = clip.referrals[0].video_id
            raise InputError(
                f"video '{video}' has no ground truth to be evaluated against; 'predict' only writes masks"
            )
        positions = {name: position for position, name in enumerate(clip.referrals[0].frames)}
        samples = [sample_id(referral.video_id, referral.expression_id) for referral in clip.referrals]
        frames = [positions[name] for name in clip.frame_names]
        self.metrics[subset].update(samples, frames, predictions, masks, scores, _counted(clip.referrals, frames))
        for sample, referral, expression in zip(samples, clip.referrals, clip.expressions, strict=True):
            description = Description(referral.video_id, referral.expression_id, expression, referral.tags)
            self.descriptions[subset][sample] = description
        if trainer.testing and subset == 0 and all(referral.scored is None for referral in clip.referrals):
            self.examples.add(middle_examples(clip, images, predictions, masks))

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Logs the means and, after `test`, writes the report."""
        tables = self._tables(trainer)
        if trainer.sanity_checking:
            return
        stage = "test" if trainer.testing else "val"
        for position, (subset, table) in enumerate(tables.items()):
            _log(pl_module, stage if position == 0 else f"{stage}/{subset}", table)
        scored = {name: metric.compute().scored_frames for name, metric in zip(tables, self.metrics, strict=False)}
        scored = {name: frames for name, frames in scored.items() if len(frames.scores)}
        if trainer.testing:
            self._report(trainer, [row for table in tables.values() for row in table], scored)
        else:
            if trainer.state.fn == TrainerFn.VALIDATING and trainer.is_global_zero and scored:
                self._calibrate(trainer, pl_module, scored)
            main = next(iter(tables.values()))
            for kind, rows in by_tag(main, "kind").items():
                log_global(pl_module, f"val/{KINDS}/{kind}/jf", MeanScore.of(rows).jf)
            self.best = max(self.best, MeanScore.of(main).jf)
            log_global(pl_module, f"val/{_BEST}", self.best)

    def _calibrate(self, trainer: Trainer, pl_module: LightningModule, scored: dict[str, ScoredFrames]) -> None:
        """Fits a calibration to the main subset and writes it with what it changes there."""
        frames = next(iter(scored.values()))
        if getattr(trainer, "fast_dev_run", False) or frames.absent.all():
            return
        calibration = Calibration.fit(_score_meaning(pl_module), *frames)

        def write(folder: Path) -> None:
            calibration.write(folder / "calibration.json")
            write_scored({"val": _kinds(frames, calibration)}, folder)

        folder = write_folder((self.output or Path(trainer.default_root_dir)) / "calibration", write)
        rank_zero_info(f"Calibration of scores written to {folder}")

    def _report(self, trainer: Trainer, rows: list[ExpressionResult], scored: dict[str, ScoredFrames]) -> None:
        if trainer.is_global_zero:
            print("\n".join(summary_table(rows)))
        folder = self.output or Path(trainer.default_root_dir)
        candidates = _gathered(self.examples.examples)
        if trainer.is_global_zero and not getattr(trainer, "fast_dev_run", False):
            self.examples.examples = []
            for part in candidates:
                self.examples.add(part)
            examples = self.examples.worst_median_best(_EXAMPLES_OF_EACH_SORT)
            worst = self.examples.worst()
            kinds = {name: _kinds(frames, self.calibration) for name, frames in scored.items()}
            written = write_report(folder / "evaluation", rows, examples, worst, folder / "metrics.csv", kinds)
            rank_zero_info(f"Evaluation written to {written}")

    def _tables(self, trainer: Trainer) -> dict[str, list[ExpressionResult]]:
        """Gathers what all processes have counted: subset -> its rows, ordered by video and expression."""
        names = getattr(getattr(trainer, "datamodule", None), "subset_names", None) or ["test"]
        if len(names) < len(self.metrics):
            names = [*names, *(f"subset_{position}" for position in range(len(names), len(self.metrics)))]
        tables = {}
        for name, metric, descriptions in zip(names, self.metrics, self.descriptions, strict=False):
            known = {sample: text for part in _gathered(descriptions) for sample, text in part.items()}
            tables[name] = _table(name, metric, known)
        return tables


def _counted(referrals: Sequence[Referral], frames: Sequence[int]) -> np.ndarray | None:
    """Which of some frames count for which referral, bool `[E, T]`; None where all do."""
    if all(referral.scored is None for referral in referrals):
        return None
    return np.stack([np.isin(frames, frames if each.scored is None else each.scored) for each in referrals])


def _table(subset: str, metric: RegionContourMetric, descriptions: dict[int, Description]) -> list[ExpressionResult]:
    scores = metric.compute()
    columns = (scores.samples, scores.frames, scores.area, scores.j, scores.f, scores.extent, scores.presence)
    rows = []
    for sample, frames, area, j, f, extent, presence in zip(*(column.tolist() for column in columns), strict=True):
        video_id, expression_id, expression, tags = descriptions[sample]
        rows.append(
            ExpressionResult(
                subset,
                video_id,
                expression_id,
                expression,
                frames,
                area,
                j,
                f,
                tags,
                None if math.isnan(extent) else extent,
                Presence(*presence),
            )
        )
    return sorted(rows, key=lambda row: (row.video_id, row.expression_id))


def _score_meaning(pl_module: LightningModule) -> str:
    """What a module says of its scores, which those of `SystemModule` do."""
    return str(getattr(pl_module, "score_meaning", "not said"))


def _kinds(frames: ScoredFrames, calibration: Calibration | None) -> dict[str, ScoredFrames]:
    """Scores as a system gives them and, where there is a calibration, with it."""
    kinds = {"raw": frames}
    if calibration is not None:
        kinds["calibrated"] = frames._replace(scores=calibration(frames.scores, frames.absent))
    return kinds


def _log(pl_module: LightningModule, prefix: str, table: list[ExpressionResult]) -> None:
    score = MeanScore.of(table)
    for name in _SCORES:
        log_global(pl_module, f"{prefix}/{name}", getattr(score, name))


def log_global(pl_module: LightningModule, name: str, value: float) -> None:
    """Logs what is the same in every process: the largest is the value, so Lightning need not ask for a mean."""
    pl_module.log(name, value, sync_dist=True, reduce_fx="max")


def _gathered(value: T) -> list[T]:
    """Collects the values of all processes."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [value]
    values: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values
