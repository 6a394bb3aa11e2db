"""Ground-truth masks as data sets store them; each class is a `refsam_zoo.types.MaskSource`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.file_names import MASKS, find_files
from refsam_zoo.types import MaskSource, Referral
from refsam_zoo.video.frame_folder import PILLOW_ERRORS, pillow_reason

LARGEST_GREY_ID = 2**16 - 1
"""Grey PNG files have up to 16 bits, indexed ones 8."""


class IndexedMasks(ABC):
    """Masks that several referrals may share as pictures whose pixel values are object ids; a `MaskSource`."""

    object_ids: tuple[int, ...] | None

    @property
    @abstractmethod
    def shared(self) -> tuple[object, ...]:
        """Which pictures these are; equal for referrals to the same ones."""

    @abstractmethod
    def read_ids(self, positions: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """Reads the object id of every pixel, an integer array `[T, H, W]`, 0 for background."""

    def select(self, ids: np.ndarray) -> np.ndarray:
        """Turns ids `[T, H, W]` into the mask of this referral, bool `[T, H, W]`."""
        if self.object_ids is None:
            return ids != 0
        if len(self.object_ids) == 1:
            return ids == self.object_ids[0]
        return np.isin(ids, self.object_ids)

    def read(self, positions: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """Reads masks, see `MaskSource.read`."""
        return self.select(self.read_ids(positions, size))


@dataclass(frozen=True)
class PaletteMasks(IndexedMasks):
    """Indexed PNG files whose pixel values are object ids, as DAVIS and Ref-YouTube-VOS ship them.

    Attributes:
        folder: Where `<name>.png` are; see `find_files`.
        names: One name per frame of the referral.
        object_ids: The mask is the union of these; empty for an absent target, None for every id but 0.
    """

    folder: Path
    names: tuple[str, ...]
    object_ids: tuple[int, ...] | None

    @property
    def shared(self) -> tuple[object, ...]:
        """See `IndexedMasks.shared`."""
        return self.folder, self.names

    def read_ids(self, positions: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """See `IndexedMasks.read_ids`."""
        found = find_files(self.folder, MASKS) if self.folder.is_dir() else {}
        names = [self.names[position] for position in positions]
        return np.stack([read_indexed(found.get(name, self.folder / f"{name}.png"), size) for name in names])


@dataclass(frozen=True)
class BinaryMasks:
    """A folder of grey PNG files for one target, none of a frame that does not show it; a `MaskSource`.

    Attributes:
        folder: Where `<name>.png` are; see `find_files`.
        names: One name per frame of the referral.
        level: Pixels above it are the target's.
    """

    folder: Path
    names: tuple[str, ...]
    level: int = 0

    def there(self) -> tuple[int, ...]:
        """Positions of the frames that have a file."""
        found = find_files(self.folder, MASKS)
        return tuple(position for position, name in enumerate(self.names) if name in found)

    def read(self, positions: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """Reads masks, see `MaskSource.read`.

        Raises:
            InputError: A file cannot be read, is of another size, or is a picture of 0 and 1, which no evaluator reads.
        """
        masks = np.zeros((len(positions), *size), bool)
        found = find_files(self.folder, MASKS)
        for mask, position in zip(masks, positions, strict=True):
            file = found.get(self.names[position])
            if file is not None:
                values = read_indexed(file, size)
                if self.level and values.max() == 1:
                    raise InputError(f"{file}: the largest value is 1, where pixels above {self.level} are the target")
                np.greater(values, self.level, out=mask)
        return masks


def read_masks(sources: Sequence[MaskSource], positions: Sequence[int], size: tuple[int, int]) -> np.ndarray:
    """Reads the masks of several referrals to the same frames; a PNG file they share is decoded once.

    Args:
        sources: E mask sources.
        positions: T positions in `Referral.frames`.
        size: Height and width of the video's frames.

    Returns:
        bool `[E, T, H, W]`.
    """
    masks = []
    shared: dict[tuple[object, ...], np.ndarray] = {}
    for source in sources:
        if isinstance(source, IndexedMasks):
            if source.shared not in shared:
                shared[source.shared] = source.read_ids(positions, size)
            masks.append(source.select(shared[source.shared]))
        else:
            masks.append(source.read(positions, size))
    shape = len(masks), len(positions), *size
    # a single source's masks need no copy, unless they lie in another order
    return (np.ascontiguousarray(masks[0]) if len(masks) == 1 else np.array(masks, bool)).reshape(shape)


def read_objects(referrals: Sequence[Referral], positions: Sequence[int], size: tuple[int, int]) -> np.ndarray:
    """Reads the masks of every annotated object of a video.

    Pictures of several object ids have all objects, also those that no sentence is about; of other masks those count
    whose sentence is about one object.

    Args:
        referrals: All referrals to the frames of a video.
        positions: T positions in `Referral.frames`.
        size: Height and width of the video's frames.

    Returns:
        bool `[O, T, H, W]`, without objects that are in none of the frames.
    """
    pictures: dict[tuple[object, ...], tuple[IndexedMasks, bool]] = {}
    masks = []
    for referral in referrals:
        source, single = referral.masks, len(referral.object_ids) == 1
        if isinstance(source, IndexedMasks):
            pictures[source.shared] = source, single or pictures.get(source.shared, (source, False))[1]
        elif source is not None and single:
            masks.append(source.read(positions, size))
    for source, single in pictures.values():
        ids = source.read_ids(positions, size)
        numbers = [number for number in np.unique(ids).tolist() if number]
        masks += [ids == number for number in numbers] if single or len(numbers) > 1 else []
    # several sentences may be about an object, each with masks of its own
    distinct = {mask.tobytes(): mask for mask in masks if mask.any()}
    return np.array([*distinct.values()], bool).reshape(len(distinct), len(positions), *size)


def read_indexed(path: Path, size: tuple[int, int]) -> np.ndarray:
    """Reads an indexed or grey PNG file, see `decode_indexed`.

    Raises:
        InputError: Missing, damaged, of another size or a colour picture.
    """
    return decode_indexed(path, str(path), size)


def decode_indexed(file: Path | BinaryIO, name: str, size: tuple[int, int]) -> np.ndarray:
    """Decodes an indexed or grey PNG without expanding its palette.

    Args:
        file: Where it is, or its bytes.
        name: What to call it in a message.
        size: Height and width it must have.

    Returns:
        Ids, an integer array `[H, W]`; grey pixels of 16 bits are ids up to 65535.

    Raises:
        InputError: Missing, damaged, of another size or a colour picture.
    """
    try:
        with Image.open(file, formats=["PNG"]) as image:
            if (image.height, image.width) != size:
                raise InputError(
                    f"{name}: the mask is {image.height}x{image.width} pixels, its frame {size[0]}x{size[1]}"
                )
            if image.mode not in ("P", "L", "1", "I", "I;16"):
                raise InputError(f"{name}: a mask must be an indexed or grey PNG, this one has mode {image.mode}")
            ids = np.asarray(image)
    except FileNotFoundError as error:
        raise InputError(f"{name}: the mask is missing") from error
    except InputError:
        raise
    except PILLOW_ERRORS as error:
        raise InputError(f"{name}: not a readable mask: {pillow_reason(error)}") from error
    return ids.astype(np.uint8) if ids.dtype == bool else ids
