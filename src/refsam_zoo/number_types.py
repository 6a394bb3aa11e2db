"""Numbers with bounds: an option annotated so is checked where options are parsed, before anything is built or read.

To a type checker and from Python they are plain `int` and `float`; only the command line and configuration files are
held to the bounds, and values stay plain numbers, so that a checkpoint holds no class of ours.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

MOST = 2**31 - 1
"""Largest count: what tensors, images and loaders are indexed by."""


def _bounded(name: str, kind: Any, low: float, high: float, meaning: str) -> Any:
    """Makes a type for `low <= value <= high` and tells jsonargparse how to read and write it."""

    def fits(value: Any, _: Any = None) -> bool:
        return type(value) is kind and low <= value <= high

    def read(value: Any) -> Any:
        try:
            number = None if isinstance(value, bool) else kind(value)
        except (ValueError, TypeError, OverflowError):
            number = None
        if number is None or not fits(number) or (not isinstance(value, str) and number != value):
            raise ValueError(f"must be {meaning}, not {value}")
        return number

    made = type(name, (kind,), {"__doc__": f"{meaning[:1].upper()}{meaning[1:]}.", "__module__": __name__})
    with suppress(ModuleNotFoundError):  # scores are computed without the command line's parser, too
        from jsonargparse.typing import register_type

        register_type(made, serializer=kind, deserializer=read, type_check=fits)
    return made


if TYPE_CHECKING:
    PositiveInt: TypeAlias = int
    NonNegativeInt: TypeAlias = int
    Width: TypeAlias = int
    Depth: TypeAlias = int
    ImageSize: TypeAlias = int
    Stride: TypeAlias = int
    ClipLength: TypeAlias = int
    Workers: TypeAlias = int
    Seed: TypeAlias = int
    NonNegativeFloat: TypeAlias = float
    PositiveFloat: TypeAlias = float
    FiniteFloat: TypeAlias = float
    Probability: TypeAlias = float
    Share: TypeAlias = float
    Scale: TypeAlias = float
else:
    PositiveInt = _bounded("PositiveInt", int, 1, MOST, "a whole number from 1 on")
    NonNegativeInt = _bounded("NonNegativeInt", int, 0, MOST, "a whole number from 0 on")
    Width = _bounded("Width", int, 1, 2**14, "a whole number from 1 to 16384")
    Depth = _bounded("Depth", int, 0, 256, "a whole number of layers from 0 to 256")
    ImageSize = _bounded("ImageSize", int, 8, 2**13, "a whole number of pixels from 8 to 8192")
    Stride = _bounded("Stride", int, 1, 16, "a whole number from 1 to 16")
    ClipLength = _bounded("ClipLength", int, 1, 10000, "a whole number of frames from 1 to 10000")
    Workers = _bounded("Workers", int, 0, 1024, "a whole number of processes from 0 to 1024")
    Seed = _bounded("Seed", int, 0, 2**32 - 1, "a whole number from 0 to 4294967295")
    NonNegativeFloat = _bounded("NonNegativeFloat", float, 0.0, 1e30, "a finite number from 0 on")
    PositiveFloat = _bounded("PositiveFloat", float, 1e-30, 1e30, "a finite number above 0")
    FiniteFloat = _bounded("FiniteFloat", float, -1e30, 1e30, "a finite number")
    Probability = _bounded("Probability", float, 0.0, 1.0, "a number from 0 to 1")
    Share = _bounded("Share", float, math.ulp(0.0), math.nextafter(1.0, 0.0), "a number between 0 and 1")
    Scale = _bounded("Scale", float, 0.01, 1.0, "a number from 0.01 to 1")
