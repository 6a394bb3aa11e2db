"""refsam-zoo: referring video object segmentation with every part swappable.

Names are imported on first use, so that `import refsam_zoo` and `refsam-zoo --help` stay fast.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import Any

__version__ = version("refsam-zoo")

_PUBLIC = {
    "create_model": "refsam_zoo.zoo",
    "list_models": "refsam_zoo.zoo",
    "model_info": "refsam_zoo.zoo",
    "load_model": "refsam_zoo.checkpoints.restoring",
    "segment": "refsam_zoo.commands.segment",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'refsam_zoo' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
