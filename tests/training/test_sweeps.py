"""A sweep by W&B's own agent, against a server of our own that knows the four calls an agent makes."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from conftest import DEMO
from warm_process import WarmProcess

pytestmark = pytest.mark.slow

# The agent as it is, but for the five seconds it waits between two questions.
AGENT = """
import sys
from wandb.cli.cli import cli
from wandb.wandb_agent import Agent

Agent.POLL_INTERVAL = 0.2
cli(["agent", *sys.argv[1:]])
"""


class SweepServer(ThreadingHTTPServer):
    """Hands out the trials of one sweep, the next when an agent says that it runs none, and then tells it to end."""

    def __init__(self, command: list[str], trials: dict[str, dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.command, self.trials = command, list(trials.items())

    def next_order(self) -> dict[str, Any]:
        if not self.trials:
            return {"type": "exit"}
        run, values = self.trials.pop(0)
        arguments = {key: {"value": value} for key, value in values.items()}
        return {"type": "run", "run_id": run, "program": "refsam-zoo", "args": arguments}

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
        asked = json.loads(body) if self.path == "/graphql" else {}
        answer = json.dumps({"data": self.server.answer(asked["query"], asked.get("variables") or {}) if asked else {}})
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
    "trainer.devices": 2,
}
TRIALS = {
    "first": VALUES,
    "wrong": VALUES | {"model.tuner": "lorra"},
    "last": {"model.tuner": "frozen", "trainer.devices": 1},
}


@pytest.fixture
def agent_output(ref_shapes: Path, tmp_path: Path, warm_process: WarmProcess) -> str:
    """What an agent and its trials say."""
    options = {
        "config": DEMO, "data.root": ref_shapes, "data.synthesis": "null", "data.batch_size": 2, "data.epoch_length": 4,
        "data.workers": 0, "model.image_encoder.image_size": 32, "trainer.max_epochs": 1, "trainer.strategy": "ddp",
        "trainer.limit_val_batches": 1, "trainer.callbacks+": "own_parts.Witness",
        "trainer.default_root_dir": tmp_path / "run",
    }  # fmt: skip
    flags = [f"--{name}={value}" for name, value in options.items()]
    paths = f"PYTHONPATH={Path(__file__).parent}"
    command = ["${env}", paths, sys.executable, "-m", "refsam_zoo", "fit", *flags, "--config", "${args_json_file}"]
    with SweepServer(command, TRIALS) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        surroundings = {
            "WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}", "WANDB_API_KEY": "0" * 40,
            "WANDB_DIR": str(tmp_path), "WANDB_CONFIG_DIR": str(tmp_path), "WANDB_CACHE_DIR": str(tmp_path),
        }  # fmt: skip
        done = warm_process.run("-c", AGENT, "us/zoo/sweep", surroundings=[surroundings])
        server.shutdown()
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_an_agent_runs_a_sweep(agent_output: str, tmp_path: Path) -> None:
    """Values arrive as they are, in both processes; a trial that is none costs only itself."""
    first = {"tuner": "lora", "rank": 2, "mask_decoder": 1e-05, "augmented": False, "detect_anomaly": True}
    witnesses = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.glob("run-*/rank*.json")}
    assert set(witnesses) == {"run-first/rank0.json", "run-first/rank1.json", "run-last/rank0.json"}, agent_output
    for rank in range(2):
        assert json.loads(witnesses[f"run-first/rank{rank}.json"].read_text()) == first
    assert agent_output.count("refsam-zoo: error: ") == 1
    assert "refsam-zoo: error: --model.tuner: unknown tuner 'lorra'" in agent_output
    assert not (tmp_path / "run-wrong").exists()
    for run in ("first", "last"):
        assert (tmp_path / f"run-{run}" / "checkpoints" / "last.ckpt").is_file()
