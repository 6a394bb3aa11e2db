"""Runs every benchmark of this folder at its small default size, then draws the charts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SHARED = {"measure", "official", "charts", "run_all"}


def main() -> None:
    scripts = [path for path in sorted(Path(__file__).parent.glob("*.py")) if path.stem not in SHARED]
    for script in [*scripts, Path(__file__).with_name("charts.py")]:
        print(f"== {script.stem}", flush=True)
        subprocess.run([sys.executable, str(script)], check=True)


if __name__ == "__main__":
    main()
