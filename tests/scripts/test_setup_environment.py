from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "setup_environment.py"


def test_folder_that_is_no_environment_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").write_text("not an environment")

    outcome = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True)

    assert outcome.returncode == 1
    assert outcome.stderr == f"error: {tmp_path} is neither empty nor a virtual environment; nothing was changed\n"
    assert outcome.stdout == "", "no command ran"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bin", "tool"]
