"""COCO's run-length masks and polygons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refsam_zoo.errors import InputError


class MaskError(Exception):
    """A mask cannot be drawn."""


@dataclass(frozen=True)
class RunLengths:
    """One mask as run lengths, column by column, beginning with background.

    Attributes:
        size: Height and width.
        counts: COCO's compressed text, or the numbers themselves.
        key: Where in its file it stands, for messages.
    """

    size: tuple[int, int]
    counts: str | tuple[int, ...]
    key: str = ""

    @classmethod
    def of(cls, mask: np.ndarray) -> RunLengths:
        """Makes run lengths of a mask, bool `[H, W]`, as COCO's compressed text."""
        pixels = np.concatenate([[False], mask.T.ravel(), [not mask[-1, -1]]])
        changes = np.flatnonzero(pixels[1:] != pixels[:-1])
        runs = np.diff(changes, prepend=0)
        return cls((mask.shape[0], mask.shape[1]), compress(runs.tolist()))

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """Gives the mask of a frame, bool `[H, W]`.

        Raises:
            MaskError: It is damaged or of another size.
        """
        if self.size != size:
            raise MaskError(f"the mask is {self.size[0]}x{self.size[1]} pixels, its frame {size[0]}x{size[1]}")
        try:
            return self.decode()
        except (ValueError, OverflowError) as error:
            raise MaskError(f"the mask is damaged: {error}") from error

    def decode(self) -> np.ndarray:
        """Gives the mask, bool `[H, W]`.

        Raises:
            ValueError: The runs are no run lengths of a mask of this size.
        """
        runs = np.array(decompress(self.counts) if isinstance(self.counts, str) else self.counts, dtype=np.int64)
        pixels = self.size[0] * self.size[1]
        if np.any((runs < 0) | (runs > pixels)) or runs.sum() != pixels:
            raise ValueError(f"the runs do not add up to {self.size[0]}x{self.size[1]} pixels")
        filled = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
        return filled.reshape(self.size[1], self.size[0]).T


def decompress(text: str) -> list[int]:
    """Reads COCO's compressed run lengths.

    Each number is written in base 32, least digit first, as characters from `0` on with bit 5 set where more digits
    follow and the last digit's bit 4 as sign; from the fourth number on, the difference to the number two before.

    Raises:
        ValueError: Characters outside the code, or a number without end.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        digit = ord(character) - 48
        if not 0 <= digit < 64 or shift > 30:
            raise ValueError("not compressed run lengths")
        value |= (digit & 31) << shift
        shift += 5
        if digit < 32:
            if digit & 16:
                value -= 1 << shift
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value = shift = 0
    if shift:
        raise ValueError("compressed run lengths end in the middle of a number")
    return counts


def compress(counts: Sequence[int]) -> str:
    """Writes run lengths as COCO's compressed text, which `decompress` explains."""
    digits = bytearray()
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        while not -16 <= value < 16:
            digits.append(48 + 32 + (value & 31))
            value >>= 5
        digits.append(48 + (value & 31))
    return digits.decode()


@dataclass(frozen=True)
class Polygons:
    """One mask as the union of polygons, drawn by pycocotools; empty where there is none.

    Attributes:
        polygons: Each x, y, x, y, ... in pixels.
        key: Where in its file it stands, for messages.
    """

    polygons: tuple[tuple[float, ...], ...]
    key: str = ""

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """Gives the mask of a frame, bool `[H, W]`.

        Raises:
            InputError: pycocotools is missing.
            MaskError: A polygon reaches far outside the frame.
        """
        if not self.polygons:
            return np.zeros(size, bool)
        try:
            from pycocotools import mask as coco
        except ImportError as error:
            raise InputError("polygons need pycocotools: pip install refsam-zoo[formats]") from error
        # pycocotools allocates memory by the length of an outline without asking how much.
        reach = 10 * max(size)
        if any(not abs(value) < reach for polygon in self.polygons for value in polygon):
            raise MaskError(f"a polygon reaches far outside its frame of {size[0]}x{size[1]} pixels")
        drawn = coco.frPyObjects([list(polygon) for polygon in self.polygons], *size)
        return coco.decode(coco.merge(drawn)).astype(bool)


Segmentation = RunLengths | Polygons
"""A mask in either of COCO's forms."""


@dataclass(frozen=True)
class RunLengthMasks:
    """Masks of one or several objects, as MeViS ships them; a `MaskSource`.

    Attributes:
        file: Where they were read, for messages.
        objects: For each object and each frame of the referral its mask, None where it does not show.
    """

    file: Path
    objects: tuple[tuple[Segmentation | None, ...], ...]

    def read(self, positions: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """Reads the union of the objects, see `MaskSource.read`."""
        masks = np.zeros((len(positions), *size), bool)
        for row, position in enumerate(positions):
            for frames in self.objects:
                segmentation = frames[position]
                if segmentation is not None:
                    masks[row] |= self._draw(segmentation, position, size)
        return masks

    def _draw(self, segmentation: Segmentation, position: int, size: tuple[int, int]) -> np.ndarray:
        try:
            return segmentation.mask(size)
        except MaskError as error:
            wrong = str(error).replace("the mask", f"the mask of frame {position}", 1)
            raise InputError(f"{self.file}: {segmentation.key}: {wrong}") from error


@dataclass(frozen=True)
class PolygonMasks:
    """Masks of objects in a single image, as COCO ships them: the union of polygons and run lengths.

    Attributes:
        file: Where they were read, for messages.
        polygons: Each x, y, x, y, ... in pixels.
        run_lengths: Masks of crowds.
    """

    file: Path
    polygons: tuple[tuple[float, ...], ...]
    run_lengths: tuple[RunLengths, ...] = ()

    def read(self, positions: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """Draws the same mask for every position, see `MaskSource.read`."""
        mask = RunLengthMasks(self.file, tuple((item,) for item in self.run_lengths)).read([0], size)
        try:
            mask |= Polygons(self.polygons).mask(size)
        except MaskError as error:
            raise InputError(f"{self.file}: {error}") from error
        return np.repeat(mask, len(positions), axis=0)
