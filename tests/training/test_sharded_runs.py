"""Weights spread over two processes: steps, checkpoints, going on and exporting are those of one process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from compositions import CONFIGS, build, in_small, model_parser
from warm_process import WarmProcess, as_torchrun

from refsam_zoo.checkpoints.restoring import load_model
from refsam_zoo.cli import main
from refsam_zoo.errors import InputError
from refsam_zoo.training.sharding import shard

pytestmark = pytest.mark.slow

SHARDED = (
    f"--config={CONFIGS / 'strategies/fsdp.yaml'}",
    "--trainer.devices=2",
    "--trainer.strategy.init_args.data_parallel_size=2",
    "--trainer.callbacks=training.own_parts.Shares",
    "--data.batch_size=1",
)

Fit = Callable[..., Path]


@pytest.fixture(scope="module")
def fit(ref_shapes: Path, tmp_path_factory: pytest.TempPathFactory, warm_process: WarmProcess) -> Fit:
    """Trains `configs/vit_h.yaml` on the smallest encoders, two steps an epoch."""
    folder = tmp_path_factory.mktemp("runs")

    def run(name: str, surroundings: list[dict[str, str]], *more: str) -> Path:
        arguments = [
            "fit", f"--config={CONFIGS / 'vit_h.yaml'}", "--data=RefShapes", f"--data.root={ref_shapes}",
            "--data.synthesis=null", "--data.workers=0", "--data.clip_frames=2", "--data.epoch_length=4",
            "--model.image_encoder=vit_tiny", "--model.image_encoder.image_size=64", "--model.text_encoder=clip_tiny",
            "--trainer.accelerator=cpu", "--trainer.precision=32-true", "--trainer.limit_val_batches=1",
            "--trainer.enable_model_summary=false", f"--trainer.default_root_dir={folder / name}", *more,
        ]  # fmt: skip
        done = warm_process.run("-m", "refsam_zoo", *arguments, surroundings=surroundings)
        assert done.returncode == 0, done.stderr
        return folder / name

    return run


@pytest.fixture(scope="module")
def alone(fit: Fit) -> Path:
    return fit("alone", [{}], "--trainer.max_epochs=2", "--data.batch_size=2")


@pytest.fixture(scope="module")
def sharded(fit: Fit) -> Path:
    """A run that was ended after an epoch and continued."""
    fit("sharded", as_torchrun(2), *SHARDED, "--trainer.max_epochs=1")
    return fit("sharded", as_torchrun(2), *SHARDED, "--trainer.max_epochs=2", "--ckpt_path=last")


def content(run: Path) -> dict[str, Any]:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def moments(checkpoint: dict[str, Any]) -> torch.Tensor:
    """The means of gradients, in the order of the optimiser's groups; numbers of parameters are not the same."""
    [optimizer] = checkpoint["optimizer_states"]
    numbers = [number for group in optimizer["param_groups"] for number in group["params"]]
    return torch.cat([optimizer["state"][number]["exp_avg"].flatten().double() for number in numbers])


def test_every_process_holds_its_share(sharded: Path) -> None:
    shares = [json.loads((sharded / f"rank{rank}.json").read_text()) for rank in range(2)]
    for learned in ("frozen", "trained"):
        whole = shares[0][learned]["whole"]
        assert whole == shares[1][learned]["whole"] > 1_000_000
        assert all(share[learned]["held"] < 0.55 * whole for share in shares)
        assert sum(share[learned]["held"] for share in shares) == pytest.approx(whole, rel=0.01)


def test_it_learns_what_one_process_learns(sharded: Path, alone: Path) -> None:
    one, two = content(alone), content(sharded)
    assert one["global_step"] == two["global_step"] == 4
    assert list(one["state_dict"]) == list(two["state_dict"])
    weights, others = (
        torch.cat([part.flatten().double() for part in each["state_dict"].values()]) for each in (one, two)
    )
    assert (weights - others).norm() <= 1e-5 * weights.norm()
    ours, theirs = (moments(each) for each in (one, two))
    assert (ours - theirs).norm() <= 1e-4 * ours.norm()


def test_its_checkpoint_is_exported(sharded: Path, tmp_path: Path) -> None:
    checkpoint = sharded / "checkpoints" / "best.ckpt"
    assert main(["export", str(checkpoint), str(tmp_path / "model")]) == 0
    one, other = load_model(tmp_path / "model").state_dict(), load_model(checkpoint).state_dict()
    assert all(other[name].equal(part) for name, part in one.items())


def test_what_is_not_sharded_cannot_go_on_sharded(
    alone: Path, ref_shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configs = (f"--config={CONFIGS / 'vit_h.yaml'}", "--data=RefShapes", f"--data.root={ref_shapes}", *SHARDED)
    checkpoint = alone / "checkpoints" / "last.ckpt"
    where = ("--trainer.accelerator=cpu", f"--trainer.default_root_dir={tmp_path}", f"--ckpt_path={checkpoint}")
    assert main(["fit", *configs, *where]) == 2
    assert f"refsam-zoo: error: {checkpoint}: the run was not sharded" in capsys.readouterr().err


def test_single_numbers_cannot_be_spread() -> None:
    module = build(model_parser(), *in_small(CONFIGS / "demo.yaml"))
    with pytest.raises(InputError, match=r"alignment\.log_scale, alignment\.shift cannot be spread"):
        shard(module, (), None)  # refused before the processes are asked
