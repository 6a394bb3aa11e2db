"""Scores of `validate` and `test` by the protocol that papers report for a data set."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import RunningStage, TrainerFn
from lightning.pytorch.utilities import rank_zero_info

from refsam_zoo.callbacks.base import PredictedClip, PredictionCallback
from refsam_zoo.callbacks.masks import write_clip
from refsam_zoo.callbacks.scores import log_global
from refsam_zoo.data_modules import Mixture, ReferringDataModule
from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.protocols import AnnotatorsProtocol, Evaluation, LabelMapProtocol, get_protocol
from refsam_zoo.evaluation.report import write_folder
from refsam_zoo.inference.mask_folder import MaskFolder


class ProtocolCallback(PredictionCallback):
    """Scores whole data sets as `refsam-zoo evaluate` does, by the same object.

    What a protocol needs beside the masks of a batch (void pixels, the other expressions, label maps) is in files, so
    the masks are kept as files too, in a folder that is gone afterwards. Scores are logged as
    `<test or val>/<protocol>/<score>`, in 0..1; tables are written to `evaluation_<protocol>/<subset>`. Nothing is
    scored inside `fit`.

    Args:
        protocol: Name of the protocol.
        output: Folder for the tables.

    Raises:
        InputError: There is no such protocol.
    """

    stages = (RunningStage.VALIDATING, RunningStage.TESTING)

    def __init__(self, protocol: str, output: str | Path) -> None:
        output = Path(output)
        self.protocol = get_protocol(protocol)
        self.output = output
        self._folder = Path()
        self._masks: list[MaskFolder] = []

    def require_truth(self, data: object) -> None:
        """Looks for what the protocol compares with, which is read only at the end of a run.

        Args:
            data: The data module.

        Raises:
            InputError: The data module gives no referrals, or its root has no label maps where the protocol reads them.
        """
        if not isinstance(data, ReferringDataModule | Mixture):
            raise InputError(f"protocol '{self.protocol.name}' asks for expressions, which {type(data)} does not give")
        if isinstance(self.protocol, AnnotatorsProtocol):
            self.protocol.single.open_truth(data.root)
        elif isinstance(self.protocol, LabelMapProtocol):
            self.protocol.open_truth(data.root)

    def start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Makes the folder of masks."""
        if trainer.state.fn == TrainerFn.FITTING or getattr(trainer, "fast_dev_run", False):
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        subsets = [name for name in data.subset_names if name != "text_blind"] if trainer.testing else ["val"]
        root = Path(trainer.default_root_dir)
        if trainer.is_global_zero:
            root.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix=".masks-", dir=root))
        self._folder = trainer.strategy.broadcast(self._folder)
        self._masks = [MaskFolder(self._folder / subset) for subset in subsets]

    def add(self, trainer: Trainer, predicted: PredictedClip, subset: int) -> None:
        """Keeps the masks of a clip."""
        if subset < len(self._masks):
            write_clip(self._masks[subset], predicted)

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Scores the masks.

        Raises:
            InputError: The run was not over the whole data set, or its ground truth cannot be read.
        """
        if not self._masks:
            return
        for masks in self._masks:
            masks.close()
        trainer.strategy.barrier()  # until every process has written its masks
        scores: dict[str, float] = {}
        if trainer.is_global_zero:
            for position, masks in enumerate(self._masks):
                prefix = "test" if trainer.testing else "val"
                name = f"{prefix}/{self.protocol.name}" + (f"/{masks.folder.name}" if position else "")
                found = self._evaluate(masks.folder, trainer.datamodule)  # type: ignore[attr-defined]
                scores |= {f"{name}/{score}": value for score, value in found.scores.items()}
        for name, value in trainer.strategy.broadcast(scores).items():
            log_global(pl_module, name, value)
        self._remove(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Removes the masks."""
        self._remove(trainer)

    def _evaluate(self, masks: Path, data: Any) -> Evaluation:
        subset = masks.name
        if not masks.is_dir():
            raise InputError(f"nothing was predicted of '{subset}'")
        by_label = isinstance(self.protocol, LabelMapProtocol | AnnotatorsProtocol)
        found = self.protocol.evaluate(masks, data.root if by_label else data.referrals(subset))
        folder = write_folder(self.output / f"evaluation_{self.protocol.name}" / subset, found.write)
        rank_zero_info(f"{subset}:\n{found.markdown()}\nTables written to {folder}")
        return found

    def _remove(self, trainer: Trainer) -> None:
        if self._masks and trainer.is_global_zero:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._masks = []
