"""A sweep by W&B's own agent, against a server of our own that knows the four calls an agent makes."""

from __future__ import annotations

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from conftest import DEMO
from warm_process import WarmProcess, as_torchrun

pytestmark = pytest.mark.slow

AGENT = """
import sys
from wandb.cli.cli import cli
from wandb.wandb_agent import Agent

Agent.POLL_INTERVAL = 0.2
cli(["agent", *sys.argv[1:]])
"""
"""The agent as it is, but for the five seconds it waits between two questions."""

TRIAL = """
import json, os, sys
from http.client import HTTPConnection

connection = HTTPConnection("127.0.0.1", int(sys.argv[1]))
environment = {name: value for name, value in os.environ.items() if name.startswith("WANDB_")}
connection.request("POST", "/trial", json.dumps({"arguments": sys.argv[2:], "environment": environment}))
done = json.loads(connection.getresponse().read())
sys.stderr.write(done["stderr"])
sys.exit(done["status"])
"""
"""What the agent starts: has the processes of `refsam-zoo` forked, as `torchrun` would start them."""


class SweepServer(ThreadingHTTPServer):
    """Hands out the trials of one sweep, the next when an agent says that it runs none, and then tells it to end."""

    def __init__(self, arguments: list[str], trials: dict[str, dict[str, Any]], warm_process: WarmProcess) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.command = ["${env}", sys.executable, "-c", TRIAL, str(self.server_port), *arguments]
        self.trials, self.warm_process = list(trials.items()), warm_process

    def next_order(self) -> dict[str, Any]:
        if not self.trials:
            return {"type": "exit"}
        run, values = self.trials.pop(0)
        arguments = {key: {"value": value} for key, value in values.items()}
        return {"type": "run", "run_id": run, "program": "refsam-zoo", "args": arguments}

    def run(self, arguments: list[str], environment: dict[str, str]) -> dict[str, Any]:
        surroundings = [rank | environment for rank in as_torchrun(2)]
        done = self.warm_process.run("-m", "refsam_zoo", *arguments, surroundings=surroundings)
        return {"status": done.returncode, "stderr": done.stderr}

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "query Viewer" in query:
            return {"viewer": {"id": "1", "entity": "us", "username": "us", "flags": "{}", "teams": {"edges": []}}}
        if "query SweepWithRuns" in query:
            sweep = {"id": "1", "config": json.dumps({"command": self.command}), "runs": {"edges": []}}
            return {"project": {"sweep": sweep}}
        if "mutation CreateAgent" in query:
            return {"createAgent": {"agent": {"id": "1"}}}
        assert "mutation Heartbeat" in query
        orders = [] if json.loads(variables["runState"]) else [self.next_order()]
        return {"agentHeartbeat": {"agent": {"id": "1"}, "commands": json.dumps(orders)}}


class Answer(BaseHTTPRequestHandler):
    """One call of the agent."""

    server: SweepServer

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/graphql":
            asked = json.loads(body)
            answer = json.dumps({"data": self.server.answer(asked["query"], asked.get("variables") or {})})
        else:
            answer = json.dumps(self.server.run(**json.loads(body)) if self.path == "/trial" else {})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())


VALUES = {
    "model.tuner": {"class_path": "lora", "init_args": {"rank": 2}},
    "model.learning_rates.mask_decoder": 1e-05,
    "data.augmentation": None,
    "trainer.detect_anomaly": True,
}
TRIALS = {
    "first": VALUES,
    "wrong": VALUES | {"model.tuner": "lorra"},
    "last": {"model.tuner": "frozen"},
}


@pytest.fixture
def agent_output(ref_shapes: Path, tmp_path: Path, warm_process: WarmProcess, monkeypatch: pytest.MonkeyPatch) -> str:
    """What an agent and its trials say."""
    options = {
        "config": DEMO, "data.root": ref_shapes, "data.synthesis": "null", "data.batch_size": 2, "data.epoch_length": 4,
        "data.workers": 0, "model.image_encoder.image_size": 32, "trainer.max_epochs": 1, "trainer.strategy": "ddp",
        "trainer.devices": 2, "trainer.limit_val_batches": 1, "trainer.callbacks+": "training.own_parts.Witness",
        "trainer.default_root_dir": tmp_path / "run",
    }  # fmt: skip
    flags = [f"--{name}={value}" for name, value in options.items()]
    with SweepServer(["fit", *flags, "--config", "${args_json_file}"], TRIALS, warm_process) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        for folder in ("WANDB_DIR", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR"):
            monkeypatch.setenv(folder, str(tmp_path))
        command = [sys.executable, "-c", AGENT, "us/zoo/sweep"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=240)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_an_agent_runs_a_sweep(agent_output: str, tmp_path: Path) -> None:
    """Values arrive as they are, in both processes; a trial that is none costs only itself."""
    witnesses = {
        path.relative_to(tmp_path).as_posix(): json.loads(path.read_text()) for path in tmp_path.rglob("rank*")
    }
    names = {f"run-{run}/rank{rank}.json" for run in ("first", "last") for rank in range(2)}
    assert set(witnesses) == names, agent_output
    first = {"tuner": "lora", "rank": 2, "mask_decoder": 1e-05, "augmented": False, "detect_anomaly": True}
    assert [witnesses[f"run-first/rank{rank}.json"] for rank in range(2)] == [first, first]
    assert "refsam-zoo: error: --model.tuner: unknown tuner 'lorra'" in agent_output
    assert "Traceback" not in agent_output
    assert not (tmp_path / "run-wrong").exists()
    for run in ("first", "last"):
        assert (tmp_path / f"run-{run}" / "checkpoints" / "last.ckpt").is_file()
