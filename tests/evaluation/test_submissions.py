from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from PIL import Image
from torch.utils.data import DataLoader

from refsam_zoo import evaluate
from refsam_zoo.callbacks.submission import SubmissionWriter
from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.submissions import check_submission, write_submission
from refsam_zoo.types import Referral


@pytest.mark.parametrize(
    ("protocol", "first"),
    [
        ("mevis", "v0/0/00000.png"),
        ("mevis_v2", "v0/0/00000.png"),
        ("ref_youtube_vos", "Annotations/v0/0/00000.png"),
    ],
)
def test_archives_are_laid_out_as_servers_ask(
    protocol: str, first: str, predictions: Path, referrals: list[Referral], tmp_path: Path
) -> None:
    for name in ("one.zip", "two.zip"):
        write_submission(predictions, protocol, referrals, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        names = archive.namelist()
        assert names[0] == first
        assert len(names) == 66
        with archive.open(first) as file, Image.open(file) as image:
            assert image.mode == "L"
            assert set(np.unique(np.array(image)).tolist()) == {0, 255}
    assert check_submission(tmp_path / "one.zip", protocol, referrals) == []
    assert (
        evaluate(tmp_path / "one.zip", protocol, referrals).scores == evaluate(predictions, protocol, referrals).scores
    )
    with pytest.raises(InputError, match=r"one\.zip' exists"):
        write_submission(predictions, protocol, referrals, tmp_path / "one.zip")


def test_incomplete_masks_are_not_packed(predictions: Path, referrals: list[Referral], tmp_path: Path) -> None:
    shutil.rmtree(predictions / "v1" / "2")
    with pytest.raises(InputError, match="has 2 of 2 videos, 5 of 6 expressions, 55 of 66 masks; 1 missing: v1/2"):
        write_submission(predictions, "mevis", referrals, tmp_path / "out.zip")
    assert not [path for path in tmp_path.iterdir() if "out.zip" in path.name]


def test_masks_of_another_size_are_not_packed(predictions: Path, referrals: list[Referral], tmp_path: Path) -> None:
    Image.new("L", (30, 20)).save(predictions / "v0" / "0" / "00005.png")
    with pytest.raises(InputError, match=r"v0/0/00005: is 20x30, the video 40x60 \(1 problems"):
        write_submission(predictions, "mevis", referrals, tmp_path / "out.zip")
    assert not [path for path in tmp_path.iterdir() if "out.zip" in path.name]


def test_the_checker_lists_every_problem(predictions: Path, referrals: list[Referral]) -> None:
    masks = predictions / "v0" / "0"
    (masks / "00000.png").unlink()
    (masks / "00005.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Image.new("L", (60, 40), 1).save(masks / "00010.png")
    Image.new("L", (60, 40)).save(masks / "00051.png")
    problems = check_submission(predictions, "ref_youtube_vos", referrals)
    assert problems[0] == "masks must lie in a folder 'Annotations'"
    assert problems[3:6] == ["masks expected: 66, found: 65", "missing: v0/0/00000", "extra: v0/0/00051"]
    assert "00005.png' is damaged" in problems[6]
    assert problems[7:] == ["v0/0/00010: has other values than 0 and 255"]


def test_hidden_files_and_other_spellings_are_named(
    predictions: Path, referrals: list[Referral], tmp_path: Path
) -> None:
    write_submission(predictions, "mevis", referrals, tmp_path / "clean.zip")
    with zipfile.ZipFile(tmp_path / "clean.zip") as archive:
        archive.extractall(tmp_path / "masks")
    masks = tmp_path / "masks" / "v0" / "0"
    (masks / "00005.png").rename(masks / "00005.PNG")
    (masks / "00010.png").rename(masks / "10.png")
    for name in ("__MACOSX/v0/._0", ".DS_Store", "v0/0/._00000.png"):
        (tmp_path / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "masks" / name).touch()
    path = Path(shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path / "masks"))
    problems = check_submission(path, "mevis", referrals)
    note = "a hidden file of macOS or Windows, to be left out"
    assert problems == [
        "videos expected: 2, found: 2",
        "expressions expected: 6, found: 6",
        "masks expected: 66, found: 65",
        "missing: v0/0/00010",
        "extra: v0/0/10",
        f".DS_Store: {note}",
        f"__MACOSX/v0/._0: {note}",
        f"v0/0/._00000.png: {note}",
        "v0/0/00005.PNG: must end in .png, in small letters",
    ]
    assert evaluate(path, "mevis", referrals).scores == evaluate(predictions, "mevis", referrals).scores
    write_submission(path, "mevis", referrals, tmp_path / "mended.zip")
    assert (tmp_path / "mended.zip").read_bytes() == (tmp_path / "clean.zip").read_bytes()


def test_only_servers_take_submissions(predictions: Path, referrals: list[Referral], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no server takes submissions for 'mevi'; did you mean 'mevis'"):
        write_submission(predictions, "mevi", referrals, tmp_path / "out.zip")
    with pytest.raises(InputError, match="no server takes submissions for 'davis17'"):
        check_submission(predictions, "davis17", referrals)


class _Module(LightningModule):
    def predict_step(self, batch: Any, batch_idx: int) -> None:
        return None


class _Data(LightningDataModule):
    def __init__(self, found: list[Referral]) -> None:
        super().__init__()
        self.found = found

    def referrals(self, role: str) -> list[Referral]:
        return [] if role != "predict" else self.found

    def predict_dataloader(self) -> DataLoader:
        return DataLoader([0])  # type: ignore[arg-type]


def test_predict_leaves_a_submission(predictions: Path, referrals: list[Referral], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no server takes submissions for 'ref_shapes'"):
        SubmissionWriter(tmp_path / "out.zip", "ref_shapes")
    writer = SubmissionWriter(tmp_path / "out.zip", "mevis", masks=predictions)
    quiet: dict[str, Any] = {
        "enable_progress_bar": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "logger": False,
    }
    trainer = Trainer(accelerator="cpu", devices=1, callbacks=[writer], default_root_dir=tmp_path, **quiet)
    trainer.predict(_Module(), datamodule=_Data(referrals), return_predictions=False)
    assert check_submission(tmp_path / "out.zip", "mevis", referrals) == []
    with pytest.raises(InputError, match="exists"):
        SubmissionWriter(tmp_path / "out.zip", "mevis")
