"""What the benchmarks share: interleaved timing, peak memory of a fresh process, results with their circumstances."""

from __future__ import annotations

import argparse
import datetime
import gc
import json
import multiprocessing
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import torch

from refsam_zoo.private_parts.pytorch import has_matrix_tiles

RESULTS = Path("build/benchmarks")
Variant = TypeVar("Variant")


def parser(description: str | None, rounds: int = 5) -> argparse.ArgumentParser:
    """Makes a parser with the options every benchmark has."""
    made = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    made.add_argument("--rounds", type=int, default=rounds, help="timings per variant, of which the median counts")
    made.add_argument("--threads", type=int, default=torch.get_num_threads())
    return made


def interleaved(
    variants: Mapping[Variant, Callable[[], object]],
    rounds: int,
    warm: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[Variant, float]:
    """Runs each variant once unmeasured, unless all are warm, then all in turn; gives the median seconds of each."""
    times: dict[Variant, list[float]] = {name: [] for name in variants}
    for run in () if warm else variants.values():
        run()
    for _ in range(rounds):
        for name, run in variants.items():
            gc.collect()
            start = clock()
            run()
            times[name].append(clock() - start)
    return {name: statistics.median(seconds) for name, seconds in times.items()}


def peak_memory(function: Callable[..., object], *arguments: Any) -> float:
    """Runs `function(*arguments)` in a fresh process; what it returns is called and measured.

    Returns:
        Largest growth of the process's resident memory during that call, in MiB.
    """
    return memory_and_time(0, function, *arguments)[0]


def memory_and_time(
    rounds: int, function: Callable[..., object], *arguments: Any, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, float]:
    """As `peak_memory`, and calls it `rounds` times more; gives MiB and the median seconds (0 without rounds)."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["open_clip", "refsam_zoo.inference.segment"])  # only imports are shared
    receiver, sender = context.Pipe(duplex=False)
    job = (sender, torch.get_num_threads(), rounds, clock, function, arguments)
    process = context.Process(target=_report, args=job)
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        raise RuntimeError(f"{function.__name__}{arguments} died; was there memory enough?") from None
    finally:
        process.join()


def _report(
    sender: Any,
    threads: int,
    rounds: int,
    clock: Callable[[], float],
    function: Callable[..., Callable[[], object]],
    arguments: Any,
) -> None:
    torch.set_num_threads(threads)
    run = function(*arguments)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    before = _status("VmRSS")
    run()
    peak = (_status("VmHWM") - before) / 1024
    sender.send((peak, interleaved({"run": run}, rounds, True, clock)["run"] if rounds else 0.0))


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def report(name: str, claim: str, options: argparse.Namespace, rows: Sequence[dict[str, Any]]) -> None:
    """Prints the rows as a table and writes them with machine, versions and options as JSON.

    Args:
        name: Of the benchmark.
        claim: What the `ratio` of the rows says, for the chart.
        options: Of the command line.
        rows: Measurements: `label`, `ratio`, and `goal` where there is one, beside what else is to be told.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    table = [columns, *([_text(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(len(line[column]) for line in table) for column in range(len(columns))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    RESULTS.mkdir(parents=True, exist_ok=True)
    facts = {"name": name, "claim": claim, "circumstances": circumstances(), "options": vars(options), "rows": rows}
    (RESULTS / f"{name}.json").write_text(json.dumps(facts, indent=2, default=str) + "\n", encoding="utf-8")


def circumstances() -> dict[str, Any]:
    """Tells the machine, its load, the allocator's settings, the versions, the day and the commit."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    packages = ("torch", "torchvision", "segment-anything", "numpy", "av", "refsam-zoo")
    return {
        "processor": cpu[0].partition(": ")[2] if cpu else platform.processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "amx": has_matrix_tiles(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "environment": {name: value for name, value in os.environ.items() if name.startswith(("MALLOC_", "OMP_"))},
        "date": datetime.date.today().isoformat(),
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
        ).stdout.strip(),
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
    }


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
