"""One pass of the system over a clip, and how far it is."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

from refsam_zoo.serving.questions import Question

State = Literal["waiting", "running", "finished", "stopped", "failed"]


@dataclass(eq=False)
class Run:
    """A run.

    Attributes:
        question: What is looked for.
        first: The first frame whose masks it finds; those before it are an earlier run's.
        frames: How many frames have masks, those before `first` included.
        state: How far it is.
        message: What went wrong, for the visitor.
        stop: Set where nobody wants it any more.
    """

    question: Question
    first: int = 0
    frames: int = 0
    state: State = "waiting"
    message: str = ""
    stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def after(cls, earlier: Run | None, question: Question) -> Run:
        """Makes the run of a question, which begins where the masks of an earlier run are no answer to it."""
        if earlier is None:
            return cls(question)
        differs = question.differs_from(earlier.question)
        first = earlier.frames if differs is None else min(differs, earlier.frames)
        return cls(question, first, first)

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ("finished", "stopped", "failed")
