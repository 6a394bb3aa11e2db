from __future__ import annotations

import csv
from pathlib import Path

import pytest
from torch import nn

from refsam_zoo.ablations.report import Row, Run, write_ablation
from refsam_zoo.ablations.runs import BASES, read_table, run_table
from refsam_zoo.errors import InputError
from refsam_zoo.model.image_encoders import IMAGE_ENCODERS
from refsam_zoo.model.text_encoders import TEXT_ENCODERS
from refsam_zoo.weights.saving import save_state_dict

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "configs" / "ablations" / "modules"
ROWS = [Row("a", "MLP", {"Ref-DAVIS17 J&F": "57.1"}), Row("b", "MLP and HDA", {"Ref-DAVIS17 J&F": ""})]
RUNS = [
    Run("a", "seed_0", {"test": 0.30, "motion": 0.20}, 1_500_000, 3_000_000, 0.012),
    Run("a", "seed_1", {"test": 0.34, "motion": 0.20}, 1_500_000, 3_000_000, 0.010),
]


def test_the_table_shows_mean_and_spread_beside_the_papers_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "modules" / "8_steps"
    folder.mkdir(parents=True)
    write_ablation(folder, ROWS, RUNS)
    lines = (folder / "results.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# modules, 8 steps"
    assert "| MLP | 2 | 32.0 ± 2.8 | 20.0 ± 0.0 | 1.50 M | 10 | 57.1 |" in lines
    assert "| MLP and HDA | 0 |  |  |  |  |  |" in lines
    with (folder / "results.csv").open(encoding="utf-8") as file:
        assert [row["test"] for row in csv.DictReader(file)] == ["0.3", "0.34"]
    assert (folder / "results.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(folder.iterdir())) == 3


def test_a_table_names_its_rows(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"paper\.csv: No such file"):
        read_table(tmp_path)
    (tmp_path / "paper.csv").write_text("row,title\na,A\n", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("model:\n", encoding="utf-8")
    with pytest.raises(InputError, match="do not name the same rows: a, b"):
        read_table(tmp_path)
    with pytest.raises(InputError, match="no row 'mpl'; did you mean 'mlp'"):
        list(run_table(MODULES, BASES, ["mpl"], 3, 800, tmp_path, tmp_path))
    with pytest.raises(InputError, match="at least 1, not 3 and 0"):
        list(run_table(MODULES, BASES, [], 3, 0, tmp_path, tmp_path))


def small_bases(folder: Path) -> list[Path]:
    """The usual configurations, without making the data, with encoders and features in a folder, on few videos."""
    small = folder / "small.yaml"
    small.write_text(
        f"model:\n  weights: {folder / 'encoders.safetensors'}\n  feature_cache:\n    folder: {folder / 'features'}\n"
        "data:\n  class_path: RefShapes\n  init_args:\n    synthesis: null\n    workers: 0\n"
        "trainer:\n  limit_val_batches: 1\n  limit_test_batches: 1\n"
    )
    return [*(ROOT / base for base in BASES), small]


@pytest.mark.slow
def test_a_row_is_trained_once(ref_shapes: Path, tmp_path: Path) -> None:
    bases = small_bases(tmp_path)
    encoders = nn.ModuleDict(
        {
            "image_encoder": IMAGE_ENCODERS.build("vit_tiny", embedding_width=128),
            "text_encoder": TEXT_ENCODERS.build("clip_tiny"),
        }
    )
    save_state_dict(encoders.state_dict(), tmp_path / "encoders.safetensors")
    said = [
        line for _ in range(2) for line in run_table(MODULES, bases, ["mlp"], 1, 1, data=ref_shapes, output=tmp_path)
    ]
    folder = tmp_path / "modules" / "1_steps"
    assert said == [
        f"{folder}/mlp/seed_0: fit",
        f"{folder}/mlp/seed_0: test",
        f"{folder}/results.md",
        f"{folder}/results.md",
    ]
    text = (folder / "results.md").read_text(encoding="utf-8")
    assert "| composition | seeds | test | motion | learnable |" in text
    assert "| MLP | 1 | " in text
    assert any((tmp_path / "features").glob("??/*"))


@pytest.mark.slow
def test_why_a_run_failed_is_said(ref_shapes: Path, tmp_path: Path) -> None:
    bases = small_bases(tmp_path)
    with pytest.raises(InputError, match=r"seed_0: fit failed, see .*log\.txt: .*encoders\.safetensors"):
        list(run_table(MODULES, bases, ["mlp"], 1, 1, data=ref_shapes, output=tmp_path))
