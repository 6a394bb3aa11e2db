"""What a later run needs to go on with a video where an earlier one stopped."""

from __future__ import annotations

import io
import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from refsam_zoo.errors import InputError
from refsam_zoo.inference.outputs.base import UNFINISHED
from refsam_zoo.output_files import write_whole
from refsam_zoo.systems.base import VideoSegmenter

_logger = logging.getLogger(__name__)


@dataclass
class Unfinished:
    """How far a video was segmented.

    Attributes:
        kept: Name of each output -> frames that are surely in it.
        frames: Frames that the tracks have seen.
        tracks: The session's; none before the first frame, and where they cannot be saved.
    """

    kept: dict[str, int]
    frames: int = 0
    tracks: list[Any] = field(default_factory=list)


class UnfinishedFile:
    """Reads and writes what is needed to go on.

    Args:
        output: Folder of the result.
        system: Whose tracks they are.
        settings: What must be the same in the later run.
    """

    def __init__(self, output: Path, system: VideoSegmenter[Any], settings: Mapping[str, object]) -> None:
        self._output = output
        self._path = output / UNFINISHED / "state.pt"
        self._settings = {name: str(value) for name, value in {"system": type(system).__name__, **settings}.items()}
        self._warned = False

    def save(self, unfinished: Unfinished) -> None:
        """Takes the place of what was saved before; where the tracks cannot be saved, says so once.

        Raises:
            InputError: The file cannot be written.
        """
        content = io.BytesIO()
        try:
            self._encode(unfinished, content)
            self._decode(content.getvalue(), type(unfinished.tracks[0]) if unfinished.tracks else None)
        except Exception as error:  # objects may object to anything
            if not self._warned:
                what, reason = self._settings["system"], " ".join(str(error).split())[:200]
                _logger.warning("the state of %s cannot be saved: --resume will compute all frames: %s", what, reason)
                self._warned = True
            content = io.BytesIO()
            self._encode(Unfinished(unfinished.kept), content)
        write_whole(self._path, content.getvalue())

    def load(self, track: type) -> Unfinished | None:
        """Gives what was saved; None where nothing was begun.

        Args:
            track: Class of the system's tracks; the file may hold what it and its fields are made of, and nothing else.

        Raises:
            InputError: It is damaged, of another command, or the result is finished.
        """
        if not self._path.is_file():
            return None
        try:
            settings, found = self._decode(self._path.read_bytes(), track)
        except Exception as error:  # damaged files raise what they like
            raise InputError(f"{self._path} is damaged; the same command with --overwrite begins anew") from error
        for name in settings:
            earlier, now = settings[name], self._settings.get(name)
            if earlier != now:
                raise InputError(f"{self._output} was begun with another {name}: {earlier}, now {now}")
        return found

    def remove(self) -> None:
        """Removes all that only a later run needs: the video is finished."""
        shutil.rmtree(self._path.parent, ignore_errors=True)

    def _encode(self, unfinished: Unfinished, file: io.BytesIO) -> None:
        import torch

        torch.save((self._settings, unfinished.kept, unfinished.frames, unfinished.tracks), file)

    def _decode(self, content: bytes, track: type | None) -> tuple[dict[str, str], Unfinished]:
        import torch

        with torch.serialization.safe_globals([*_made_of(track)]):
            settings, *found = torch.load(io.BytesIO(content), weights_only=True)
        return settings, Unfinished(*found)


def _made_of(hint: Any) -> Iterator[type]:
    """Gives the data classes and named tuples in a type and, in turn, in their fields."""
    known, pending = set[type](), [hint]
    while pending:
        hint = pending.pop()
        pending.extend(get_args(hint))
        if isinstance(hint, type) and hint not in known and (is_dataclass(hint) or hasattr(hint, "_fields")):
            known.add(hint)
            yield hint
            try:
                pending.extend(get_type_hints(hint).values())
            except NameError:  # imported for type checkers only: no class that may be in a file
                continue
