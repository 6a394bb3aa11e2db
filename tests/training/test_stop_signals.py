"""Runs that are told to stop: what is saved, what is said, and the exit status."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from warm_process import WarmProcess

from refsam_zoo.callbacks.scores import EvaluationCallback
from refsam_zoo.cli import main
from refsam_zoo.training.module import ReferringSegmentation
from refsam_zoo.training.stop_signals import StopSignals

pytestmark = pytest.mark.slow


def signal_at(monkeypatch: pytest.MonkeyPatch, cls: type, hook: str, call: int, number: int) -> None:
    """Sends this process a signal at a call of a method."""
    method, calls = getattr(cls, hook), []

    def wrapped(self: object, *args: object, **options: object) -> object:
        calls.append(hook)
        if len(calls) == call:
            os.kill(os.getpid(), number)
        return method(self, *args, **options)

    monkeypatch.setattr(cls, hook, wrapped)


def history(run: Path) -> list[tuple[str, ...]]:
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        return [tuple(row.get(name, "") for name in ("step", "train/loss", "val/jf")) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def undisturbed(tiny_command: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs."""
    run = tmp_path_factory.mktemp("undisturbed")
    assert main(tiny_command("fit", run, "--trainer.max_epochs=-1", "--trainer.max_steps=9")) == 0
    return run


@pytest.mark.parametrize(
    ("cls", "hook", "call", "number", "step"),
    [
        (ReferringSegmentation, "training_step", 5, signal.SIGTERM, 5),
        (EvaluationCallback, "on_validation_batch_end", 5, signal.SIGINT, 6),
    ],
    ids=["amid an epoch", "amid a validation"],
)
def test_a_stopped_run_goes_on_as_if_nothing_had_been(
    cls: type,
    hook: str,
    call: int,
    number: int,
    step: int,
    undisturbed: Path,
    tiny_command: Callable[..., list[str]],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    arguments = tiny_command("fit", tmp_path, "--trainer.max_epochs=-1", "--trainer.max_steps=9")
    last = tmp_path / "checkpoints" / "last.ckpt"
    with pytest.MonkeyPatch.context() as patch:
        signal_at(patch, cls, hook, call, number)
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
    assert stopped.value.code == 128 + number
    line = f"refsam-zoo: stopped by {signal.Signals(number).name} after step {step}; continue with --ckpt_path {last}"
    assert capfd.readouterr().err.splitlines().count(line) == 1
    before = (tmp_path / "metrics.csv").read_text()
    assert main([*arguments, "--ckpt_path=last"]) == 0
    assert (tmp_path / "metrics.csv").read_text().startswith(before)
    assert history(tmp_path) == history(undisturbed)
    states = [torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (tmp_path, undisturbed)]
    one, other = (state["state_dict"] for state in states)
    assert all(torch.equal(one[name], other[name]) for name in other)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_other_commands_end_where_they_are(
    number: int,
    undisturbed: Path,
    tiny_command: Callable[..., list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    signal_at(monkeypatch, ReferringSegmentation, "test_step", 2, number)
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    checkpoint = f"--ckpt_path={undisturbed / 'checkpoints' / 'last.ckpt'}"
    with pytest.raises(SystemExit) as stopped:
        main(tiny_command("test", tmp_path, checkpoint))
    assert stopped.value.code == 128 + number
    assert f"refsam-zoo: stopped by {signal.Signals(number).name}\n" in capfd.readouterr().err
    assert not (tmp_path / "evaluation").exists()
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == handlers


def test_a_signal_after_the_last_step_is_told() -> None:
    signals = StopSignals()
    signals._training = True
    signals.__enter__()
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(SystemExit) as stopped:
        signals.__exit__(None, None, None)
    assert stopped.value.code == 143


def wait_until(log: Path, text: str) -> None:
    for _ in range(1200):
        if text in log.read_text():
            return
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_all_processes_of_a_run_stop_together(
    tiny_command: Callable[..., list[str]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Only the first process gets the signal; a shell's `fit && test` does not go on."""
    run, log = tmp_path / "run", tmp_path / "log.txt"
    more = ("--trainer.strategy=ddp", "--trainer.devices=2", "--data.epoch_length=2000", "--data.workers=1")
    with log.open("w") as file:
        command = [sys.executable, "-m", "refsam_zoo", *tiny_command("fit", run, *more)]
        process = subprocess.Popen(command, stdout=file, stderr=file)
    wait_until(log, "training from step 0")
    process.terminate()
    try:
        assert process.wait(120) == 143
    finally:
        process.kill()
    lines = [line for line in log.read_text().splitlines() if line.startswith("refsam-zoo: ")]
    assert len(lines) == 1
    assert lines[0].startswith("refsam-zoo: stopped by SIGTERM after step ")
    assert "Traceback" not in log.read_text()
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] > 0


def test_the_second_interruption_ends_at_once(warm_process: WarmProcess) -> None:
    program = (
        "import os, signal\n"
        "from refsam_zoo.training.stop_signals import StopSignals\n"
        "with StopSignals() as signals:\n"
        "    signals._training = True\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('goes on', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('went on', flush=True)\n"
    )
    done = warm_process.run("-c", program)
    assert (done.returncode, done.stdout) == (130, "goes on\n")
