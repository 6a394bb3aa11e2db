"""How checkpoints get onto the disk: beside the earlier one, flushed, and then in its place."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from refsam_zoo.output_files import whole_file
from refsam_zoo.private_parts.pytorch_lightning import keep_validation_ahead


class WholeCheckpoints(TorchCheckpointIO):
    """Writes checkpoints whole or not at all; every strategy that writes one file saves through it.

    Lightning's own way is a temporary file in the folder of the system, which may be another file system: then the
    last step is a copy, and what ends it halfway destroys the earlier checkpoint.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any = None
    ) -> None:
        """Replaces a checkpoint.

        Args:
            checkpoint: The state of the run.
            path: The file; the earlier one stays until the new one is on the disk.
            storage_options: For other file systems; there are none.

        Raises:
            InputError: The disk is full, the folder read-only, or the like; the earlier file is as it was.
        """
        content, path = io.BytesIO(), Path(path)
        torch.save(checkpoint, content)
        for killed in path.parent.glob(f".[0-9]*.{path.name}"):  # one process writes here: what is left is of no use
            killed.unlink(missing_ok=True)
        with whole_file(path) as unfinished, unfinished.open("wb") as file:
            file.write(content.getbuffer())
            file.flush()
            os.fsync(file.fileno())


class ValidationAhead(Callback):
    """Lets a run that goes on from a checkpoint made just before a validation make that validation."""

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Notes in the checkpoint what comes next."""
        keep_validation_ahead(trainer, checkpoint)


class MovedRuns(Callback):
    """Lets a run that has been moved or copied know its own best checkpoint again."""

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Gives the paths that `ModelCheckpoint` remembers their new folder, if the files are there."""
        callbacks = [each for each in trainer.checkpoint_callbacks if isinstance(each, ModelCheckpoint)]
        for callback in callbacks:
            state = checkpoint.get("callbacks", {}).get(callback.state_key)
            if state is not None and callback.dirpath and state["dirpath"] != callback.dirpath:
                folder = Path(callback.dirpath)
                if all((folder / Path(name).name).is_file() for name in state["best_k_models"]):
                    checkpoint["callbacks"][callback.state_key] = _moved(state, folder)


def _moved(state: dict[str, Any], folder: Path) -> dict[str, Any]:
    def place(path: str) -> str:
        return str(folder / Path(path).name) if path else path

    best = {place(path): score for path, score in state["best_k_models"].items()}
    names = ("best_model_path", "kth_best_model_path", "last_model_path")
    return {**state, **{name: place(state[name]) for name in names}, "best_k_models": best, "dirpath": str(folder)}
