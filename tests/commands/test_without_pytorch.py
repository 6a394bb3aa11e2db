"""Commands that need no PyTorch run without it, for its import takes longer than most of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from formats.masks import write_truth

from refsam_zoo.data_modules.refer_youtube_vos import parse_refer_youtube_vos
from refsam_zoo.synthesis import SPLITS

HEAVY = {"torch", "lightning", "torchmetrics", "torchvision", "transformers", "open_clip", "peft", "timm", "wandb"}


def test_reading_and_scoring_imports_nothing_heavy(ref_shapes: Path, tmp_path: Path) -> None:
    masks = write_truth(parse_refer_youtube_vos(ref_shapes, "test"), tmp_path / "masks")
    published = tmp_path / "published.csv"
    published.write_text("system,data_set,jf,j,f,source\nOne,MeViS val,50.0,49.0,51.0,README\n")
    data, scores = f"--data={ref_shapes}", str(tmp_path / "scores")
    commands = [
        ["inspect", str(ref_shapes), f"--contact_sheet={tmp_path / 'sheet.png'}", "--workers=1"],
        ["evaluate", str(masks), "--protocol=ref_shapes", data, f"--output={scores}"],
        ["compare", scores, scores, "--samples=10"],
        ["leaderboard", str(published), str(tmp_path / "leaderboard.md")],
        ["list", "--data"],
        ["shard", str(ref_shapes), str(tmp_path / "shards"), "--workers=1"],
        ["synthesize", str(tmp_path / "data"), *(f"--{split}_videos={int(split == 'train')}" for split in SPLITS)],
    ]
    program = f"""
import sys
from refsam_zoo.cli import main
for command in {commands}:
    code = main(command)
    print(command[0], code, *sorted({HEAVY} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    said = [line for line in done.stderr.splitlines() if line.split(" ")[0] in {command[0] for command in commands}]
    assert said == [f"{command[0]} 0" for command in commands], done.stderr
