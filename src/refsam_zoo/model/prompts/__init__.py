"""Prompts: every module of this folder is imported, so a new sparse or dense prompt is one new file."""

import importlib
import pkgutil

from refsam_zoo.model.prompts.base import DENSE_PROMPTS, SPARSE_PROMPTS, DensePrompt, SparsePrompt

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["DENSE_PROMPTS", "SPARSE_PROMPTS", "DensePrompt", "SparsePrompt"]
