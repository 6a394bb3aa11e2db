"""One of two processes scores files while the other waits for it, as in `test` with a protocol of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
import torch.multiprocessing
from warm_process import WarmProcess

from refsam_zoo import evaluate


def _write(folder: Path) -> None:
    mask = {"size": [10, 20], "counts": [0, 100, 100]}
    truth = {"images": [{"id": 0, "height": 10, "width": 20}], "annotations": [{"image_id": 0, "segmentation": mask}]}
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "found.json").write_text(json.dumps([{"image_id": 0, "segmentation": mask, "score": 1}]))


def _process(rank: int, folder: Path) -> None:
    store = f"file://{folder / 'store'}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    if rank == 0:
        scores = evaluate(folder / "found.json", "a2d_sentences", folder / "truth.json").scores
        (folder / "scores.json").write_text(json.dumps(scores))
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_the_others_are_not_asked(tmp_path: Path, warm_process: WarmProcess) -> None:
    _write(tmp_path)
    # a process of its own: one whose OpenMP threads have run hangs when it forks
    done = warm_process.run(__file__, tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "scores.json").read_text())["map_all_queries"] == pytest.approx(1)


if __name__ == "__main__":
    torch.multiprocessing.start_processes(_process, (Path(sys.argv[1]),), nprocs=2, start_method="fork")
