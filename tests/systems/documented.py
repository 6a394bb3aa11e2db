"""The system of one's own that docs/systems.md shows."""

from __future__ import annotations

import re
from pathlib import Path

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "systems.md"
BRIGHT_PIXELS = re.findall(r"```python\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), flags=re.DOTALL)[1]
"""Its code."""
