"""All outputs of a video, each written in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from refsam_zoo.errors import InputError
from refsam_zoo.inference.background import BackgroundTasks
from refsam_zoo.inference.outputs import OUTPUTS, Output, SegmentedFrame, VideoFacts
from refsam_zoo.inference.outputs.base import UNFINISHED

MOST_PENDING = 16
"""Frames that may wait for an output."""


class OpenOutputs:
    """Writes frames into several outputs; use it as a context manager.

    Args:
        names: Those of the outputs, see `OUTPUTS`.
        folder: Folder of the result; it is made, with one for what is not finished, which stays.
        facts: The video.
        kept: Name of each output -> frames that an earlier run has surely written; None to begin anew.

    Raises:
        InputError: An output is not known, or cannot be written.
    """

    def __init__(
        self, names: Iterable[str], folder: Path, facts: VideoFacts, kept: Mapping[str, int] | None = None
    ) -> None:
        self._outputs: dict[str, tuple[Output, BackgroundTasks]] = {}
        try:
            (folder / UNFINISHED).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder} cannot be written: {error.strerror}") from error
        with ExitStack() as stack:
            for name in dict.fromkeys(names):
                have = None if kept is None else kept.get(name, 0)
                output = stack.enter_context(OUTPUTS.build(name, folder=folder, facts=facts, kept=have))
                self._outputs[name] = output, stack.enter_context(BackgroundTasks(1, MOST_PENDING))
            self._stack = stack.pop_all()

    @property
    def frames(self) -> int:
        """How many frames all outputs have, or will have when what waits is written."""
        return min(output.frames for output, _ in self._outputs.values())

    def add(self, frame: SegmentedFrame) -> None:
        """Hands over the next frame, which must not be changed afterwards.

        Raises:
            InputError: An earlier one could not be written.
        """
        for output, tasks in self._outputs.values():
            tasks.submit(output.add, frame)

    def keep(self) -> dict[str, int]:
        """Waits until all that a later run needs is on disk.

        Returns:
            Name of each output -> frames that are in it.

        Raises:
            InputError: It cannot be written.
        """
        for output, tasks in self._outputs.values():
            tasks.wait()
            output.keep()
        return {name: output.frames for name, (output, _) in self._outputs.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
