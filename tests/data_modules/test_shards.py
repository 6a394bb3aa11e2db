from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
from warm_process import WarmProcess, free_port

from refsam_zoo.clips.reading import group_by_video, read_clip
from refsam_zoo.data_modules import ReferYouTubeVOS, Shards
from refsam_zoo.data_modules.shards import INDEX, parse_shards
from refsam_zoo.errors import InputError
from refsam_zoo.types import ClipBatch, Referral

TreeWriter = Callable[..., Path]


def same(first: ClipBatch, second: ClipBatch) -> bool:
    assert first.masks is not None
    assert second.masks is not None
    return torch.equal(first.frames, second.frames) and torch.equal(first.masks, second.masks)


def test_training_draws_the_same_clips_as_from_the_folder(sharded: tuple[Path, Path]) -> None:
    options: dict[str, Any] = {"holdout": 0.2, "workers": 0, "batch_size": 2, "seed": 3, "expressions_per_clip": 2}
    loaders = []
    for data in (ReferYouTubeVOS(sharded[0], **options), Shards(str(sharded[1]), **options)):
        data.setup("fit")
        loaders += [data.train_dataloader(), data.val_dataloader()]
    for folder, shards in ((loaders[0], loaders[2]), (loaders[1], loaders[3])):
        for first, second in zip(folder, shards, strict=True):
            assert same(first, second)
            assert first.expressions == second.expressions


def test_splits_serve_as_asked(sharded: tuple[Path, Path], shapes: list[Referral], tmp_path: Path) -> None:
    root = str(sharded[1])
    everything = parse_shards(root, "train")
    data = Shards(root, holdout=0.3)
    assert len(data.referrals("train")) + len(data.referrals("val")) == len(everything)
    assert data.referrals("test") == data.referrals("predict") == data.referrals("val")
    data = Shards(root, val_split="train")
    assert data.referrals("train") == data.referrals("test") == everything
    with pytest.raises(InputError, match=r"nothing/index\.json: no such file"):
        Shards(root, test_split="nothing").setup("test")


class RangeHandler(SimpleHTTPRequestHandler):
    """Serves parts of files, as object stores do."""

    def do_GET(self) -> None:
        file = Path(self.translate_path(self.path))
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        asked = self.headers.get("Range")
        if asked:
            start, stop = asked.removeprefix("bytes=").split("-")
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop}/{len(content)}")
            content = content[int(start) : int(stop) + 1]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Keeps quiet."""


@pytest.fixture
def server(sharded: tuple[Path, Path]) -> Iterator[str]:
    handler = partial(RangeHandler, directory=str(sharded[1]))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()


@pytest.mark.parametrize("workers", [0, 2])
def test_shards_are_streamed_from_a_web_server(sharded: tuple[Path, Path], server: str, workers: int) -> None:
    local = Shards(str(sharded[1]), workers=0, batch_size=2)
    remote = Shards(server, workers=workers, batch_size=2)
    local.setup("fit")
    remote.setup("fit")
    for first, second in zip(local.train_dataloader(), remote.train_dataloader(), strict=True):
        assert same(first, second)


def test_any_file_system_of_fsspec_will_do(sharded: tuple[Path, Path], tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(f"{sharded[1]}/", "/shards", recursive=True)
    expected = read_clip(parse_shards(str(sharded[1]), "train")[:1], [0, 2])
    for address in ("memory://shards", f"file://{sharded[1]}", f"simplecache::file://{sharded[1]}"):
        clip = read_clip(parse_shards(address, "train")[:1], [0, 2])
        np.testing.assert_array_equal(clip.frames, expected.frames)
    with pytest.raises(InputError, match=r"^nothing://x/train/index\.json: cannot be read: Protocol not known"):
        parse_shards("nothing://x", "train")


def test_web_dataset_reads_them(sharded: tuple[Path, Path]) -> None:
    import webdataset

    files = sorted(map(str, sharded[1].glob("train/*.tar")))
    samples = list(webdataset.WebDataset(files, shardshuffle=False, nodesplitter=None))
    videos = group_by_video(parse_shards(str(sharded[1]), "train"))
    assert len(samples) == len(videos) == 9
    for sample, video in zip(samples, videos, strict=True):
        description = json.loads(sample["json"])
        assert description["video_id"] == video[0].video_id
        assert [said["expression"] for said in description["expressions"]] == [said.expression for said in video]
        assert {name for name in sample if not name.startswith("__")} == {"json"} | {
            f"{position:04d}.{kind}" for position in range(3) for kind in ("jpg", "mask.png")
        }


def test_damaged_and_missing_shards_are_named(sharded: tuple[Path, Path]) -> None:
    first, second = sorted(sharded[1].glob("train/*.tar"))[:2]
    referrals = parse_shards(str(sharded[1]), "train")
    with first.open("r+b") as file:
        file.seek(512)
        file.write(b"nothing")
    with pytest.raises(InputError, match=r"000000\.tar: bytes 512 to \d+: not a readable picture"):
        read_clip(referrals[:1], [0])
    first.write_bytes(first.read_bytes()[:700])
    with pytest.raises(InputError, match=r"000000\.tar: bytes 512 to \d+: the file ends before"):
        read_clip(referrals[:1], [0])
    second.unlink()
    with pytest.raises(InputError, match=r"000001\.tar: no such file"):
        read_clip(referrals[4:5], [0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(shard="../x.tar"), r"videos\.0\.shard: '\.\./x\.tar' cannot be the name"),
        (lambda v: v["pictures"].pop(), r"videos\.0: 2 pictures and 3 masks for 3 frames"),
        (lambda v: v["pictures"][0].pop(), r"videos\.0\.pictures\.0: expected the offset"),
        (lambda v: v["pictures"][0].__setitem__(0, -1), r"videos\.0\.pictures\.0\.0: -1 is not between"),
        (lambda v: v.update(masks=[]), r"videos\.0\.expressions\.0\.labels: there are no masks"),
        (lambda v: v["expressions"][0].update(labels=[0]), r"expressions\.0\.labels\.0: 0 is not between 1"),
    ],
)
def test_a_wrong_index_is_refused(
    sharded: tuple[Path, Path], change: Callable[[dict[str, Any]], object], message: str
) -> None:
    file = sharded[1] / "train" / INDEX
    content = json.loads(file.read_text())
    change(content["videos"][0])
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        parse_shards(str(sharded[1]), "train")


ONE_OF_TWO_PROCESSES = """
import hashlib, json, sys
import torch
from warm_process import WarmProcess, free_port
from lightning.pytorch import LightningModule, Trainer
from refsam_zoo.data_modules import ReferYouTubeVOS, Shards

class Recorder(LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def training_step(self, batch, index):
        for number, clip in enumerate(batch.clips):
            said = clip.referrals[0]
            pixels = batch.frames[number].numpy().tobytes() + batch.masks[number].numpy().tobytes()
            sample = said.video_id, said.expression_id, hashlib.sha256(pixels).hexdigest()
            self.seen.append([self.current_epoch, *sample])
        return self.weight * 0

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

folder, shards, output = sys.argv[1:]
seen = []
for data_module, root in ((ReferYouTubeVOS, folder), (Shards, shards)):
    trainer = Trainer(accelerator="cpu", devices=1, num_nodes=2, strategy="ddp", max_epochs=2, logger=False,
                      enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                      limit_val_batches=0, use_distributed_sampler=False)
    model = Recorder()
    trainer.fit(model, data_module(root, holdout=0.1, workers=2, batch_size=2, unit="expression"))
    seen.append(model.seen)
    assert trainer.world_size == 2
json.dump(seen, open(f"{output}/{trainer.global_rank}.json", "w"))
"""


@pytest.mark.slow
def test_two_processes_with_two_workers_see_each_sample_once(
    sharded: tuple[Path, Path], tmp_path: Path, warm_process: WarmProcess
) -> None:
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": "2", "LOCAL_RANK": "0"}
    nodes = [{**shared, "NODE_RANK": str(rank), "GLOO_SOCKET_IFNAME": "lo"} for rank in range(2)]
    done = warm_process.run("-c", ONE_OF_TWO_PROCESSES, *sharded, tmp_path, surroundings=nodes)
    assert done.returncode == 0, done.stderr
    seen = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    folder, shards = (seen[0][kind] + seen[1][kind] for kind in range(2))
    expected = {(said.video_id, said.expression_id) for said in Shards(str(sharded[1]), holdout=0.1).referrals("train")}
    assert len(expected) == 16
    for epoch in range(2):
        drawn = [(video, expression) for number, video, expression, _ in shards if number == epoch]
        assert len(drawn) == len(expected)
        assert set(drawn) == expected
    assert len(seen[0][1]) == len(seen[1][1])
    assert sorted(shards) == sorted(folder)
