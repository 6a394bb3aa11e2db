"""A process that has made all imports, and forks for every program: those take seconds that prove nothing.

A program in it is as good as in a Python of its own: it starts before anything was computed, in a process without
threads, and ends as every process ends. Not for what is to be known of the imports themselves.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

DEMO = Path(__file__).parents[1] / "configs" / "demo.yaml"


class WarmProcess:
    """Runs programs, one after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},  # OpenMP's threads do not survive a fork
        )

    def run(
        self, *words: object, timeout: int = 240, surroundings: Sequence[Mapping[str, str]] = ({},)
    ) -> subprocess.CompletedProcess[str]:
        """Runs what `python` followed by these words would: `-c text`, `-m module` or a file, and arguments.

        After `timeout` seconds it is ended by SIGALRM. It runs once for each of the `surroundings`, all at the same
        time, with these environment variables more.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        spelt = [str(word) for word in words]
        with TemporaryDirectory() as folder:
            files = [str(Path(folder, name)) for name in ("stdout", "stderr")]
            order = {"words": spelt, "files": files, "timeout": timeout, "folder": os.getcwd()}
            order["surroundings"] = [dict(one) for one in surroundings]
            print(json.dumps(order), file=self._process.stdin, flush=True)
            code = int(self._process.stdout.readline())
            return subprocess.CompletedProcess(spelt, code, *(Path(file).read_text() for file in files))

    def close(self) -> None:
        """Ends the process by an empty line: workers that this process forked may hold the pipe open."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)
        self._process.wait()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def as_torchrun(processes: int) -> list[dict[str, str]]:
    """The variables that `torchrun` sets for its processes on one machine."""
    shared = {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes), "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "tests",
        "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    return [{**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]


def serve() -> None:
    """Forks for every order; a child goes on as the program that is wanted, to the end of this file."""
    from lightning.pytorch.utilities.rank_zero import rank_zero_only

    from refsam_zoo.cli import main

    with redirect_stdout(StringIO()), suppress(SystemExit):
        main(["fit", f"--config={DEMO}", "--print_config"])
    while line := sys.stdin.readline().strip():
        order, children = json.loads(line), []
        for variables in order["surroundings"]:
            children.append(os.fork())
            if children[-1] == 0:
                os.environ.update(variables)
                rank_zero_only.rank = int(variables.get("RANK", 0))  # Lightning asks when it is imported
                become(order)
                return
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(next(filter(None, codes), 0), flush=True)


def become(order: dict[str, Any]) -> None:
    signal.alarm(order["timeout"])
    for number, path in enumerate([os.devnull, *order["files"]]):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
    os.chdir(order["folder"])
    kind, *words = order["words"]
    if kind == "-c":
        sys.argv = ["-c", *words[1:]]
        exec(compile(words[0], "<string>", "exec"), {"__name__": "__main__"})
    elif kind == "-m":
        sys.argv = words
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv = order["words"]
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    serve()
