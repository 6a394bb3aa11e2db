"""Mask decoders: every module of this folder is imported, so a new entry is one new file."""

import importlib
import pkgutil

from refsam_zoo.model.mask_decoders.base import MASK_DECODERS, MaskDecoder

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["MASK_DECODERS", "MaskDecoder"]
