"""Runs every benchmark of this folder at its small default size."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    for script in sorted(Path(__file__).parent.glob("*.py")):
        if script.name != Path(__file__).name:
            print(f"== {script.stem}", flush=True)
            subprocess.run([sys.executable, str(script)], check=True)
