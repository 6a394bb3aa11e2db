"""Measures predictions: J and F, per data set and per expression, and what a reader sees of them."""

from __future__ import annotations

from typing import Any

__all__ = ["evaluate"]


def __getattr__(name: str) -> Any:
    """Loads `evaluate` when it is first asked for: its imports are slow."""
    if name == "evaluate":
        from refsam_zoo.evaluation.scoring import evaluate

        return evaluate
    raise AttributeError(f"module 'refsam_zoo.evaluation' has no attribute '{name}'")
