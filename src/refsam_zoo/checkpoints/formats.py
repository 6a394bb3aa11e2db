"""What weights are written as; apart from the code that writes them, so that help needs no PyTorch."""

from __future__ import annotations

from typing import Literal

Format = Literal["folder", "onnx", "torch_export"]
"""Of an exported model."""

Naming = Literal["refsam_zoo", "official"]
"""Whose names the tensors of a converted file have."""
