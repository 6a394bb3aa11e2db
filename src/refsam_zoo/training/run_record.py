"""What a run was made of, in its `run.json`, so that it can be run again and compared."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer

from refsam_zoo.output_files import write_whole
from refsam_zoo.types import Referral

RECORD = "run.json"
LOSSES = 20
"""Losses that are kept."""
_GIT_SECONDS = 20


class RunRecord(Callback):
    """Writes versions, code, command, data and the first losses of a run into its folder.

    Parts of a run that is continued are added under `continued`; the beginning stays as it was.

    Args:
        command: The arguments of `refsam-zoo`.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.command = list(command)
        self._content: dict[str, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes all that is known before the first step."""
        if not trainer.is_global_zero:
            return
        path = Path(trainer.default_root_dir) / RECORD
        part = {
            "command": self.command,
            "step": trainer.global_step,
            "world_size": trainer.world_size,
            **surroundings(),
        }
        if path.is_file():
            earlier = json.loads(path.read_text(encoding="utf-8"))
            earlier.setdefault("continued", []).append(part)
            _write(path, earlier)
            return
        configuration = yaml.safe_load((path.parent / "config.yaml").read_text(encoding="utf-8"))
        data = fingerprint(trainer)
        self._content = {**part, "data": data, "configuration": configuration, "losses": []}
        _write(path, self._content)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Adds the loss of one of the first batches."""
        if self._content and len(self._content["losses"]) < LOSSES:
            self._content["losses"].append(loss_of(outputs))
            _write(Path(trainer.default_root_dir) / RECORD, self._content)


def loss_of(outputs: Any) -> float:
    """Gives the loss of a batch as Lightning hands it to callbacks; this process's share where there are several."""
    return float(outputs["loss"])


def surroundings() -> dict[str, Any]:
    """Tells which programs run: Python, the packages with their versions, and the code that is under git."""
    packages = [each.metadata for each in distributions()]  # a distribution's every attribute parses its file again
    versions = {each["Name"]: each["Version"] for each in packages}
    folders = dict.fromkeys(filter(None, map(_checkout, (Path(__file__).parent, Path.cwd()))))
    return {
        "folder": os.getcwd(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": dict(sorted(versions.items(), key=lambda item: item[0].lower())),
        "code": [_state(folder) for folder in folders],
    }


def fingerprint(trainer: Trainer) -> str | None:
    """Digests what a run trains on: videos, frames and sentences, not the pixels.

    Returns:
        SHA-256 in hexadecimal; None for a data module that does not tell its referrals.
    """
    referrals = getattr(trainer.datamodule, "referrals", None)  # type: ignore[attr-defined]
    return None if referrals is None else digest_of(referrals("train"))


def digest_of(referrals: Iterable[Referral]) -> str:
    """Digests videos, frames, sentences and objects, in their order."""
    digest = hashlib.sha256()
    for each in referrals:
        content = (each.video_id, each.expression_id, each.expression, each.object_ids, each.frames)
        digest.update(json.dumps(content).encode())
    return digest.hexdigest()


def _write(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, json.dumps(content, indent=1).encode())


def _checkout(folder: Path) -> Path | None:
    """The git checkout that a folder is in."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    return Path(top.strip()) if top else None


def _state(folder: Path) -> dict[str, Any]:
    """Revision, changes of tracked files and names of others."""
    untracked = _git(folder, "ls-files", "--others", "--exclude-standard") or ""
    return {
        "folder": str(folder),
        "revision": (_git(folder, "rev-parse", "HEAD") or "").strip(),
        "difference": _git(folder, "diff", "HEAD"),
        "untracked": untracked.splitlines(),
    }


def _git(folder: Path, *words: str) -> str | None:
    """What git says; None where there is no git, no checkout, or no answer in time."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, timeout=_GIT_SECONDS, check=True, text=True,
            errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
