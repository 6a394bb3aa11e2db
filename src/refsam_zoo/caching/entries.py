"""A folder of named tensors under keys, safe to share between processes and limited in size."""

from __future__ import annotations

import contextlib
import logging
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from isal import isal_zlib
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from refsam_zoo.errors import InputError

_logger = logging.getLogger(__name__)

SUFFIX = ".features"
CHECKSUM_BYTES = 4
KEPT_AFTER_EVICTION = 0.9
"""Share of the size limit that is left after an eviction, so that the next one is not due at once."""

WRITES_BETWEEN_COUNTS = 64
"""After so many entries a process looks at what the others have written."""

ABANDONED_AFTER = 3600.0
"""Seconds after which an unfinished file belongs to no running writer."""


class Entry(NamedTuple):
    """A file of the folder: its path, its size in bytes and when it was last used, in seconds since 1970."""

    path: Path
    size: int
    used: float


class EntryFolder:
    """Keeps tensors in `<folder>/<first two digits>/<key>.features`: CRC-32, then the safetensors format.

    Entries are written under another name and renamed, so readers see whole ones, and of several writers of one key the
    last wins. What does not match its checksum is deleted and counts as missing. When the files outgrow the limit those
    unused for longest are deleted; several processes writing at once can exceed it by `WRITES_BETWEEN_COUNTS` entries
    each.

    Args:
        folder: Made with the first entry.
        gigabytes: Limit in 10^9 bytes.

    Attributes:
        refusal: What the disk said when it refused an entry, after which nothing more is kept; None before.

    Raises:
        InputError: The limit is not positive, or the folder is a file.
    """

    def __init__(self, folder: str | Path, gigabytes: float = 100.0) -> None:
        folder = Path(folder)
        if not gigabytes > 0:
            raise InputError(f"the feature cache needs a limit above 0 gigabytes, not {gigabytes:g}")
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: the feature cache needs a folder, not a file")
        self.folder = folder
        self.limit = int(gigabytes * 1e9)
        self._size = 0
        self._writes = 0
        self.refusal: str | None = None

    def read(self, key: str) -> dict[str, Tensor] | None:
        """Gives the tensors of a key, or None where there are none or damaged ones."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            _logger.warning("%s cannot be read, its features are computed again: %s", path, error.strerror)
            return None
        tensors = _unpack(content)
        if tensors is None:
            _logger.warning("%s is damaged; its features are computed again", path)
            with contextlib.suppress(OSError):  # gone already, or in a folder that is only read
                path.unlink()
            return None
        with contextlib.suppress(OSError):  # another process may have evicted it
            os.utime(path)
        return tensors

    def write(self, key: str, tensors: Mapping[str, Tensor]) -> None:
        """Keeps tensors, whole or not at all; where the disk refuses, says so once and keeps nothing from then on."""
        if self.refusal is not None:
            return
        body = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
        path = self._path(key)
        unfinished = path.with_name(f".{key}.{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(_checksum(body) + body)
            os.replace(unfinished, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                unfinished.unlink()
            self.refusal = f"{path} cannot be written: {error.strerror}"
            _logger.warning("%s; no more features are kept", self.refusal)
            return
        self._keep_to_limit(len(body) + CHECKSUM_BYTES)

    def entries(self) -> list[Entry]:
        """Lists what is there; removes what writers that died have left behind."""
        found = []
        for path in self.folder.glob("??/*"):
            with contextlib.suppress(FileNotFoundError):  # evicted or renamed in the meantime
                facts = path.stat()
                if path.suffix == SUFFIX:
                    found.append(Entry(path, facts.st_size, facts.st_mtime))
                elif path.name.startswith(".") and time.time() - facts.st_mtime > ABANDONED_AFTER:
                    path.unlink()
        return found

    def keys(self) -> list[str]:
        """Lists the keys that are there."""
        return [entry.path.stem for entry in self.entries()]

    def clear(self) -> int:
        """Deletes every entry and tells how many there were; other files in the folder stay."""
        entries = self.entries()
        for entry in entries:
            entry.path.unlink(missing_ok=True)
        return len(entries)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}{SUFFIX}"

    def _keep_to_limit(self, written: int) -> None:
        self._size += written
        if self._writes % WRITES_BETWEEN_COUNTS == 0 or self._size > self.limit:
            entries = self.entries()
            self._size = sum(entry.size for entry in entries)
            if self._size > self.limit:
                self._evict(sorted(entries, key=lambda entry: entry.used))
        self._writes += 1

    def _evict(self, oldest_first: list[Entry]) -> None:
        for entry in oldest_first:
            if self._size <= KEPT_AFTER_EVICTION * self.limit:
                break
            entry.path.unlink(missing_ok=True)
            self._size -= entry.size


def _unpack(content: bytes) -> dict[str, Tensor] | None:
    """Gives the tensors of a file, or None where it is damaged."""
    body = content[CHECKSUM_BYTES:]
    if _checksum(body) != content[:CHECKSUM_BYTES]:
        return None
    try:
        return load(body)
    except SafetensorError:  # four zero bytes are the checksum of nothing
        return None


def _checksum(body: bytes) -> bytes:
    return isal_zlib.crc32(body).to_bytes(CHECKSUM_BYTES, "little")
