"""Commands that read data sets without training on them do not wait seconds for the import of Lightning."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLE = "REFSAM_ZOO_LIGHTNING_LATER"


@contextmanager
def lightning_later() -> Iterator[None]:
    """Lets what is imported here, and in processes that are started here, do without Lightning until it is needed."""
    os.environ[_VARIABLE] = "1"
    try:
        yield
    finally:
        os.environ.pop(_VARIABLE, None)


def is_lightning_later() -> bool:
    """Whether an import may leave Lightning for later. A program that imports data sets itself gets the real thing."""
    return _VARIABLE in os.environ
